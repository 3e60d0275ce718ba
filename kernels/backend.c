// SPDX-License-Identifier: MIT
#include "kernels/backend.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/cpu.h"
#if defined(GB_ONEDNN)
#include "kernels/onednn/onednn.h"
#endif
#if defined(GB_BLAS)
#include "kernels/blas/blas.h"
#endif

#define DECLARE(entry, isa) __typeof__(*(gb_##entry##_fn)0) gb_##entry##_f32__##isa;
#define FILL(entry, isa) .entry = gb_##entry##_f32__##isa,

GB_KERNELS(DECLARE, scalar)
static const struct gb_backend scalar = {.name = "scalar",
                                         .isa = "any CPU",
                                         .library = "",
                                         .lanes = 1,
                                         .same_bits = true,
                                         GB_KERNELS(FILL, scalar)};

#if defined(__x86_64__)
GB_KERNELS(DECLARE, avx2)
static const struct gb_backend avx2 = {.name = "avx2",
                                       .isa = "AVX2 and FMA",
                                       .library = "",
                                       .lanes = 8,
                                       .same_bits = true,
                                       GB_KERNELS(FILL, avx2)};

GB_KERNELS(DECLARE, avx512)
static const struct gb_backend avx512 = {.name = "avx512",
                                         .isa = "AVX-512 F, DQ, BW and VL",
                                         .library = "",
                                         .lanes = 16,
                                         .same_bits = true,
                                         GB_KERNELS(FILL, avx512)};
#endif

static const struct gb_backend *const native[] = {
#if defined(__x86_64__)
    &avx512,
    &avx2,
#endif
    &scalar,
};
enum { NATIVE = sizeof native / sizeof *native };

static bool native_supported(const struct gb_backend *backend) {
#if defined(__x86_64__)
    if (backend == &avx512)
        return gb_cpu()->avx512;
    if (backend == &avx2)
        return gb_cpu()->avx2;
#endif
    return backend == &scalar;
}

static const struct gb_backend *best_native(void) {
    for (int i = 0; i < NATIVE; i++)
        if (native_supported(native[i]))
            return native[i];
    return &scalar;
}

// ---- Foreign libraries: each lays its entries over a copy of the best native table ----

typedef void (*overlay_fn)(struct gb_backend *table);
static const overlay_fn overlays[] = {
#if defined(GB_ONEDNN)
    gb_onednn_overlay,
#endif
#if defined(GB_BLAS)
    gb_blas_overlay,
#endif
    NULL,
};
enum { FOREIGN = sizeof overlays / sizeof *overlays - 1 };

static struct gb_backend foreign[FOREIGN + 1];
static const struct gb_backend *all[NATIVE + FOREIGN + 1]; // ended by NULL
static pthread_once_t listed = PTHREAD_ONCE_INIT;

static void list_all(void) {
    for (int i = 0; i < NATIVE; i++)
        all[i] = native[i];
    for (int i = 0; i < FOREIGN; i++) {
        foreign[i] = *best_native();
        foreign[i].fallback = best_native();
        foreign[i].same_bits = false;
        overlays[i](&foreign[i]);
        all[NATIVE + i] = &foreign[i];
    }
}

const struct gb_backend *const *gb_backends(void) {
    pthread_once(&listed, list_all);
    return all;
}

bool gb_backend_supported(const struct gb_backend *backend) {
    return backend->fallback || native_supported(backend);
}

const struct gb_backend *gb_backend_other(const struct gb_backend *backend) {
    const struct gb_backend *own = backend->fallback ? backend->fallback : backend;
    for (int i = 0; i < NATIVE; i++)
        if (native[i] != own && native_supported(native[i]))
            return native[i];
    return &scalar;
}

enum gb_status gb_backend_check(const struct gb_backend *backend) {
    return backend->check ? backend->check() : GB_OK;
}

bool gb_backend_falls_back(const struct gb_backend *backend, const char *entry) {
#define COMPARE(kernel, isa)                                                                       \
    if (strcmp(entry, #kernel) == 0)                                                               \
        return backend->fallback && backend->kernel == backend->fallback->kernel;
    GB_KERNELS(COMPARE, )
#undef COMPARE
    return false;
}

enum gb_status gb_backend_find(const char *name, const struct gb_backend **backend) {
    const char *from = "--backend";
    if (!name || !*name) {
        name = getenv("GB_BACKEND");
        from = "GB_BACKEND";
    }
    char names[256] = "";
    for (const struct gb_backend *const *b = gb_backends(); *b; b++) {
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
