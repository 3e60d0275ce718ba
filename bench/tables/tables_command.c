// SPDX-License-Identifier: MIT
#include <stdint.h>

#include "base/options.h"
#include "bench/commands.h"
#include "bench/tables/pages.h"
#include "bench/tables/same_bits.h"
#include "bench/tables/table_run.h"
#include "tasks/training/commands.h"

static const float no_limit = -1;

static enum gb_status tables(int argc, const char **argv) {
    struct gb_table_run run = {.out = "out/tables", .seed = UINT64_MAX, .minutes = no_limit};
    const char *directory = "results", *readme = NULL;
    bool check = false, update = false, helped;
    const struct gb_option options[] = {
        gb_option_string("results", "DIR", &directory, "the folder of results"),
        gb_option_string("readme", "FILE", &readme,
                         "write the summary into this page too, between its marks"),
        gb_option_string("run", "NAME", &run.name, "make this run of DIR/runs, and its row"),
        gb_option_string("data", "DIR", &run.data,
                         "of --run: the folder that holds the data sets' folders"),
        gb_option_string("out", "DIR", &run.out, "of --run: the folder of runs"),
        gb_option_seed("seed", "N", &run.seed,
                       "of --run (else the first of its seeds that is not finished)"),
        gb_option_float("time-limit", "MINUTES", &run.minutes, GB_MIN_TIME_LIMIT, 1e6f,
                        "of --run: of training after which it saves and stops (else none)"),
        gb_option_flag("score-unfinished", &run.score_unfinished,
                       "of --run: a row for the steps done at the time limit"),
        gb_option_int("threads", "T", &run.threads, 1, 256, "of --run (else all CPUs)"),
        gb_option_flag("check", &check, "repeat a small run of every task: the same metrics?"),
        gb_option_flag("update", &update, "of --check: write DIR/check.json"),
        {0},
    };
    GB_TRY(gb_options_parse(&gb_tables_command, options, argc, argv, &helped));
    if (helped)
        return GB_OK;
    if (check || update)
        return gb_same_bits(directory, update);
    struct gb_results results;
    GB_TRY(gb_results_read(directory, &results));
    enum gb_status status = run.name ? gb_table_run(&results, &run) : gb_pages_write(&results);
    if (status == GB_OK && readme && !run.name)
        status = gb_summary_write(&results, readme);
    gb_results_free(&results);
    return status;
}

const struct gb_command gb_tables_command = {
    "tables", "The papers' tables: published figures beside those measured here", tables};
