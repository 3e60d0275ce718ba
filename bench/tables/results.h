// SPDX-License-Identifier: MIT
// The directory of results: what the papers published, which runs there are to be, and what they gave.
//
//   published.json     the papers' tables: columns, published lines, lines that are measured here
//   runs/NAME.json     a run: what is trained, on what, and which cells its metrics go into
//   rows.jsonl         a line for each run and seed that was made
//   check.json         metrics of the small runs that must come out the same (same_bits.h)
//   pictures/TASK.png  what small models make of drawn data (pictures.sh)
//   README.md, index.html, curve-TASK.svg, scores-TASK.svg    made from the above (pages.h)
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

// Reads and checks all of it; rows may be missing. GB_BAD_INPUT with the file, and the line or what
// is wrong with it: then there are none. `directory` must outlive the results.
enum gb_status gb_results_read(const char *directory, struct gb_results *results);
void gb_results_free(struct gb_results *results);

// Takes a row in, in place of one that the same run and seed left before, and writes rows.jsonl,
// whole or not at all; with the rows that others have written there meanwhile, while they wait. One
// of more steps stays: *stays gets its steps, else 0. The reference to `row` stays the caller's.
enum gb_status gb_results_add(struct gb_results *results, json_t *row, json_int_t *stays);

// GB_BAD_INPUT where there is no such run, or the run names other seeds.
enum gb_status gb_results_check_seed(const struct gb_results *results, const char *run,
                                     json_int_t seed);

// The first of a run's cells that is of the table's id and, where they are not NULL, of the line and
// the column; NULL: none.
const json_t *gb_run_cell(const json_t *run, const char *table, const char *line,
                          const char *column);
// What fills a measured cell of a table; *run gets the name of the run that has it. NULL: nothing.
const json_t *gb_results_cell(const struct gb_results *results, const json_t *table,
                              const json_t *line, const json_t *column, const char **run);

// The row of a run and seed; NULL where there is none.
json_t *gb_results_row(const struct gb_results *results, const char *run, json_int_t seed);

#endif
