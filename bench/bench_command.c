// SPDX-License-Identifier: MIT
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/atomic_file.h"
#include "base/console.h"
#include "base/minmax.h"
#include "base/options.h"
#include "base/progress.h"
#include "bench/catalog/suite.h"
#include "bench/child.h"
#include "bench/commands.h"
#include "bench/compare/comparison.h"
#include "bench/emulation.h"
#include "bench/history/store.h"
#include "bench/report/table.h"
#include "bench/runner/forecast.h"
#include "bench/runner/launches.h"
#include "bench/runner/runner.h"
#include "bench/runner/timing.h"
#include "tasks/build.h"
#include "tasks/machine.h"
#include "tasks/verdicts.h"

enum { MAX_BACKENDS = 16, MAX_MODELS = 64, DEFAULT_REPETITIONS = 9 };

// The options, and what they select.
struct given {
    const char *filter, *kinds, *models, *backends, *threads, *cache, *json, *gbench_json, *append;
    const char *precision, *label, *checkpoint;
    const char *suite_name, *check, *budget_text;
    int repetitions, launches, launch; // launch -1: not one of several processes
    bool resume, list, forecast, allow_emulation;

    const struct gb_suite *suite;                               // NULL: none
    double budget;                                              // seconds of a launch; 0: none
    const struct gb_backend *chosen_backends[MAX_BACKENDS + 1]; // ended by NULL
    int backend_count;
    int chosen_threads[GB_MAX_THREAD_COUNTS], thread_count;
    struct gb_own_model own;                            // of --checkpoint
    struct gb_model_case chosen_models[MAX_MODELS + 1]; // ended by one without a name
    int model_count;
    unsigned chosen_kinds;
};

// ---- Comma-separated lists ----

static enum gb_status add_backend(struct given *given, const char *name) {
    const struct gb_backend *backend;
    GB_TRY(gb_backend_find(name, &backend));
    for (int i = 0; i < given->backend_count; i++)
        if (given->chosen_backends[i] == backend)
            return GB_OK;
    if (given->backend_count == MAX_BACKENDS)
        return gb_fail(GB_BAD_INPUT, "bad value", "--backend", "more than %d", MAX_BACKENDS);
    given->chosen_backends[given->backend_count++] = backend;
    return GB_OK;
}

static enum gb_status add_thread_count(struct given *given, const char *word) {
    char *end;
    long threads = strtol(word, &end, 10);
    if (*end || threads < 1 || threads > GB_MAX_THREADS)
        return gb_fail(GB_BAD_INPUT, "bad value", "--threads", "\"%s\" is not in 1 .. %d", word,
                       GB_MAX_THREADS);
    for (int i = 0; i < given->thread_count; i++)
        if (given->chosen_threads[i] == threads)
            return GB_OK;
    if (given->thread_count == GB_MAX_THREAD_COUNTS)
        return gb_fail(GB_BAD_INPUT, "bad value", "--threads", "more than %d",
                       GB_MAX_THREAD_COUNTS);
    given->chosen_threads[given->thread_count++] = (int)threads;
    return GB_OK;
}

// Every model whose name starts with the word: "cglow-horses" has three sizes.
static enum gb_status add_models(struct given *given, const char *word) {
    char names[1024] = "";
    bool found = false;
    const struct gb_model_case *m;
    GB_TRY(gb_model_cases(&m));
    for (; m->name; m++) {
        size_t used = strlen(names);
        snprintf(names + used, sizeof names - used, "%s%s", used ? ", " : "", m->name);
        if (strncmp(m->name, word, strlen(word)) != 0)
            continue;
        found = true;
        bool known = false;
        for (int i = 0; i < given->model_count; i++)
            known = known || given->chosen_models[i].name == m->name;
        if (!known && given->model_count < MAX_MODELS - 1)
            given->chosen_models[given->model_count++] = *m;
    }
    return found ? GB_OK
                 : gb_fail(GB_BAD_INPUT, "bad value", "--model",
                           "no model name starts with \"%s\"; models: %s", word, names);
}

static enum gb_status add_kind(struct given *given, const char *word) {
    static const char *const words[] = {"kernels", "layers", "steps", "samples"};
    static const enum gb_catalog_kind kinds[] = {GB_CATALOG_KERNELS, GB_CATALOG_LAYERS,
                                                 GB_CATALOG_STEPS, GB_CATALOG_SAMPLES};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strcmp(word, words[i]) == 0) {
            given->chosen_kinds |= kinds[i];
            return GB_OK;
        }
    return gb_fail(GB_BAD_INPUT, "bad value", "--kind",
                   "unknown kind \"%s\"; kinds: kernels, layers, steps, samples", word);
}

// Calls `add` for each word of "A,B,C".
static enum gb_status each_word(const char *option, const char *list, struct given *given,
                                enum gb_status (*add)(struct given *, const char *)) {
    char *words = strdup(list), *rest = words, *word;
    if (!words)
        return gb_no_memory("cannot read", option);
    enum gb_status status = GB_OK;
    while (status == GB_OK && (word = strsep(&rest, ",")))
        status = *word
                     ? add(given, word)
                     : gb_fail(GB_BAD_INPUT, "bad value", option, "\"%s\" has an empty item", list);
    free(words);
    return status;
}

// ---- Defaults ----

// Not the scalar reference, which would take hours; in a suite, of the native backends the default.
static bool is_default_backend(const struct given *given, const struct gb_backend *backend,
                               const struct gb_backend *best) {
    if (!gb_backend_supported(backend) || strcmp(backend->name, "scalar") == 0)
        return false;
    return !given->suite || !given->suite->best_native || backend->fallback || backend == best;
}

static enum gb_status choose_backends(struct given *given) {
    const struct gb_backend *best;
    GB_TRY(gb_backend_find(NULL, &best));
    best = best->fallback ? best->fallback : best;
    for (const struct gb_backend *const *b = gb_backends(); *b; b++)
        if (is_default_backend(given, *b, best)) {
            if (gb_backend_load(*b) == GB_OK)
                GB_TRY(add_backend(given, (*b)->name));
            else
                fprintf(stderr, "glowbench: backend %s is left out: %s\n", (*b)->name,
                        gb_error_message());
        }
    return given->backend_count == 0 ? add_backend(given, "scalar") : GB_OK;
}

static enum gb_status choose(struct given *given) {
    const struct {
        const char *option, *list;
        enum gb_status (*add)(struct given *, const char *);
    } lists[] = {{"--kind", given->kinds, add_kind},
                 {"--model", given->models, add_models},
                 {"--threads", given->threads, add_thread_count}};
    if (given->suite_name)
        GB_TRY(gb_suite_find(given->suite_name, &given->suite));
    if (given->budget_text)
        GB_TRY(gb_budget_parse("--budget", given->budget_text, &given->budget));
    given->budget /= given->launches;
    if (!given->repetitions)
        given->repetitions = given->suite ? given->suite->repetitions : DEFAULT_REPETITIONS;
    if (!given->cache)
        given->cache = given->suite ? given->suite->cache : "both";
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++)
        if (lists[i].list)
            GB_TRY(each_word(lists[i].option, lists[i].list, given, lists[i].add));
    if (given->checkpoint) {
        GB_TRY(gb_own_model_read(given->checkpoint, &given->own));
        given->chosen_models[given->model_count++] = given->own.model;
        if (!given->precision)
            given->precision = gb_precision_name(given->own.precision);
    }
    int most = 0;
    for (int i = 0; i < given->thread_count; i++)
        most = gb_max_int(most, given->chosen_threads[i]);
    GB_TRY(gb_machine_choose_threads(&most)); // before a vendor library starts OpenMP
    if (given->backends)
        GB_TRY(each_word("--backend", given->backends, given, add_backend));
    else
        GB_TRY(choose_backends(given));
    if (!given->kinds)
        given->chosen_kinds = GB_CATALOG_ALL;
    if (!given->threads) {
        if (!given->suite || given->suite->one_thread)
            given->chosen_threads[given->thread_count++] = 1;
        if (given->thread_count == 0 || most > 1)
            given->chosen_threads[given->thread_count++] = most;
    }
    return GB_OK;
}

static enum gb_status check_combination(const struct given *given) {
    const char *what = "missing option", *json = "--json";
    const bool has_file = given->json || given->append;
    if (given->resume && !given->json)
        return gb_fail(GB_BAD_INPUT, what, json, "--resume needs the file to resume");
    if (given->label && strlen(given->label) >= GB_LABEL)
        return gb_fail(GB_BAD_INPUT, "bad value", "--label", "more than %d bytes", GB_LABEL - 1);
    if (given->launches > 1 && !has_file)
        return gb_fail(GB_BAD_INPUT, what, json, "--launches needs a file for all results");
    if (given->launches > 1 && given->gbench_json)
        return gb_fail(GB_BAD_INPUT, "bad combination", "--gbench-json",
                       "it takes a single launch, not --launches");
    return GB_OK;
}

// ---- One sweep ----

static struct gb_sweep sweep_of(const struct given *given, const struct gb_catalog *catalog,
                                struct gb_verdicts *verdicts) {
    return (struct gb_sweep){
        .list = catalog->list,
        .count = catalog->count,
        .repetitions = given->repetitions,
        .warm = strcmp(given->cache, "cold") != 0,
        .cold = strcmp(given->cache, "warm") != 0,
        .launch = given->launch < 0 ? 0 : given->launch,
        .label = given->label,
        .verdicts = verdicts,
    };
}

// NULL where every row is to be checked, or nothing can be remembered.
static struct gb_verdicts *open_verdicts(const struct given *given, struct gb_verdicts *verdicts) {
    *verdicts = (struct gb_verdicts){0};
    return strcmp(given->check, "once") == 0 && gb_verdicts_open(verdicts, NULL) == GB_OK ? verdicts
                                                                                          : NULL;
}

// The last line.
static void print_verdict(const struct gb_row *rows, size_t count) {
    int all = 0, failed = 0;
    for (size_t i = 0; i < count; i++) {
        all += !gb_row_is_control(&rows[i]);
        failed += !gb_row_is_control(&rows[i]) && rows[i].error;
    }
    if (failed > 0)
        printf("%s: %d of %d rows failed and have no time\n", gb_console_verdict(false), failed,
               all);
    else
        printf("%s: %d row%s timed; shorter is better, speed 1.00 the fastest\n",
               gb_console_verdict(true), all, all == 1 ? "" : "s");
}

static enum gb_status sweep_into(const struct given *given, const struct gb_catalog *catalog,
                                 struct gb_gbench_report *report) {
    struct gb_journal journal;
    struct gb_verdicts verdicts;
    GB_TRY(gb_journal_open(&journal, given->json, given->resume));
    if (journal.dropped)
        gb_say("%s: dropped the incomplete last line\n", given->json);
    struct gb_sweep sweep = sweep_of(given, catalog, open_verdicts(given, &verdicts));
    sweep.report = report;
    sweep.budget = given->launch < 0 ? given->budget : 0; // all launches time the same
    enum gb_status status = gb_sweep_run(&sweep, &journal);
    if (given->launch < 0 && journal.rows.count > 0 && !gb_console.quiet)
        gb_bench_table_print(stdout, journal.rows.list, journal.rows.count);
    if (given->launch < 0 && (status == GB_OK || status == GB_CHECK_FAILED))
        print_verdict(journal.rows.list, journal.rows.count);
    gb_verdicts_close(&verdicts);
    gb_journal_close(&journal);
    return status;
}

static enum gb_status sweep(const struct given *given, const struct gb_catalog *catalog) {
    if (!given->gbench_json)
        return sweep_into(given, catalog, NULL);
    // clang-format off
    const char *const context[] = {
        "glowbench_version", gb_build.version, "commit", gb_build.commit,
        "build_type", gb_build.type, "compiler", gb_build.compiler,
        "flags", gb_build.flags, "isa_flags", gb_build.isa_flags, NULL};
    // clang-format on
    struct gb_atomic_file file;
    struct gb_gbench_report *report = NULL;
    GB_TRY(gb_atomic_open(&file, given->gbench_json));
    enum gb_status status = gb_gbench_report_open(file.stream, context, &report);
    if (status == GB_OK)
        status = sweep_into(given, catalog, report);
    gb_gbench_report_close(report);
    // A sweep that was interrupted or found a wrong kernel has results as well.
    if (status == GB_OK || status == GB_CHECK_FAILED || status == GB_INTERRUPTED) {
        enum gb_status committed = gb_atomic_commit(&file);
        return committed == GB_OK ? status : committed;
    }
    gb_atomic_abort(&file);
    return status;
}

// ---- What is timed ----

struct costs {
    const struct given *given;
    const struct gb_verdicts *verdicts;
};

// A row's, with its part of what the group takes. Launches must time the same rows, whatever was
// checked before.
static double cost_of(const struct gb_benchmark *row, void *argument) {
    enum { PASS_LAYERS = 10 };
    const struct costs *costs = argument;
    const int repetitions = costs->given->repetitions;
    const bool both = strcmp(costs->given->cache, "both") == 0;
    const bool single = costs->given->launches == 1 && costs->given->launch < 0;
    const bool checked = !single || gb_timing_is_checked(row, costs->verdicts);
    const double group = gb_forecast_group(repetitions, both) / costs->given->backend_count;
    if (row->pass)
        return (group + gb_forecast_row(row->pass, repetitions, !checked)) / PASS_LAYERS;
    return group + (both ? 2 : 1) * gb_forecast_row(row, repetitions, !checked);
}

static enum gb_status select_benchmarks(const struct given *given, struct gb_catalog *catalog) {
    const struct gb_catalog_request request = {
        .backends = given->chosen_backends,
        .threads = given->chosen_threads,
        .thread_count = given->thread_count,
        .filter = given->filter,
        .kinds = given->chosen_kinds,
        .precision = gb_precision_given(given->precision, GB_F32),
        .models = given->model_count ? given->chosen_models : NULL,
    };
    const struct gb_model_case *models = request.models;
    GB_TRY(gb_catalog_make(&request, catalog));
    enum gb_status status = models ? GB_OK : gb_model_cases(&models);
    if (status == GB_OK && given->suite)
        status = gb_suite_select(given->suite, models, catalog);
    if (status == GB_OK && given->budget > 0) {
        struct gb_verdicts verdicts;
        struct costs costs = {given, open_verdicts(given, &verdicts)};
        status = gb_catalog_trim(catalog, models, given->budget, cost_of, &costs);
        gb_verdicts_close(&verdicts);
    }
    if (status != GB_OK)
        gb_catalog_free(catalog);
    return status;
}

static enum gb_status forecast(const struct given *given, const struct gb_catalog *catalog,
                               struct gb_forecast *forecast) {
    struct gb_journal journal;
    struct gb_verdicts verdicts;
    GB_TRY(gb_journal_open(&journal, NULL, false));
    const struct gb_sweep sweep = sweep_of(given, catalog, open_verdicts(given, &verdicts));
    enum gb_status status = gb_sweep_forecast(&sweep, &journal, forecast);
    gb_verdicts_close(&verdicts);
    gb_journal_close(&journal);
    return status;
}

static void print_problems(const struct gb_catalog *catalog) {
    for (int i = 0; i < catalog->count; i++)
        if (i == 0 || strcmp(catalog->list[i].problem, catalog->list[i - 1].problem) != 0)
            puts(catalog->list[i].problem);
}

// ---- Several launches ----

// What can be known of a comparison before the first launch.
static void warn_of_launches(const struct given *given, int rows) {
    const double level = GB_FALSE_ALARMS / GB_GATES / (rows > 0 ? rows : 1);
    int needed = given->launches;
    while (needed < GB_SAMPLE_MAX && gb_rank_sum_min_p(needed, needed) > level)
        needed++;
    if (needed > given->launches)
        gb_say("%d launches are too few for compare to judge %d row%s: it takes %d.\n",
               given->launches, rows, rows == 1 ? "" : "s", needed);
}

static enum gb_status launch_all(const struct given *given, const struct gb_forecast *once,
                                 int argc, const char **argv) {
    const double checks = once->check_seconds;
    const double seconds = given->launches * (once->seconds - checks) + checks;
    char duration[32];
    gb_duration_text(seconds, duration);
    gb_say("%d launches of %d row%s, about %s\n", given->launches, once->rows,
           once->rows == 1 ? "" : "s", duration);
    if (!given->budget)
        gb_forecast_warn(seconds);
    warn_of_launches(given, once->rows);
    enum gb_status status = gb_launches_run(argc, argv, given->launches, given->budget);
    if (status != GB_OK && status != GB_CHECK_FAILED)
        return status;
    struct gb_rows rows;
    GB_TRY(gb_rows_read(given->json, &rows));
    if (!gb_console.quiet)
        gb_bench_table_print(stdout, rows.list, rows.count);
    print_verdict(rows.list, rows.count);
    gb_rows_free(&rows);
    return status;
}

// Read by gb_forecast_read. Only a first launch has checks.
static void print_forecast(const struct given *given, const struct gb_forecast *once) {
    const double checks = once->check_seconds;
    const double seconds = given->launches * (once->seconds - checks) + checks;
    char duration[32];
    gb_duration_text(seconds, duration);
    printf("%d rows, about %.1f s, of which checks %.1f s (%s)\n", once->rows, seconds, checks,
           duration);
}

static enum gb_status run_selected(const struct given *given, int argc, const char **argv) {
    struct gb_catalog catalog;
    struct gb_forecast expected = {0};
    GB_TRY(select_benchmarks(given, &catalog));
    enum gb_status status = GB_OK;
    if (given->forecast || given->launches > 1)
        status = forecast(given, &catalog, &expected);
    if (status != GB_OK) {
    } else if (given->list) {
        print_problems(&catalog);
    } else if (given->forecast) {
        print_forecast(given, &expected);
    } else if (given->launches > 1) {
        status = launch_all(given, &expected, argc, argv);
    } else {
        status = sweep(given, &catalog);
    }
    gb_catalog_free(&catalog);
    return status;
}

// ---- Results that go into a history ----

static enum gb_status run_and_append(const struct given *given, int argc, const char **argv) {
    GB_TRY(gb_history_probe(given->append));
    enum gb_status status = run_selected(given, argc, argv);
    if (status != GB_OK && status != GB_CHECK_FAILED) // a failed check is a result
        return status;
    enum gb_status appended = gb_history_append(given->append, given->json);
    return appended == GB_OK ? status : appended;
}

// Into a temporary file first, so that the history gets a complete sweep or nothing.
static enum gb_status append_all(struct given *given, int argc, const char **argv) {
    char directory[GB_PATH], path[GB_PATH];
    const char **words = calloc((size_t)argc + 2, sizeof *words);
    if (!words)
        return gb_no_memory("cannot append", given->append);
    enum gb_status status =
        gb_temporary_directory("cannot append", "set TMPDIR or --json", directory);
    if (status == GB_OK) {
        memcpy(words, argv, (size_t)argc * sizeof *words);
        words[argc] = "--json";
        words[argc + 1] = given->json = path;
        status = gb_path_join(directory, "rows.jsonl", path);
        if (status == GB_OK)
            status = run_and_append(given, argc + 2, words);
        if (status == GB_INTERRUPTED) // the temporary file's rows are gone
            status = gb_fail(GB_INTERRUPTED, "interrupted", given->append,
                             "nothing was added; with --json FILE as well it could be resumed");
        unlink(path);
        rmdir(directory);
    }
    free(words);
    return status;
}

static enum gb_status bench(int argc, const char **argv) {
    struct given given = {.launches = 1, .launch = -1, .check = "once"};
    const struct gb_option options[] = {
        gb_option_string("filter", "REGEX", &given.filter,
                         "only benchmarks matching this POSIX extended regex; --list prints all"),
        gb_option_string("suite", "NAME", &given.suite_name,
                         "quick (3 minutes), standard (25) or full; others narrow it further"),
        gb_option_string("budget", "TIME", &given.budget_text,
                         "time what weighs most in a step until then: 90s, 5min, 2h"),
        gb_option_string("kind", "A,B", &given.kinds,
                         "kernels, layers, steps, samples (default: all)"),
        gb_option_string("model", "A,B", &given.models,
                         "models by name prefix, e.g. cglow-horses (default: all)"),
        gb_option_string("checkpoint", "FILE", &given.checkpoint,
                         "time the model of a checkpoint, alone or with those of --model"),
        gb_option_choice("precision", "fp32|bf16", &given.precision,
                         "operands of the models' convolutions and fully connected layers "
                         "(default: fp32; with --checkpoint the checkpoint's)"),
        gb_option_string("backend", "A,B", &given.backends,
                         "backends (default: all that this CPU supports except scalar)"),
        gb_option_string("threads", "1,2", &given.threads,
                         "thread counts (default: 1 and all CPUs)"),
        gb_option_choice("cache", "warm|cold|both", &given.cache,
                         "cache state before each run (default: both; of a suite: warm)"),
        gb_option_int("reps", "N", &given.repetitions, 1, 10000,
                      "repetitions, each >= 20 ms or one call (default: 9; quick: 7)"),
        gb_option_string("json", "FILE", &given.json, "write results as JSON Lines"),
        gb_option_string("label", "NAME", &given.label,
                         "name of this machine or build in the results, for score and report"),
        gb_option_flag("resume", &given.resume,
                       "resume a sweep: keep the results in FILE, time the rest"),
        gb_option_string("gbench-json", "FILE", &given.gbench_json,
                         "write new results in Google Benchmark's JSON format"),
        gb_option_string("append", "DIR", &given.append,
                         "add the results to a directory for glowbench history"),
        gb_option_int("launches", "N", &given.launches, 1, GB_SAMPLE_MAX,
                      "repeat everything in N separate processes"),
        gb_option_int("launch", "I", &given.launch, 0, GB_SAMPLE_MAX - 1,
                      "number of this process, from 0; set by --launches"),
        gb_option_choice("check", "once|always", &given.check,
                         "check results once per build and machine, or in every launch"),
        gb_option_flag("forecast", &given.forecast, "print the rows and the time they take"),
        gb_option_flag("list", &given.list, "print the benchmarks without timing them"),
        GB_CONSOLE_OPTIONS,
        GB_ALLOW_EMULATION(&given.allow_emulation),
        {0},
    };
    bool helped;
    GB_TRY(gb_options_parse(&gb_bench_command, options, argc, argv, &helped));
    if (helped)
        return GB_OK;
    GB_TRY(choose(&given));
    GB_TRY(check_combination(&given));
    if (!given.list && !given.forecast)
        GB_TRY(gb_emulation_check("cannot time", given.allow_emulation));
    if (!given.append || given.launch >= 0 || given.list || given.forecast)
        return run_selected(&given, argc, argv);
    return given.json ? run_and_append(&given, argc, argv) : append_all(&given, argc, argv);
}

const struct gb_command gb_bench_command = {
    "bench", "Time kernels, layers, steps and samples on every backend", bench, false, false};
