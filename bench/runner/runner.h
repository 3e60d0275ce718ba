// SPDX-License-Identifier: MIT
// A sweep: all rows of a list of benchmarks, group by group. A group is a problem with one thread
// count, or all layers that are timed in one pass: all backends, warm and cold, timed together
// (bench/runner/timing.h) with the control (bench/runner/control.h), which gets one row per thread
// count for the whole sweep.
#ifndef GB_RUNNER_H
#define GB_RUNNER_H

#include <stdbool.h>

#include "bench/runner/benchmark.h"
#include "bench/runner/gbench_shim.h"
#include "bench/runner/journal.h"
#include "tasks/verdicts.h"

enum { GB_MAX_THREAD_COUNTS = 16 }; // in a sweep

struct gb_sweep {
    const struct gb_benchmark *list; // the benchmarks of a problem are neighbours
    int count;
    int repetitions;
    // No cold rows of steps and samples, which exceed the caches anyway. Layers have one row each,
    // GB_CACHE_STEP, whatever these say.
    bool warm, cold;
    int launch;                      // of the new rows
    const char *label;               // of the new rows; may be NULL
    struct gb_gbench_report *report; // gets the new rows except layers'; may be NULL
    struct gb_verdicts *verdicts;    // what was checked before; NULL: every row is checked
    double budget;                   // seconds after which no group starts; 0: none
};

// What a sweep would time, and how long it takes on a common CPU.
struct gb_forecast {
    int rows;
    double seconds, check_seconds; // check_seconds: the part of checks
};
enum gb_status gb_sweep_forecast(const struct gb_sweep *sweep, struct gb_journal *journal,
                                 struct gb_forecast *forecast);

// Times what the journal does not have yet and adds it there, with progress on standard output and
// pinned threads; if the system refuses that, the rows have an empty list of CPUs. GB_INTERRUPTED
// soon after SIGINT or SIGTERM, without the group that was being timed. GB_CHECK_FAILED if a row of
// this launch, new or old, has an error. GB_UNSUPPORTED if there are fewer CPUs than threads.
// GB_BAD_INPUT if a group has GB_GROUP_ROWS rows or more, or the list more than
// GB_MAX_THREAD_COUNTS thread counts.
enum gb_status gb_sweep_run(const struct gb_sweep *sweep, struct gb_journal *journal);

#endif
