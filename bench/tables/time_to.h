// SPDX-License-Identifier: MIT
// Time to accuracy: when a run's own test score first reached a value. Training and evaluation are
// counted apart. A row here is a row of rows.jsonl or like one: its "scores" have `step`, the
// metric and, except in old rows, `seconds` of training and `evaluation_seconds` until then.
#ifndef GB_TIME_TO_H
#define GB_TIME_TO_H

#include "bench/tables/tables.h"

// The scores of a run's log with these times, from its rows of steps. A new array, NULL without
// memory.
json_t *gb_timed_scores(const json_t *log, const char *metric);

// Seconds of training until a row's score; in old rows, by the row's mean step.
double gb_score_seconds(const json_t *row, const json_t *score);

// The row's first score at or beyond the value, NULL if it never got there; its best. `lower`:
// lower is better.
const json_t *gb_first_score(const json_t *row, const char *metric, bool lower, double value);
const json_t *gb_best_score(const json_t *row, const char *metric, bool lower);

// The mean; from five values on without the smallest and the largest, as MLPerf Training does.
// Sorts them.
double gb_time_over_seeds(double *seconds, int count);

// "fp32" or "bf16".
const char *gb_row_precision(const json_t *row);

struct gb_time_to {
    const char *goal;               // "METRIC=VALUE"
    const char *const *directories; // of training runs; count 0: the results' rows
    int count;
    const char *tsv, *mllog; // files for all scores, and for events as MLPerf logs them; or NULL
};

// Prints a line per run, and the mean over seeds of equal settings. GB_BAD_INPUT if no run has such
// a score.
enum gb_status gb_time_to(const struct gb_results *results, const struct gb_time_to *time_to);

#endif
