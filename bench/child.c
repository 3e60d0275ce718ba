// SPDX-License-Identifier: MIT
#define _GNU_SOURCE // memfd_create, mkostemp
#include "bench/child.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

// Where temporary files may go, in the order of trials; ended by NULL.
struct places {
    const char *list[4];
};

static struct places find_places(void) {
    const char *set = getenv("TMPDIR");
    return set && *set ? (struct places){{set}} : (struct places){{"/tmp", "/var/tmp", "."}};
}

static int open_unnamed(void) {
#if defined(__linux__)
    return memfd_create("glowbench", MFD_CLOEXEC);
#else
    int file = -1;
    const struct places places = find_places();
    for (const char *const *place = places.list; *place && file < 0; place++) {
        char path[GB_PATH];
        if (gb_path_join(*place, "glowbench-XXXXXX", path) == GB_OK)
            file = mkostemp(path, O_CLOEXEC);
        if (file >= 0)
            unlink(path);
    }
    return file;
#endif
}

FILE *gb_scratch_file(void) {
    const int file = open_unnamed();
    FILE *stream = file >= 0 ? fdopen(file, "w+") : NULL;
    if (file >= 0 && !stream)
        close(file);
    return stream;
}

enum gb_status gb_temporary_directory(const char *what, const char *hint,
                                      char path[static GB_PATH]) {
    int error = 0;
    const struct places places = find_places();
    for (const char *const *place = places.list; *place; place++) {
        GB_TRY(gb_path_join(*place, "glowbench-XXXXXX", path));
        if (mkdtemp(path))
            return GB_OK;
        error = error ? error : errno; // of the first
    }
    return gb_fail(GB_IO_ERROR, what, places.list[0], "%s; %s", strerror(error), hint);
}
