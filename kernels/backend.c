// SPDX-License-Identifier: MIT
#include "kernels/backend.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/cpu.h"
#include "kernels/natives.h"
#if defined(GB_ONEDNN)
#include "kernels/onednn/onednn.h"
#endif
#if defined(GB_BLAS)
#include "kernels/blas/blas.h"
#endif
#if defined(GB_LIBXSMM)
#include "kernels/libxsmm/libxsmm.h"
#endif

#define LIST(isa) &gb_backend__##isa,
static const struct gb_backend *const native[] = {GB_ISAS(LIST)};
#undef LIST
enum { NATIVES = sizeof native / sizeof *native };

// Vendor libraries, each of which lays its entries over a copy of table->fallback.
static void (*const overlays[])(struct gb_backend *table) = {
#if defined(GB_ONEDNN)
    gb_onednn_overlay,
#endif
#if defined(GB_BLAS)
    gb_blas_overlay,
#endif
#if defined(GB_LIBXSMM)
    gb_libxsmm_overlay,
#endif
    NULL,
};
enum { VENDORS = sizeof overlays / sizeof *overlays - 1 };

static struct {
    const struct gb_backend *best; // the default
    const char *unknown_isa;       // what GB_ISA holds, if it is not an instruction set
    const struct gb_backend *all[NATIVES + VENDORS + 1], *pairs[VENDORS * NATIVES + 1];
    struct gb_backend vendors[VENDORS + 1], paired[VENDORS * NATIVES + 1];
    char names[VENDORS * NATIVES + 1][32];
} list;
static pthread_once_t listed = PTHREAD_ONCE_INIT;

// The best that the CPU supports from `cap` on; the last one runs everywhere.
static const struct gb_backend *default_native(const char *cap) {
    int first = 0;
    while (cap && *cap && first < NATIVES && strcmp(native[first]->name, cap) != 0)
        first++;
    if (first == NATIVES) {
        list.unknown_isa = cap;
        first = 0;
    }
    while (first < NATIVES - 1 && !gb_cpu_has(native[first]->cpu_level))
        first++;
    return native[first];
}

static struct gb_backend lay_over(const struct gb_backend *fallback, int vendor) {
    struct gb_backend table = *fallback;
    table.fallback = fallback;
    table.same_bits = false;
    table.precisions = 1u << GB_F32;
    overlays[vendor](&table);
    return table;
}

static void list_all(void) {
    list.best = default_native(getenv("GB_ISA"));
    for (int i = 0; i < NATIVES; i++)
        list.all[i] = native[i];
    for (int vendor = 0, at = 0; vendor < VENDORS; vendor++) {
        list.vendors[vendor] = lay_over(list.best, vendor);
        list.all[NATIVES + vendor] = &list.vendors[vendor];
        for (int i = 0; i < NATIVES; i++, at++) {
            list.paired[at] = lay_over(native[i], vendor);
            snprintf(list.names[at], sizeof list.names[at], "%s+%s", list.paired[at].name,
                     native[i]->name);
            list.paired[at].name = list.names[at];
            list.pairs[at] = &list.paired[at];
        }
    }
}

const struct gb_backend *const *gb_backends(void) {
    pthread_once(&listed, list_all);
    return list.all;
}

const struct gb_backend *const *gb_backend_pairs(void) {
    pthread_once(&listed, list_all);
    return list.pairs;
}

bool gb_backend_supported(const struct gb_backend *backend) {
    const struct gb_backend *own = backend->fallback ? backend->fallback : backend;
    return gb_cpu_has(own->cpu_level);
}

const struct gb_backend *gb_backend_other(const struct gb_backend *backend) {
    const struct gb_backend *own = backend->fallback ? backend->fallback : backend;
    for (int i = 0; i < NATIVES; i++)
        if (native[i] != own && gb_backend_supported(native[i]))
            return native[i];
    return native[NATIVES - 1];
}

enum gb_status gb_backend_load(const struct gb_backend *backend) {
    return backend->load ? backend->load() : GB_OK;
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

static const struct gb_backend *named(const struct gb_backend *const *backends, const char *name) {
    while (*backends && strcmp((*backends)->name, name) != 0)
        backends++;
    return *backends;
}

static void append_names(char *names, size_t size, const struct gb_backend *const *backends,
                         size_t count) {
    for (size_t i = 0; i < count && backends[i]; i++) {
        size_t used = strlen(names);
        snprintf(names + used, size - used, "%s%s", used ? ", " : "", backends[i]->name);
    }
}

enum gb_status gb_backend_find(const char *name, const struct gb_backend **backend) {
    const char *what = "unknown backend";
    char names[512] = "";
    if (!name || !*name) {
        name = getenv("GB_BACKEND");
        what = "unknown backend in GB_BACKEND";
    }
    const struct gb_backend *const *all = gb_backends(), *found;
    if (list.unknown_isa) {
        append_names(names, sizeof names, native, NATIVES);
        return gb_fail(GB_UNSUPPORTED, "unknown instruction set", list.unknown_isa,
                       "GB_ISA takes one of: %s", names);
    }
    if (!name || !*name) {
        *backend = list.best;
        return GB_OK;
    }
    if (!(found = named(all, name)) && !(found = named(list.pairs, name))) {
        append_names(names, sizeof names, all, NATIVES + VENDORS);
        const char *pair = list.pairs[0] ? list.pairs[0]->name : NULL;
        return gb_fail(GB_UNSUPPORTED, what, name, "backends: %s%s%s", names,
                       pair ? ", or a library over one of them as in " : "", pair ? pair : "");
    }
    if (!gb_backend_supported(found))
        return gb_fail(GB_UNSUPPORTED, "cannot use backend", name, "this CPU lacks %s",
                       found->fallback ? found->fallback->isa : found->isa);
    GB_TRY(gb_backend_load(found));
    *backend = found;
    return GB_OK;
}
