// SPDX-License-Identifier: MIT
// A run of results/runs, made as `glowbench train` makes it, and its row.
#ifndef GB_TABLE_RUN_H
#define GB_TABLE_RUN_H

#include <stdbool.h>
#include <stdint.h>

#include "bench/tables/results.h"

struct gb_table_run {
    const char *name;
    const char *data; // the directory that holds the data sets' directories; NULL: none
    const char *out;  // of the runs' directories
    uint64_t seed;    // UINT64_MAX: the first of the run's that is not finished
    int threads;      // 0: all
    float minutes;    // of training after which it saves and stops; below 0: no limit
    bool score_unfinished;
};

// Goes on with the run where its directory, OUT/NAME-SEED, has a checkpoint, trains and scores it, and
// takes its row into the results, with the commits of all builds that trained it. At the time limit
// there is no row, unless what stands then is to be scored; that is no failure. Fails as `glowbench
// train` does.
enum gb_status gb_table_run(struct gb_results *results, const struct gb_table_run *run);

#endif
