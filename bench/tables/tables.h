// SPDX-License-Identifier: MIT
// `glowbench tables`: the results directory, which has what the papers published, which runs are to
// be made, and their figures.
//
//   published.json     the papers' tables: columns, published lines, lines that are measured here
//   runs/NAME.json     a run: what is trained, on what data, which cells its metrics fill, and, in
//                      its notes, how it differs from the paper
//   rows.jsonl         one line per run and seed that was made; its own notes say what it showed
//   splits/            lists of names that divide data sets
//   check.json         metrics of the small runs that must be reproduced
//   backends/steps/    rows of training steps on several backends (backends.sh)
//   pictures/TASK.png  what small models make of synthetic data (pictures.sh)
//   README.md, curve-TASK.svg, scores-TASK.svg    made from the above
#ifndef GB_TABLES_H
#define GB_TABLES_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/status.h"

struct gb_results {
    const char *directory;
    json_t *tables; // an array, in the papers' order
    json_t *runs;   // an object, by name, in byte order of the names
    json_t *rows;   // an array, in the order in which they were made
};

// Reads and checks all of it; rows.jsonl may be missing. GB_BAD_INPUT with the file and the line.
// `directory` must outlive the results, which are to be freed even on failure.
enum gb_status gb_results_read(const char *directory, struct gb_results *results);
void gb_results_free(struct gb_results *results);

// Adds a row and writes rows.jsonl atomically, with the rows that other processes have added
// meanwhile (they wait for a lock). It replaces an earlier row of its run and seed, unless that has
// more steps: *kept gets those, else 0. The caller keeps its reference to `row`.
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

// ---- Runs (table_run.c)

// A run of results/runs, made as `glowbench train` makes it.
struct gb_table_run {
    const char *name;
    const char *data; // the directory that holds the data sets' directories; NULL: none
    const char *out;  // holds the runs' directories
    uint64_t seed;    // UINT64_MAX: the run's first that is not finished
    int threads;      // 0: all
    float minutes;    // of training until it saves and stops; negative: no limit
    bool score_unfinished;
};

// Trains and scores the run, resuming in OUT/NAME-SEED, and adds its row, with the commits of all
// builds that trained it. Stopped by the time limit it succeeds without a row, unless
// score_unfinished is set. Fails as `glowbench train` does.
enum gb_status gb_table_run(struct gb_results *results, const struct gb_table_run *run);

// ---- Pages (pages.c, html_page.c)

// A cell's figure as pages show it; "" without one, "–" where it does not apply.
enum { GB_CELL = 64 };
void gb_cell_text(const struct gb_results *results, const json_t *table, const json_t *line,
                  const json_t *column, char text[static GB_CELL]);

// Writes README.md into the results directory, and its learning curves, curve-TASK.svg and
// scores-TASK.svg, if gnuplot is installed. With `html` (may be NULL) also writes that file: the
// same as one page.
enum gb_status gb_pages_write(const struct gb_results *results, const char *html);

// Writes the summary into a Markdown file, between its lines "<!-- glowbench tables -->" and
// "<!-- end -->". GB_BAD_INPUT if it lacks one of them; the file is then unchanged.
enum gb_status gb_summary_write(const struct gb_results *results, const char *path);

// Writes the Markdown of gb_pages_write as one HTML page that needs no other file: pictures, whose
// paths are relative to `directory`, become part of it. It knows what that page has, each block on
// a line of its own: headings, paragraphs, list items, table rows, pictures and comments; within
// text, `code` and backslashes. GB_BAD_INPUT where a picture cannot be read.
enum gb_status gb_html_page(const char *markdown, const char *directory, FILE *file);

// ---- Reproduction (check.c)

struct gb_check_request {
    const char *task, *backend; // these alone; NULL: all
    bool update;                // write the file instead; other entries stay
    int threads;
};

// Trains a small model of every task for a few steps on synthetic data and scores it, on every
// native backend of this CPU, with one thread and with `threads`, and compares its metrics with
// DIRECTORY/check.json: bitwise, except for decibels and trivial baselines, whose logarithms come
// from the C library (1e-12). A backend that the file lacks is compared with the scalar one, within
// a bound that is printed. GB_CHECK_FAILED if a metric differs; GB_BAD_INPUT for an unknown task or
// backend, or one that is not native.
enum gb_status gb_results_reproduced(const char *directory, const struct gb_check_request *request);

// Reads check.json: numbers by backend, task and metric. The caller's to json_decref. GB_BAD_INPUT
// if the file is anything else.
enum gb_status gb_expected_metrics_read(const char *path, json_t **expected);

#endif
