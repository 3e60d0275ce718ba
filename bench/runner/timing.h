// SPDX-License-Identifier: MIT
// Times a group of benchmarks together, with their repetitions interleaved at random, so that
// whatever happens to the machine affects all of them alike.
#ifndef GB_TIMING_H
#define GB_TIMING_H

#include "bench/runner/benchmark.h"
#include "bench/runner/gbench_shim.h"
#include "bench/runner/row.h"
#include "tasks/verdicts.h"

enum { GB_GROUP_ROWS = 64 }; // at most in a group, besides those of layers

// A row to be timed. Those of layers follow that of the pass that times them.
struct gb_timing {
    const struct gb_benchmark *benchmark;
    enum gb_cache cache;
    // Gets seconds, repetitions, reorder_seconds, peaks, counters and error; the caller sets the
    // rest, and frees the row even if gb_time_group fails.
    struct gb_row row;
};

struct gb_timing_options {
    int repetitions;
    double warm_up;      // seconds before the first repetition, of all benchmarks together
    size_t memory_bytes; // a working set beyond all caches (gb_memory_working_set)
    struct gb_probe *memory_probe;   // of the memory bandwidth, for cold rows
    struct gb_gbench_report *report; // gets Google Benchmark's measurements; may be NULL
    struct gb_verdicts *verdicts;    // what was checked before; NULL: every row is checked
    // Called after each repetition with the share of the group that is done, 0 to 1.
    void (*progress)(void *argument, double share);
    void *progress_argument;
};

// Times rows of one thread count, whose threads must be pinned; those of a benchmark are
// neighbours.
//   - All are set up at once, in portions that fit in half of the machine's memory.
//   - Each that `verdicts` lacks is checked. One that fails gets an error instead of times.
//   - Each is warmed up for at least 20 ms, which also shows how many runs make a repetition of
//     20 ms. Before a cold run the benchmark's arena is flushed from the caches; before a warm
//     repetition there is an untimed run.
//   - The peaks are probed once for every round of as many repetitions as there are rows.
//   - Those are checked again (passes: whether all runs succeeded); one that fails now loses its
//     times, one that passes is added to `verdicts`.
// A pass's layers are timed in its runs, for as many repetitions; their peaks are those of its
// working set.
// GB_OUT_OF_MEMORY if the measurement itself runs out of memory; GB_INTERRUPTED, without times,
// soon after gb_interrupt_asked.
enum gb_status gb_time_group(struct gb_timing *list, int count,
                             const struct gb_timing_options *options);

// Whether there is nothing to check, or `verdicts` (may be NULL) has it.
bool gb_timing_is_checked(const struct gb_benchmark *benchmark, const struct gb_verdicts *verdicts);

#endif
