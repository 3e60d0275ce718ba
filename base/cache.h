// SPDX-License-Identifier: MIT
// The user's cache directory: $XDG_CACHE_HOME/glowbench, or ~/.cache/glowbench.
#ifndef GB_CACHE_H
#define GB_CACHE_H

#include "base/files.h"
#include "base/status.h"

// The path of `name` in the directory, which is created if missing. GB_IO_ERROR if it cannot be
// created or there is no home directory (the message says what to set); GB_BAD_INPUT where the path
// is too long.
enum gb_status gb_cache_path(const char *name, char path[static GB_PATH]);

#endif
