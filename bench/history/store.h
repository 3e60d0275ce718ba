// SPDX-License-Identifier: MIT
// A directory of rows of many commits, for `glowbench history`: one file per build and machine,
// COMMIT-HASH.jsonl, in which all rows have the same build and machine, so it also serves
// `compare`.
#ifndef GB_HISTORY_STORE_H
#define GB_HISTORY_STORE_H

#include "base/status.h"

// Adds the rows of a finished sweep, whose file remains, to the directory, which is created if
// missing, and prints where. Its launches get the numbers after those that the file has; rows that
// it has already are left out. The file is written atomically, one process at a time. Fails as
// gb_rows_read; GB_BAD_INPUT if the rows come from several builds or machines, GB_IO_ERROR.
enum gb_status gb_history_append(const char *directory, const char *rows_path);

// Creates the directory if missing, and checks that it can be written, to learn it before the work.
// GB_IO_ERROR.
enum gb_status gb_history_probe(const char *directory);

#endif
