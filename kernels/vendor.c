// SPDX-License-Identifier: MIT
#include "kernels/vendor.h"

#include <dlfcn.h>
#include <sys/mman.h>

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
    GB_TRY(gb_openmp_check());
    gb_parallel_use_openmp();
    return GB_OK;
}

enum gb_status gb_vendor_room(const char *title, size_t bytes) {
    void *room = mmap(NULL, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (room == MAP_FAILED)
        return gb_fail(GB_OUT_OF_MEMORY, loading, title, "%zu MB of address space are not free",
                       bytes >> 20);
    munmap(room, bytes);
    return GB_OK;
}
