// SPDX-License-Identifier: MIT
#include "base/cache.h"

#include <stdlib.h>

static const char what[] = "cannot create the cache directory (see XDG_CACHE_HOME)";

enum gb_status gb_cache_path(const char *name, char path[static GB_PATH]) {
    const char *xdg = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    char directory[GB_PATH];
    // A relative path is to be ignored, as the XDG specification says.
    if (xdg && *xdg == '/')
        GB_TRY(gb_path_join(xdg, "glowbench", directory));
    else if (home && *home)
        GB_TRY(gb_path_join(home, ".cache/glowbench", directory));
    else
        return gb_fail(GB_IO_ERROR, what, "HOME", "it is not set");
    GB_TRY(gb_make_directory(what, directory));
    return gb_path_join(directory, name, path);
}
