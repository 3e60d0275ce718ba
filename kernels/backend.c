// SPDX-License-Identifier: MIT
#include "kernels/backend.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/cpu.h"

#define DECLARE(entry, isa) __typeof__(*(gb_##entry##_fn)0) gb_##entry##_f32__##isa;
#define FILL(entry, isa) .entry = gb_##entry##_f32__##isa,

GB_KERNELS(DECLARE, scalar)
static const struct gb_backend scalar = {
    .name = "scalar", .isa = "any CPU", .lanes = 1, GB_KERNELS(FILL, scalar)};

#if defined(__x86_64__)
GB_KERNELS(DECLARE, avx2)
static const struct gb_backend avx2 = {
    .name = "avx2", .isa = "AVX2 and FMA", .lanes = 8, GB_KERNELS(FILL, avx2)};

GB_KERNELS(DECLARE, avx512)
static const struct gb_backend avx512 = {
    .name = "avx512", .isa = "AVX-512 F, DQ, BW and VL", .lanes = 16, GB_KERNELS(FILL, avx512)};
#endif

static const struct gb_backend *const backends[] = {
#if defined(__x86_64__)
    &avx512,
    &avx2,
#endif
    &scalar,
    NULL,
};

const struct gb_backend *const *gb_backends(void) {
    return backends;
}

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
