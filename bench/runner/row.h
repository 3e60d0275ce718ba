// SPDX-License-Identifier: MIT
// A row: what one benchmark came to, with all that is needed to judge it. Rows are kept as JSON
// Lines, one object a line, so that a sweep that stops loses at most the row that it was writing.
// A line has the fields of struct gb_row under their own names, but
//   schema   GB_ROW_SCHEMA
//   mixes    shares as an object, {"cglow-horses-32": 24}
//   cache    "warm" or "cold"; wall: "compute" or "bandwidth"
// and null for what there is not (NAN, or NULL).
#ifndef GB_ROW_H
#define GB_ROW_H

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/status.h"
#include "bench/runner/benchmark.h"

enum { GB_ROW_SCHEMA = 1 };
enum { GB_LIBRARY = 192 }; // size of its text, which ends with the core that OpenBLAS chose

enum gb_cache { GB_CACHE_WARM, GB_CACHE_COLD };
enum gb_wall { GB_WALL_COMPUTE, GB_WALL_BANDWIDTH };

struct gb_row {
    char problem[GB_PROBLEM], operation[GB_WORD], direction[GB_WORD]; // struct gb_benchmark
    struct gb_inv1x1_share *shares;
    int share_count;
    char backend[GB_WORD];    // "none" for the control row
    char library[GB_LIBRARY]; // a foreign one's name and version; "" native
    char borrowers[GB_BORROWERS]
                  [GB_WORD]; // other backends that run this kernel; "" behind the last
    int threads;
    enum gb_cache cache; // what its operands lay in when a run began
    int launch;          // which process of `bench --launches` timed it, from 0

    double *seconds; // of one run, by repetition, in the order of time; NULL with an error
    int repetitions;
    double median_seconds, spread; // spread: interquartile range / median

    double flops, bytes; // of one run (struct gb_benchmark)
    double gflops, gbs;  // by the median
    // The machine's roofline, measured between the repetitions with as many threads: multiply-adds,
    // and the bandwidth of the memory or cache that the working set fits in. `wall` is the one that
    // takes longer for this row, share_of_peak the seconds that it takes / median.
    double peak_gflops, peak_gbs;
    enum gb_wall wall;
    double share_of_peak;
    double reorder_seconds; // of one run, on average; NAN where the benchmark does not tell

    char *error; // why it has no time: then `seconds` is NULL and what follows from it is NAN

    int *cpus; // where its threads were pinned, by rank; none where pinning failed
    int cpu_count;
    double load_average; // of the last minute when the row was finished; -1 unknown
    char finished[32];   // UTC, "2024-05-01T12:00:00Z"
    json_t *machine;     // cpu, caches, memory_bytes, system, as in gb_machine_json
    json_t *build;       // version, commit, type, compiler, flags, isa_flags, libraries
};

// Whether it is the control's (bench/runner/control.h), which no build changes.
static inline bool gb_row_is_control(const struct gb_row *row) {
    return strcmp(row->operation, "control") == 0;
}

// Fills in what follows from seconds, flops, bytes and peaks: median, spread, rates, wall and share
// of the peak; NAN where there are no times. GB_OUT_OF_MEMORY.
enum gb_status gb_row_evaluate(struct gb_row *row);

// Appends the row's line to `file` and flushes it. GB_IO_ERROR naming `path` where the system
// refuses.
enum gb_status gb_row_write(FILE *file, const char *path, const struct gb_row *row);

void gb_row_free(struct gb_row *row);

struct gb_rows {         // zeroed: none
    struct gb_row *list; // in the file's order
    size_t count;
};

// Moves the row to the end of the list; on GB_OUT_OF_MEMORY it stays the caller's.
enum gb_status gb_rows_add(struct gb_rows *rows, struct gb_row *row);

// Reads a file of rows. GB_BAD_INPUT, naming the line, where one is no row or cut short, and where
// the file holds none. On failure there are no rows. A sweep that was resumed has two control rows
// of a launch and number of threads, each of a part of the sweep.
enum gb_status gb_rows_read(const char *path, struct gb_rows *rows);

// The same, for a sweep that goes on in a file that it may have been killed in: a last line that is
// cut short is left out, and *whole_bytes is where it begins (the file's size, where the file is
// whole). A file that is absent or empty holds no rows.
enum gb_status gb_rows_recover(const char *path, struct gb_rows *rows, size_t *whole_bytes);

void gb_rows_free(struct gb_rows *rows);

#endif
