// SPDX-License-Identifier: MIT
// The results directory: what the papers published, which runs are to be made, and their figures.
//
//   published.json     the papers' tables: columns, published lines, lines that are measured here
//   runs/NAME.json     a run: what is trained, on what data, and which cells its metrics fill
//   rows.jsonl         one line per run and seed that was made
//   check.json         metrics of the small runs that must be reproduced (check.h)
//   pictures/TASK.png  what small models make of synthetic data (pictures.sh)
//   README.md, curve-TASK.svg, scores-TASK.svg    made from the above (pages.h)
#ifndef GB_RESULTS_H
#define GB_RESULTS_H

#include <jansson.h>

#include "base/status.h"

struct gb_results {
    const char *directory;
    json_t *tables; // an array, in the papers' order
    json_t *runs;   // an object, by name, in byte order of the names
    json_t *rows;   // an array, in the order in which they were made
};

// Reads and checks all of it; rows.jsonl may be missing. GB_BAD_INPUT with the file, and the line
// or what is wrong with it; the results are then empty. `directory` must outlive the results.
enum gb_status gb_results_read(const char *directory, struct gb_results *results);
void gb_results_free(struct gb_results *results);

// Adds a row, replacing an earlier one of its run and seed, and writes rows.jsonl atomically, with
// the rows that other processes have added meanwhile (they wait for a lock). An earlier row of more
// steps is kept instead: *kept gets its steps, else 0. The caller keeps its reference to `row`.
enum gb_status gb_results_add(struct gb_results *results, json_t *row, json_int_t *kept);

// GB_BAD_INPUT if there is no such run, or the run does not list the seed.
enum gb_status gb_results_check_seed(const struct gb_results *results, const char *run,
                                     json_int_t seed);

// The first of a run's cells in the table with this id and, where they are not NULL, of the line
// and the column; NULL if there is none.
const json_t *gb_run_cell(const json_t *run, const char *table, const char *line,
                          const char *column);
// The run's cell that fills a measured cell of a table, NULL if no run does; *run gets its name.
const json_t *gb_results_cell(const struct gb_results *results, const json_t *table,
                              const json_t *line, const json_t *column, const char **run);

// The element of an array of objects with this text under `key`, NULL if there is none; *at (may be
// NULL) gets its index, SIZE_MAX if there is none.
json_t *gb_results_find(const json_t *array, const char *key, const char *text, size_t *at);

#endif
