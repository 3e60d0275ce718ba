// SPDX-License-Identifier: MIT
#include "tasks/program/cache.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static enum gb_status make_folder(const char *path) {
    if (mkdir(path, 0777) == 0 || errno == EEXIST)
        return GB_OK;
    return gb_fail(GB_IO_ERROR, "cannot make the cache folder", path,
                   "%s; set XDG_CACHE_HOME to a folder that can be written", strerror(errno));
}

enum gb_status gb_cache_path(const char *name, char path[static GB_PATH]) {
    const char *xdg = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    char base[GB_PATH], folder[GB_PATH];
    // A relative path is to be ignored, as the XDG specification says.
    if (xdg && *xdg == '/')
        GB_TRY(gb_path_join(xdg, ".", base));
    else if (home && *home)
        GB_TRY(gb_path_join(home, ".cache", base));
    else
        return gb_fail(GB_IO_ERROR, "cannot make the cache folder", "HOME",
                       "it is not set; set XDG_CACHE_HOME to a folder that can be written");
    GB_TRY(make_folder(base));
    GB_TRY(gb_path_join(base, "glowbench", folder));
    GB_TRY(make_folder(folder));
    return gb_path_join(folder, name, path);
}
