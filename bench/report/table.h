// SPDX-License-Identifier: MIT
// The table at the end of `bench`, for people at a terminal.
#ifndef GB_TABLE_H
#define GB_TABLE_H

#include <stdio.h>

#include "bench/runner/row.h"

// Prints, for each machine and build, thread count and cache state: every problem, backends side by
// side, with time, share of the peak that bounds it, and speed relative to the fastest backend;
// then for each model the means over its calls (bench/report/summary.h). Prints nothing if there
// are only control rows, and one line without memory.
void gb_bench_table_print(FILE *file, const struct gb_row *rows, size_t count);

#endif
