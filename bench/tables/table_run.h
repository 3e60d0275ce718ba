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
    const char *out;  // holds the runs' directories
    uint64_t seed;    // UINT64_MAX: the run's first that is not finished
    int threads;      // 0: all
    float minutes;    // of training until it saves and stops; negative: no limit
    bool score_unfinished;
};

// Trains and scores the run, resuming from the checkpoint in OUT/NAME-SEED if there is one, and adds
// its row to the results, with the commits of all builds that trained it. A run that stops at the
// time limit gets no row unless score_unfinished is set; that is not a failure. Fails as
// `glowbench train` does.
enum gb_status gb_table_run(struct gb_results *results, const struct gb_table_run *run);

#endif
