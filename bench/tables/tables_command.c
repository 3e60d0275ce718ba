// SPDX-License-Identifier: MIT
#include <stdint.h>
#include <stdlib.h>

#include "base/console.h"
#include "base/minmax.h"
#include "base/options.h"
#include "bench/commands.h"
#include "bench/tables/time_to.h"
#include "tasks/machine.h"
#include "tasks/training/commands.h"

static const float no_limit = -1;

static enum gb_status parse_and_run(int argc, const char **argv, const char **logs) {
    struct gb_table_run run = {.out = "out/tables", .seed = UINT64_MAX, .minutes = no_limit};
    const char *directory = "results", *readme = NULL, *html = NULL;
    struct gb_time_to time_to = {.directories = logs};
    struct gb_check_request request = {0};
    bool check = false, helped;
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
        gb_option_string("time-to", "METRIC=VALUE", &time_to.goal,
                         "training time after which a run's own test score first reached VALUE"),
        gb_option_list("log", "DIR", logs, &time_to.count,
                       "(--time-to) a training run, repeatable (default: the rows of RESULTS)"),
        gb_option_string("tsv", "FILE", &time_to.tsv,
                         "(--time-to) write step, seconds and metric of every score"),
        gb_option_string("mllog", "FILE", &time_to.mllog,
                         "(--time-to) write the scores as events in MLPerf's log format"),
        gb_option_int("threads", "T", &run.threads, 1, GB_MAX_THREADS,
                      "threads (default: all CPUs; --check: up to 2)"),
        gb_option_flag("check", &check,
                       "retrain a small model of every task: are its metrics still the same?"),
        gb_option_string("task", "TASK", &request.task, "(--check) this task alone"),
        gb_option_string("backend", "NAME", &request.backend,
                         "(--check) this native backend alone"),
        gb_option_flag("update", &request.update, "(--check) write RESULTS/check.json"),
        GB_CONSOLE_OPTIONS,
        {0},
    };
    GB_TRY(gb_options_parse(&gb_tables_command, options, argc, argv, &helped));
    if (helped)
        return GB_OK;
    if (time_to.goal && (run.name || readme || html || check))
        return gb_fail(
            GB_BAD_INPUT, "conflicting options", "--time-to",
            "it prints times only, and goes without --run, --check, --readme and --html");
    if (!time_to.goal && (time_to.count || time_to.tsv || time_to.mllog))
        return gb_fail(GB_BAD_INPUT, "missing option", "--time-to",
                       "required by --log, --tsv and --mllog");
    if (check || request.update) {
        enum { ENOUGH = 2 }; // to find what depends on their number
        int threads = run.threads;
        GB_TRY(gb_machine_choose_threads(&threads));
        request.threads = run.threads ? threads : gb_min_int(threads, ENOUGH);
        return gb_results_reproduced(directory, &request);
    }
    struct gb_results results;
    enum gb_status status = gb_results_read(directory, &results);
    if (status == GB_OK)
        status = time_to.goal ? gb_time_to(&results, &time_to)
                 : run.name   ? gb_table_run(&results, &run)
                              : gb_pages_write(&results, html);
    if (status == GB_OK && readme && !run.name && !time_to.goal)
        status = gb_summary_write(&results, readme);
    gb_results_free(&results);
    return status;
}

static enum gb_status tables(int argc, const char **argv) {
    const char **logs = calloc((size_t)argc, sizeof *logs);
    const enum gb_status status =
        logs ? parse_and_run(argc, argv, logs) : gb_no_memory("cannot run", "tables");
    free(logs);
    return status;
}

const struct gb_command gb_tables_command = {"tables", "Reproduce the papers' tables", tables, true,
                                             false};
