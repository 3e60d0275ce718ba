// SPDX-License-Identifier: MIT
// Checks that passed, remembered between runs: an executable on a CPU with the same versions of the
// libraries need not repeat them. One text file per build and CPU, with a line for each check.
// Processes may share it: a line is added by one write, and one that was cut short matches nothing.
#ifndef GB_VERDICTS_H
#define GB_VERDICTS_H

#include <stdint.h>

#include "base/files.h"

struct gb_verdicts { // zeroed: nothing is remembered
    char path[GB_PATH];
    char **lines; // "KEY\tTEXT", sorted
    size_t count;
};

// Reads the file of this build and CPU in `directory`, which must exist; NULL: in the user's cache
// directory, where files that nobody added to for 30 days are removed. What identifies a build: the
// executable's bytes, the CPU, the versions of libraries, and GB_CONV_ALGORITHM.
// GB_IO_ERROR, GB_OUT_OF_MEMORY; the verdicts are then zeroed.
enum gb_status gb_verdicts_open(struct gb_verdicts *verdicts, const char *directory);

// The text that was added with the key, or NULL.
const char *gb_verdicts_find(const struct gb_verdicts *verdicts, const char *key);

// Remembers a check, here and in the file. Key and text have no tabs or line ends. What cannot be
// written is forgotten: the next run checks again.
void gb_verdicts_add(struct gb_verdicts *verdicts, const char *key, const char *text);

void gb_verdicts_close(struct gb_verdicts *verdicts);

// The hash of a file's bytes. GB_BAD_INPUT, GB_IO_ERROR with the message "`what`: PATH: ...".
enum gb_status gb_file_hash(const char *what, const char *path, uint64_t *hash);

#endif
