// SPDX-License-Identifier: MIT
// What the programs that this one runs (gnuplot, builds of glowbench) need from the system.
#ifndef GB_CHILD_H
#define GB_CHILD_H

#include <stdio.h>

#include "base/files.h"

// A file without a name for a child's standard stream, which unlike a pipe cannot fill up while the
// other end waits: in memory on Linux, elsewhere in the temporary directory. NULL with errno.
FILE *gb_scratch_file(void);

// Makes an empty directory for temporary files: in TMPDIR if that is set, else in /tmp, /var/tmp or
// the working directory, whichever can be written first. GB_IO_ERROR with the message
// "`what`: PATH: ...; `hint`".
enum gb_status gb_temporary_directory(const char *what, const char *hint,
                                      char path[static GB_PATH]);

#endif
