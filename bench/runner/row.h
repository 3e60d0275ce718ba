// SPDX-License-Identifier: MIT
// A row: the result of one benchmark, with all that is needed to judge it. In files rows are JSON
// Lines, with the fields of struct gb_row under their own names (NAN and NULL: null), except
//   schema   GB_ROW_SCHEMA
//   mixes    shares as an object, {"cglow-horses-32": 24}
//   cache    "warm", "cold" or "step"
//   wall     bound, "compute" or "bandwidth"
#ifndef GB_ROW_H
#define GB_ROW_H

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/status.h"
#include "bench/runner/benchmark.h"
#include "bench/runner/counters.h"

enum { GB_ROW_SCHEMA = 1 };
enum { GB_ALGORITHM = 48, GB_LABEL = 64 };
enum { GB_LIBRARY = 192 }; // size of its text, which ends with the core that OpenBLAS chose

// GB_CACHE_STEP: as the pass of a model that has the layer leaves them.
enum gb_cache { GB_CACHE_WARM, GB_CACHE_COLD, GB_CACHE_STEP };
const char *gb_cache_name(enum gb_cache cache); // "warm", "cold", "step"
enum gb_bound { GB_BOUND_COMPUTE, GB_BOUND_MEMORY };

struct gb_row {
    char problem[GB_PROBLEM], operation[GB_WORD], direction[GB_WORD]; // struct gb_benchmark
    char algorithm[GB_ALGORITHM]; // that its plan chose; "" if there is no choice
    char precision[GB_WORD];      // of multiplied operands: "fp32", "bf16"; "" in older rows
    struct gb_model_share *shares;
    int share_count;
    char backend[GB_WORD];                 // "none" for the control row
    char library[GB_LIBRARY];              // a vendor library's name and version; "" if native
    char borrowers[GB_BORROWERS][GB_WORD]; // backends that fall back to this kernel; then ""
    int threads;
    enum gb_cache cache;  // state of the operands' caches before each run
    int launch;           // the process of `bench --launches` that timed it, from 0
    char label[GB_LABEL]; // of the machine or build, by `bench --label`; "" if not given

    double *seconds; // of one run, by repetition in order of time; NULL with an error
    int repetitions;
    double median_seconds, spread; // spread: interquartile range / median

    double flops, bytes; // of one run (struct gb_benchmark)
    double gflops, gbs;  // by the median
    // The machine's peaks, measured between the repetitions with as many threads: multiply-adds,
    // and the bandwidth of the memory or cache that holds the working set. `bound` is the one at
    // which this row takes longer; share_of_peak is that ideal time / the median.
    double peak_gflops, peak_gbs;
    enum gb_bound bound;
    double share_of_peak;
    double reorder_seconds; // mean of one run; NAN if the benchmark does not report it

    // Means over the repetitions, each with the untimed run before it; of a layer, the pass's. In
    // files `seconds` is "repetition_seconds"; what is NAN is left out.
    struct gb_counters counters;

    // bench/runner/memory.h; what the benchmark itself received of huge pages. NAN is left out.
    double aslr, huge_page_bytes;

    char *error; // why it has no time: `seconds` is then NULL, and what follows from it NAN

    int *cpus; // where its threads were pinned, by rank; none if pinning failed
    int cpu_count;
    double load_average; // of the minute before the row was finished; -1 unknown
    char finished[32];   // UTC, "2024-05-01T12:00:00Z"
    json_t *machine;     // cpu, caches, memory_bytes, system, as in gb_machine_json
    json_t *build;       // as in gb_machine_json, and libraries
};

// The order of rows by what they time: problem, backend, threads, cache. 0: launches of one.
int gb_row_order(const struct gb_row *a, const struct gb_row *b);

// Whether it is the control's (bench/runner/control.h), which no build changes.
static inline bool gb_row_is_control(const struct gb_row *row) {
    return strcmp(row->operation, "control") == 0;
}

// Fills in what follows from seconds, flops, bytes and peaks: median, spread, rates, bound and
// share of peak; NAN if there are no times. GB_OUT_OF_MEMORY.
enum gb_status gb_row_evaluate(struct gb_row *row);

// Appends the row's line to `file` and flushes it. GB_IO_ERROR naming `path` on a write error;
// a regular file is then as it was.
enum gb_status gb_row_write(FILE *file, const char *path, const struct gb_row *row);

void gb_row_free(struct gb_row *row);

struct gb_rows {         // zeroed: empty
    struct gb_row *list; // in the file's order
    size_t count;
};

// Moves the row to the end of the list; on GB_OUT_OF_MEMORY it stays the caller's.
enum gb_status gb_rows_add(struct gb_rows *rows, struct gb_row *row);

// Reads a file of rows, in which a resumed sweep has left a control row for each part.
// GB_BAD_INPUT, naming the line, if one is not a row or is cut short, and if there are none; the
// list is then empty.
enum gb_status gb_rows_read(const char *path, struct gb_rows *rows);

// The same for a sweep to resume: a last line that is cut short is left out, and *valid_bytes is
// where it begins (the file's size if it is complete). A file that is absent or empty has no rows.
enum gb_status gb_rows_recover(const char *path, struct gb_rows *rows, size_t *valid_bytes);

// Adds the rows of a file, read as by gb_rows_read. On failure `rows` is as it was.
enum gb_status gb_rows_add_file(struct gb_rows *rows, const char *path);

void gb_rows_free(struct gb_rows *rows);

#endif
