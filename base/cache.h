// SPDX-License-Identifier: MIT
// The user's cache directory: $XDG_CACHE_HOME/glowbench, or ~/.cache/glowbench.
#ifndef GB_CACHE_H
#define GB_CACHE_H

#include "base/files.h"
#include "base/status.h"

// The path of `name` in the directory, which is made if need be. GB_IO_ERROR where it cannot be
// made or there is no home, with what to set; GB_BAD_INPUT where the path is too long.
enum gb_status gb_cache_path(const char *name, char path[static GB_PATH]);

#endif
