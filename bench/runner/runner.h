// SPDX-License-Identifier: MIT
// A sweep: all rows of a list of benchmarks, group by group. A group is a problem with a number of
// threads: all its backends, warm and cold, timed side by side (bench/runner/timing.h) with the
// control (bench/runner/control.h; of a group that is timed in portions, in the last one), which
// comes to one row for the whole sweep and number of threads.
#ifndef GB_RUNNER_H
#define GB_RUNNER_H

#include <stdbool.h>

#include "bench/runner/benchmark.h"
#include "bench/runner/gbench_shim.h"
#include "bench/runner/journal.h"

enum { GB_MOST_TEAMS = 16 }; // numbers of threads in a sweep

struct gb_sweep {
    const struct gb_benchmark *list; // the benchmarks of a problem follow each other
    int count;
    int repetitions;
    bool warm, cold; // cold rows are left out of what takes far more memory than caches hold:
                     // steps and samples of models
    int launch;      // that rows are marked with
    struct gb_gbench_report *report; // gets the new rows; NULL: none
};

// Times what the journal does not have yet and adds it there. Threads are pinned while it runs;
// where the system refuses that, rows say so by an empty list of CPUs. Shows its progress on
// standard output. GB_INTERRUPTED after SIGINT or SIGTERM, once the group that is being timed is
// done: all that was timed is in the journal. GB_CHECK_FAILED where a row of this launch, new or
// old, has an error. GB_UNSUPPORTED where there are fewer CPUs than threads. GB_BAD_INPUT
// where a group has more than GB_GROUP_ROWS rows, or the list more than GB_MOST_TEAMS numbers of
// threads.
enum gb_status gb_sweep_run(const struct gb_sweep *sweep, struct gb_journal *journal);

#endif
