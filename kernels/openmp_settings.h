// SPDX-License-Identifier: MIT
// Variables of OpenMP's whose values its runtime ignores, with lines of its own on standard error.
// With a misspelt OMP_PROC_BIND a benchmark would bind threads in another way than asked, so
// commands that use threads refuse such values with an error of one line.
#ifndef GB_OPENMP_SETTINGS_H
#define GB_OPENMP_SETTINGS_H

#include "base/status.h"

// Takes what the runtime has printed, which is changed: its complaints of variables are kept for
// gb_openmp_settings, except of OMP_NUM_THREADS, which is this program's default as well and
// checked by it; other lines, such as those of OMP_DISPLAY_ENV, go to standard error.
void gb_openmp_note(char *lines);

// Starts the runtime, and takes what it prints: LLVM's reads its variables as late as that. To be
// called before any other function of OpenMP's; a second call does nothing.
void gb_openmp_start(void);

// GB_BAD_INPUT if the runtime has complained of a variable, with its first line.
enum gb_status gb_openmp_settings(void);

#endif
