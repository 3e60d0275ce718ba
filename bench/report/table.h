// SPDX-License-Identifier: MIT
// The table with which `bench` ends, for people at a terminal.
#ifndef GB_TABLE_H
#define GB_TABLE_H

#include <stdio.h>

#include "bench/runner/row.h"

// Prints, for each machine and build, number of threads and state of the caches: every problem,
// backends side by side, with time, share of the peak that limits it, and speed relative to the
// fastest backend; then for each model the means over its own mix of problems
// (bench/report/summary.h). Prints nothing where there are only control rows, and a line that says
// so without memory.
void gb_bench_table_print(FILE *file, const struct gb_row *rows, size_t count);

#endif
