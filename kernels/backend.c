// SPDX-License-Identifier: MIT
#include "kernels/backend.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/cpu.h"

#define GB_KERNEL(entry, isa, geometry) __typeof__(*(gb_##entry##_fn)0) gb_##entry##_f32__##isa;
#include "kernels/registry.def"
#undef GB_KERNEL

// A table takes the registry's rows of its own instruction set.
#define GB_KERNEL(entry, isa, geometry) GB_TAKE_##isa(entry)

#define GB_TAKE_scalar(entry) .entry = gb_##entry##_f32__scalar,
#define GB_TAKE_avx2(entry)
#define GB_TAKE_avx512(entry)
static const struct gb_backend scalar = {
    .name = "scalar",
    .isa = "any CPU",
    .lanes = 1,
#include "kernels/registry.def"
};
#undef GB_TAKE_scalar
#undef GB_TAKE_avx2
#undef GB_TAKE_avx512

#if defined(__x86_64__)
#define GB_TAKE_scalar(entry)
#define GB_TAKE_avx2(entry) .entry = gb_##entry##_f32__avx2,
#define GB_TAKE_avx512(entry)
static const struct gb_backend avx2 = {
    .name = "avx2",
    .isa = "AVX2 and FMA",
    .lanes = 8,
#include "kernels/registry.def"
};
#undef GB_TAKE_avx2
#undef GB_TAKE_avx512

#define GB_TAKE_avx2(entry)
#define GB_TAKE_avx512(entry) .entry = gb_##entry##_f32__avx512,
static const struct gb_backend avx512 = {
    .name = "avx512",
    .isa = "AVX-512 F, DQ, BW and VL",
    .lanes = 16,
#include "kernels/registry.def"
};
#undef GB_TAKE_scalar
#undef GB_TAKE_avx2
#undef GB_TAKE_avx512
#endif

static const struct gb_backend *const backends[] = {
#if defined(__x86_64__)
    &avx512,
    &avx2,
#endif
    &scalar,
    NULL,
};

const struct gb_backend *const *gb_backends(void) { return backends; }

bool gb_backend_supported(const struct gb_backend *backend) {
#if defined(__x86_64__)
    if (backend == &avx512)
        return gb_cpu()->avx512;
    if (backend == &avx2)
        return gb_cpu()->avx2;
#endif
    return backend == &scalar;
}

enum gb_status gb_backend_find(const char *name, const struct gb_backend **backend) {
    const char *from = "--backend";
    if (!name || !*name) {
        name = getenv("GB_BACKEND");
        from = "GB_BACKEND";
    }
    char names[256] = "";
    for (const struct gb_backend *const *b = backends; *b; b++) {
        bool supported = gb_backend_supported(*b);
        if (!name || !*name ? supported : strcmp((*b)->name, name) == 0) {
            if (!supported)
                return gb_fail(GB_UNSUPPORTED, "cannot use backend", name, "this CPU lacks %s",
                               (*b)->isa);
            *backend = *b;
            return GB_OK;
        }
        size_t used = strlen(names);
        snprintf(names + used, sizeof names - used, "%s%s", used ? ", " : "", (*b)->name);
    }
    return gb_fail(GB_UNSUPPORTED, "unknown backend", name, "%s takes one of: %s", from, names);
}
