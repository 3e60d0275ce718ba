// SPDX-License-Identifier: MIT
// Times a group of benchmarks side by side, in repetitions that alternate at random, so that
// whatever the machine goes through meets all of them alike.
#ifndef GB_TIMING_H
#define GB_TIMING_H

#include "bench/runner/benchmark.h"
#include "bench/runner/gbench_shim.h"
#include "bench/runner/row.h"

enum { GB_GROUP_ROWS = 64 }; // at most in a group

// A row to be.
struct gb_timing {
    const struct gb_benchmark *benchmark;
    enum gb_cache cache;
    // Gets seconds, repetitions, reorder_seconds, peaks and error; the rest is the caller's. The
    // row is the caller's to free even where gb_time_group fails.
    struct gb_row row;
};

struct gb_timing_options {
    int repetitions;
    double warm_up;                  // seconds of runs before the first repetition, of all together
    size_t memory_bytes;             // a working set that no cache holds (gb_memory_working_set)
    struct gb_probe *memory_probe;   // of the memory's roofline, for cold rows
    struct gb_gbench_report *report; // gets what Google Benchmark measured; NULL: none
    // Told after each repetition how much of the group is done, 0 to 1.
    void (*progress)(void *argument, double share);
    void *progress_argument;
};

// Times rows of one number of threads, which must be pinned; those of a benchmark follow each
// other.
//   - All are set up at once, in portions that fit in half of the machine's memory.
//   - Each is checked. One that fails gets an error in place of times.
//   - Each is warmed up for 20 ms at least, which also tells how many runs make a repetition of
//     20 ms. A cold run first puts the benchmark's arena out of the caches; before a warm
//     repetition there is an untimed run.
//   - Every time that as many repetitions have passed as there are rows, the roofline are probed.
//   - Each is checked again; one that fails now loses its times.
// GB_OUT_OF_MEMORY where the measurement itself cannot have what it needs.
enum gb_status gb_time_group(struct gb_timing *list, int count,
                             const struct gb_timing_options *options);

#endif
