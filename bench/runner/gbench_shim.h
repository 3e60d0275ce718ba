// SPDX-License-Identifier: MIT
// Google Benchmark behind a C interface: it runs repetitions in random order, times them, and
// writes its own JSON for its tools (compare.py). gbench_shim.cc is the only C++ of the project.
#ifndef GB_GBENCH_SHIM_H
#define GB_GBENCH_SHIM_H

#include <stdint.h>
#include <stdio.h>

#if defined(__cplusplus)
extern "C" {
#endif

#include "base/status.h"

// One benchmark, and where its times go.
struct gb_gbench {
    const char *name;    // in the JSON, where it gets suffixes such as "/process_time/real_time"
    int threads;         // of `run`; for the JSON
    int64_t iterations;  // runs in a repetition
    double flops, bytes; // of one run; rates in the JSON

    void (*prepare)(void *argument); // before each repetition, not timed; may be NULL
    // One of the two. `run` is timed by Google Benchmark, all runs of a repetition together;
    // `run_seconds` returns the time of its run, without its preparation.
    void (*run)(void *argument);
    double (*run_seconds)(void *argument);
    void (*finish)(void *argument); // after each repetition, not timed; may be NULL
    void *argument;

    double *seconds;   // of one run, by repetition in the order of time: room for all of them
    const char *error; // set by the caller before gb_gbench_report_keep: why the times are invalid
};

// The JSON document, over any number of gb_gbench_run.
struct gb_gbench_report;

// Writes to `stream`, which the caller owns. `context` is a list of key, value, ..., NULL that is
// added to the context that Google Benchmark writes. GB_OUT_OF_MEMORY.
enum gb_status gb_gbench_report_open(FILE *stream, const char *const *context,
                                     struct gb_gbench_report **report);

// Runs `repetitions` of each, all in one random order. Not reentrant. GB_OUT_OF_MEMORY. `report`
// (may be NULL) keeps what it needs until gb_gbench_report_keep.
enum gb_status gb_gbench_run(const struct gb_gbench *list, int count, int repetitions,
                             struct gb_gbench_report *report);

// Writes the runs of the last gb_gbench_run, of the same list. Those with an error have no times.
enum gb_status gb_gbench_report_keep(struct gb_gbench_report *report, const struct gb_gbench *list);

// Ends the document, which is valid only then, and frees the report (may be NULL). Write errors
// stay with the stream.
void gb_gbench_report_close(struct gb_gbench_report *report);

#if defined(__cplusplus)
}
#endif

#endif
