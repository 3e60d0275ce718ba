// SPDX-License-Identifier: MIT
// A file that is complete or absent: it is written under a temporary name in the same directory,
// synced, and renamed over its final name. The previous file stays until the rename, and the new
// one gets its permissions and, where the system allows it, its owner. A symbolic link is followed:
// the file that it points to is replaced. What is not a regular file (a pipe, a terminal,
// /dev/stdout) is written as it is.
#ifndef GB_ATOMIC_FILE_H
#define GB_ATOMIC_FILE_H

#include <stdio.h>

#include "base/status.h"

struct gb_atomic_file {
    FILE *stream;    // write to it, never close it; write errors may be left to the commit
    char *path;      // the final name, links followed
    char *temporary; // the name until then; NULL: `path` is written as it is
};

// Opens a temporary file next to the file, and removes those that killed processes left there: all
// that nobody has open, here or on another host, where the file system has locks. GB_BAD_INPUT
// where `path` is a directory, GB_IO_ERROR where the system refuses (no such directory, not
// writable, disk full); then nothing is left open or on the disk.
enum gb_status gb_atomic_open(struct gb_atomic_file *file, const char *path);

// Flushes, syncs, closes, renames and syncs the directory; any error that the stream met is
// reported here. On failure (GB_IO_ERROR) the temporary file is gone and the file is as it was.
// Ends the file either way.
enum gb_status gb_atomic_commit(struct gb_atomic_file *file);

// Gives up: closes and removes the temporary file, leaving the thread's error message alone. Ends
// the file; does nothing to one that is already ended or that was never opened (all zeros).
void gb_atomic_abort(struct gb_atomic_file *file);

// What gb_atomic_open would say to `path`, to learn it before the work whose result is to be
// written. Leaves nothing behind, and opens no pipe.
enum gb_status gb_atomic_probe(const char *path);

// Removes the temporary files of `path` that killed processes left.
void gb_atomic_sweep(const char *path);

// Opens what is not a regular file as gb_atomic_open does, for output that is not written at once;
// *stream is NULL for a regular or missing file.
enum gb_status gb_stream_open(const char *path, FILE **stream);

#endif
