// SPDX-License-Identifier: MIT
#include <stdint.h>

#include "base/minmax.h"
#include "base/options.h"
#include "bench/commands.h"
#include "bench/tables/tables.h"
#include "tasks/machine.h"
#include "tasks/training/commands.h"

static const float no_limit = -1;

static enum gb_status tables(int argc, const char **argv) {
    struct gb_table_run run = {.out = "out/tables", .seed = UINT64_MAX, .minutes = no_limit};
    const char *directory = "results", *readme = NULL, *html = NULL;
    bool check = false, update = false, helped;
    const struct gb_option options[] = {
        gb_option_string("results", "DIR", &directory, "the results directory"),
        gb_option_string("readme", "FILE", &readme,
                         "also update the summary between the marks of this Markdown file"),
        gb_option_string("html", "FILE", &html, "also write everything as one HTML page"),
        gb_option_string("run", "NAME", &run.name,
                         "train and score RESULTS/runs/NAME.json, and add its row"),
        gb_option_string("data", "DIR", &run.data, "(--run) parent directory of the data sets"),
        gb_option_string("out", "DIR", &run.out, "(--run) parent directory of the runs"),
        gb_option_seed("seed", "N", &run.seed,
                       "(--run) seed (default: the run's first that is not finished)"),
        gb_option_float("time-limit", "MINUTES", &run.minutes, GB_MIN_TIME_LIMIT, 1e6f,
                        "(--run) save and stop after this training time (default: no limit)"),
        gb_option_flag("score-unfinished", &run.score_unfinished,
                       "(--run) score and add a row even if the time limit stopped it"),
        gb_option_int("threads", "T", &run.threads, 1, GB_MAX_THREADS,
                      "threads (default: all CPUs; --check: up to 2)"),
        gb_option_flag("check", &check,
                       "retrain a small model of every task: are its metrics still the same?"),
        gb_option_flag("update", &update, "(--check) write RESULTS/check.json"),
        {0},
    };
    GB_TRY(gb_options_parse(&gb_tables_command, options, argc, argv, &helped));
    if (helped)
        return GB_OK;
    if (check || update) {
        enum { ENOUGH = 2 }; // to find what depends on their number
        int threads = run.threads;
        GB_TRY(gb_machine_choose_threads(&threads));
        threads = run.threads ? threads : gb_min_int(threads, ENOUGH);
        return gb_results_reproduced(directory, update, threads);
    }
    struct gb_results results;
    enum gb_status status = gb_results_read(directory, &results);
    if (status == GB_OK)
        status = run.name ? gb_table_run(&results, &run) : gb_pages_write(&results, html);
    if (status == GB_OK && readme && !run.name)
        status = gb_summary_write(&results, readme);
    gb_results_free(&results);
    return status;
}

const struct gb_command gb_tables_command = {"tables", "Reproduce the papers' tables", tables,
                                             true};
