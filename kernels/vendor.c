// SPDX-License-Identifier: MIT
#include "kernels/vendor.h"

#include <assert.h>
#include <dlfcn.h>
#include <stdio.h>
#include <sys/mman.h>

#include "base/clock.h"
#include "kernels/natives.h"
#include "kernels/openmp_check.h"
#include "kernels/parallel.h"

static const char loading[] = "cannot load library";

enum gb_status gb_vendor_load(const struct gb_vendor_library *library) {
    void *handle = dlopen(library->file, RTLD_NOW | RTLD_LOCAL);
    if (!handle)
        handle = dlopen(library->path, RTLD_NOW | RTLD_LOCAL);
    if (!handle) {
        const char *why = dlerror();
        return gb_fail(GB_UNSUPPORTED, loading, library->title, "%s", why ? why : library->path);
    }
    for (int i = 0; i < library->count; i++) {
        *library->functions[i].address = dlsym(handle, library->functions[i].name);
        if (!*library->functions[i].address)
            return gb_fail(GB_UNSUPPORTED, loading, library->title, "%s has no function '%s'",
                           library->file, library->functions[i].name);
    }
    if (library->on_callers_threads)
        return GB_OK;
    GB_TRY(gb_openmp_check());
    gb_parallel_use_openmp();
    return GB_OK;
}

enum gb_status gb_vendor_load_once(struct gb_vendor_once *once, enum gb_status (*load)(void)) {
    pthread_mutex_lock(&once->lock);
    if (!once->done) {
        once->status = load();
        once->done = true;
        if (once->status != GB_OK)
            snprintf(once->message, sizeof once->message, "%s", gb_error_message());
    }
    pthread_mutex_unlock(&once->lock);
    return once->status == GB_OK ? GB_OK : gb_fail_again(once->status, once->message);
}

enum gb_status gb_vendor_check_space(const char *title, size_t bytes) {
    void *space = mmap(NULL, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (space == MAP_FAILED)
        return gb_fail(GB_OUT_OF_MEMORY, loading, title, "%zu MB of address space are not free",
                       bytes >> 20);
    munmap(space, bytes);
    return GB_OK;
}

const struct gb_vendor_fallback *gb_vendor_fallback_of(const struct gb_backend *backend) {
#define OVER(isa) {&gb_backend__##isa, gb_epilogue_rows__##isa},
    static const struct gb_vendor_fallback fallbacks[] = {GB_ISAS(OVER)};
#undef OVER
    const struct gb_vendor_fallback *fallback = fallbacks;
    for (; fallback->backend != backend->fallback; fallback++)
        assert(fallback + 1 < fallbacks + sizeof fallbacks / sizeof *fallbacks); // it is listed
    return fallback;
}

double gb_vendor_reorder_start(const struct gb_exec *exec) {
    return exec->reorder_seconds ? gb_seconds() : 0;
}

void gb_vendor_reorder_end(const struct gb_exec *exec, double start) {
    if (exec->reorder_seconds)
        *exec->reorder_seconds += gb_seconds() - start;
}
