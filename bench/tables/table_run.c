// SPDX-License-Identifier: MIT
#define _GNU_SOURCE // vasprintf
#include "bench/tables/tables.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/files.h"
#include "base/json.h"
#include "bench/report/training_record.h"
#include "bench/tables/time_to.h"
#include "tasks/build.h"
#include "tasks/task.h"
#include "tasks/training/commands.h"

enum { MAX_ARGUMENTS = 64, CURVE_POINTS = 200 };

static const char resuming[] = "cannot resume run", resume_hint[] = "rerun to resume";

// A run with one seed, and its files.
struct job {
    const char *name;
    const json_t *config;
    const char *results; // the directory
    json_int_t seed;
    char directory[GB_PATH], record[GB_PATH], begun[GB_PATH], checkpoint[GB_PATH], picture[GB_PATH];
    json_t *commits; // of the builds that trained it, once check_begun was called
};

static enum gb_status job_of(const struct gb_results *results, const struct gb_table_run *run,
                             json_int_t seed, struct job *job) {
    char name[GB_PATH];
    *job = (struct job){.name = run->name,
                        .config = json_object_get(results->runs, run->name),
                        .results = results->directory,
                        .seed = seed};
    snprintf(name, sizeof name, "%s-%lld", run->name, (long long)seed);
    GB_TRY(gb_path_join(run->out, name, job->directory));
    GB_TRY(gb_path_join(job->directory, "run.json", job->record));
    GB_TRY(gb_path_join(job->directory, "begun.json", job->begun));
    GB_TRY(gb_path_join(job->directory, "samples.png", job->picture));
    return gb_path_join(job->directory, "checkpoint.safetensors", job->checkpoint);
}

// Its scores and its picture are written, as far as the run goes.
static enum gb_status check_finished(const struct job *job, bool *finished) {
    json_t *record;
    GB_TRY(gb_json_read_if_there(resuming, job->record, &record));
    const json_t *options = json_object_get(job->config, "options");
    *finished = record && gb_json_integer(record, "steps") >= gb_json_integer(options, "iters") &&
                !gb_is_missing(job->picture);
    json_decref(record);
    return GB_OK;
}

// With the seed that was given; else with the first that is not finished, or the last.
static enum gb_status choose_job(const struct gb_results *results, const struct gb_table_run *run,
                                 struct job *job) {
    if (run->seed != UINT64_MAX) {
        GB_TRY(gb_results_check_seed(results, run->name, (json_int_t)run->seed));
        return job_of(results, run, (json_int_t)run->seed, job);
    }
    const json_t *seeds = json_object_get(json_object_get(results->runs, run->name), "seeds");
    if (json_array_size(seeds) == 0)
        return gb_results_check_seed(results, run->name, 0);
    size_t i;
    json_t *seed;
    json_array_foreach(seeds, i, seed) {
        bool finished;
        GB_TRY(job_of(results, run, json_integer_value(seed), job));
        GB_TRY(check_finished(job, &finished));
        if (!finished)
            break;
    }
    return GB_OK;
}

// ---- begun.json: what the run's directory was begun with, and by which builds ----

// All that determines the row's figures, except the number of steps.
static json_t *settings_of(const struct job *job) {
    static const char *const ignored[] = {"iters", "score-every", "score-images"};
    json_t *options = gb_json_copy(json_object_get(job->config, "options"));
    for (size_t i = 0; i < sizeof ignored / sizeof *ignored; i++)
        json_object_del(options, ignored[i]);
    return json_pack("{s:O, s:o, s:O?, s:O?, s:I}", "task", json_object_get(job->config, "task"),
                     "options", options, "data", json_object_get(job->config, "data"), "splits",
                     json_object_get(job->config, "splits"), "seed", job->seed);
}

// A directory is resumed only with the options that it was begun with, since its row claims those
// of runs/NAME.json. If it is to be trained, this build's commit is added to the file.
static enum gb_status check_begun(struct job *job, bool trains) {
    json_t *settings = settings_of(job), *before = NULL;
    const bool begun = access(job->checkpoint, F_OK) == 0 || access(job->record, F_OK) == 0;
    enum gb_status status = settings ? GB_OK : gb_no_memory(resuming, job->directory);
    if (status == GB_OK && begun)
        status = gb_json_read_if_there(resuming, job->begun, &before);
    json_t *commits = json_object_get(before, "commits");
    job->commits = commits ? json_incref(commits) : json_array();
    json_object_del(before, "commits");
    if (status == GB_OK && !begun)
        status = gb_make_directory("cannot make the output directory", job->directory);
    else if (status == GB_OK && !json_equal(before, settings))
        status = gb_fail(GB_BAD_INPUT, resuming, job->directory,
                         "it was begun with other options than those of runs/%s.json: remove it, "
                         "or give another --out",
                         job->name);
    const json_t *last = json_array_get(job->commits, json_array_size(job->commits) - 1);
    const char *last_commit = json_string_value(last);
    if (status == GB_OK && trains && (!last_commit || strcmp(last_commit, gb_build.commit) != 0)) {
        gb_json_append(&job->commits, json_string(gb_build.commit));
        status = job->commits && json_object_set(settings, "commits", job->commits) == 0
                     ? gb_json_write(job->begun, settings)
                     : gb_no_memory("cannot write", job->begun);
    }
    json_decref(before);
    json_decref(settings);
    return status;
}

// ---- The arguments of `glowbench train` ----

struct arguments {
    int count;
    char *list[MAX_ARGUMENTS + 1];
    bool failed;
};

__attribute__((format(printf, 2, 3))) static void add(struct arguments *arguments,
                                                      const char *format, ...) {
    char *text = NULL;
    va_list values;
    va_start(values, format);
    if (arguments->count == MAX_ARGUMENTS || vasprintf(&text, format, values) < 0)
        arguments->failed = true;
    else
        arguments->list[arguments->count++] = text;
    va_end(values);
}

static void free_arguments(struct arguments *arguments) {
    while (arguments->count > 0)
        free(arguments->list[--arguments->count]);
}

// An option with directories below `data`, separated by colons; nothing if the run has none.
static void add_directories(struct arguments *arguments, const char *option, const char *data,
                            const char *directories) {
    char paths[GB_PATH] = "";
    size_t used = 0;
    if (!*directories)
        return;
    while (*directories && used < sizeof paths) {
        const int length = (int)strcspn(directories, ":");
        used += (size_t)snprintf(paths + used, sizeof paths - used, "%s%s/%.*s", used ? ":" : "",
                                 data, length, directories);
        directories += length + (directories[length] == ':');
    }
    arguments->failed |= used >= sizeof paths;
    add(arguments, "%s", option);
    add(arguments, "%s", paths);
}

// The lists are the data's own, or those of the results directory.
static void add_lists(struct arguments *arguments, const struct job *job, const char *data) {
    const char *splits = gb_json_text(job->config, "splits");
    char path[GB_PATH];
    const bool own = data && *splits && gb_path_format(path, "%s/%s", data, splits) == GB_OK &&
                     access(path, F_OK) == 0;
    add_directories(arguments, "--split-dir", own ? data : job->results, splits);
}

// What determines the run's result after `steps` steps, with the data sets below `data`.
static void add_settings(struct arguments *arguments, const struct job *job, const char *data,
                         json_int_t steps) {
    const char *key;
    json_t *value;
    add(arguments, "train");
    add(arguments, "%s", gb_json_text(job->config, "task"));
    json_object_foreach(json_object_get(job->config, "options"), key, value) {
        add(arguments, "--%s", key);
        if (strcmp(key, "iters") == 0)
            add(arguments, "%lld", (long long)steps);
        else if (json_is_string(value))
            add(arguments, "%s", json_string_value(value));
        else if (json_is_integer(value))
            add(arguments, "%lld", (long long)json_integer_value(value));
        else
            add(arguments, "%.9g", json_number_value(value));
    }
    add(arguments, "--seed");
    add(arguments, "%lld", (long long)job->seed);
    add_directories(arguments, "--data", data, gb_json_text(job->config, "data"));
    add_lists(arguments, job, data);
}

static enum gb_status train(const struct job *job, const struct gb_table_run *run) {
    struct arguments arguments = {0};
    add_settings(&arguments, job, run->data,
                 gb_json_integer(json_object_get(job->config, "options"), "iters"));
    add(&arguments, "--out");
    add(&arguments, "%s", job->directory);
    if (access(job->checkpoint, F_OK) == 0)
        add(&arguments, "--resume");
    if (run->threads)
        add(&arguments, "--threads=%d", run->threads);
    if (run->minutes >= 0)
        add(&arguments, "--time-limit=%.9g", (double)run->minutes);
    if (run->score_unfinished)
        add(&arguments, "--score-unfinished");
    enum gb_status status =
        arguments.failed
            ? gb_fail(GB_BAD_INPUT, "cannot start run", job->name, "its options are too long")
            : gb_train_argv(arguments.count, (const char **)arguments.list, resume_hint);
    free_arguments(&arguments);
    return status;
}

// ---- The row ----

// The command that reproduces the run as far as it was trained.
static json_t *command_of(const struct job *job, json_int_t steps) {
    struct arguments arguments = {0};
    char text[GB_PATH];
    size_t used = (size_t)snprintf(text, sizeof text, "glowbench");
    add_settings(&arguments, job, "DIR", steps);
    for (int i = 0; i < arguments.count && used < sizeof text; i++)
        used += (size_t)snprintf(text + used, sizeof text - used, " %s", arguments.list[i]);
    free_arguments(&arguments);
    return json_string(text);
}

// The commits of begun.json, "a, b"; without them the record's own.
static json_t *commit_of(const struct job *job, const char *own) {
    json_t *commit;
    char text[GB_PATH] = "";
    size_t i, used = 0;
    json_array_foreach(job->commits, i, commit) {
        if (used < sizeof text)
            used += (size_t)snprintf(text + used, sizeof text - used, "%s%s", i ? ", " : "",
                                     json_string_value(commit));
    }
    return json_string(used ? text : own);
}

// The rows of a log that have a figure.
static json_t *rows_with(const json_t *log, const char *figure) {
    json_t *rows = json_array(), *row;
    size_t i;
    json_array_foreach(log, i, row) {
        if (json_object_get(row, figure))
            gb_json_append(&rows, json_incref(row));
    }
    return rows;
}

// The time of all steps; a log row has the mean of the steps since the row before.
static double training_seconds(const json_t *steps) {
    double seconds = 0;
    json_int_t last = 0;
    size_t i;
    json_t *row;
    json_array_foreach(steps, i, row) {
        const json_int_t step = gb_json_integer(row, "step");
        seconds += gb_json_number(row, "step_seconds") * (double)(step - last);
        last = step;
    }
    return seconds;
}

// The batches' bits per dimension or loss, by the log's name, as means over equally many log rows
// so that at most CURVE_POINTS are left.
static json_t *curve_of(const json_t *steps) {
    json_t *curve = json_array(), *row;
    size_t i, group = json_array_size(steps) / CURVE_POINTS + 1;
    double sum = 0;
    json_array_foreach(steps, i, row) {
        const char *name = json_object_get(row, "loss") ? "loss" : "bits_per_dimension";
        sum += gb_json_number(row, name);
        if ((i + 1) % group == 0) {
            gb_json_append(&curve, json_pack("{s:I, s:f}", "step", gb_json_integer(row, "step"),
                                             name, sum / (double)group));
            sum = 0;
        }
    }
    return curve;
}

static enum gb_status row_of(const struct job *job, const struct gb_training_record *record,
                             json_t **made) {
    json_t *run = record->run;
    const struct gb_task *task;
    if (gb_task_find(gb_json_text(run, "task"), &task) != GB_OK)
        return gb_fail(GB_BAD_INPUT, "cannot use run", job->record, "not a training run's record");
    char day[32];
    const time_t now = time(NULL);
    struct tm date;
    strftime(day, sizeof day, "%Y-%m-%d", gmtime_r(&now, &date));
    const json_t *machine = json_object_get(run, "machine"), *cpu = json_object_get(machine, "cpu");
    json_t *row = json_object(), *steps = rows_with(record->log, "step_seconds"),
           *metrics = json_object(), *value;
    const char *name;
    json_object_foreach(json_object_get(run, "metrics"), name, value) {
        if (json_is_number(value)) // curves stay in the run's directory
            gb_json_put(&metrics, name, json_incref(value));
    }
    const struct {
        const char *key;
        json_t *value;
        bool copied; // left out where the record lacks it
    } members[] = {
        {"run", json_string(job->name), false},
        {"seed", json_integer(job->seed), false},
        {"task", json_incref(json_object_get(run, "task")), true},
        {"model", json_incref(json_object_get(run, "model")), true},
        {"steps", json_integer(gb_json_integer(run, "steps")), false},
        {"iterations", json_incref(json_object_get(json_object_get(run, "config"), "iterations")),
         true},
        {"training_seconds", json_real(training_seconds(steps)), false},
        {"step_seconds_median", json_incref(json_object_get(run, "step_seconds_median")), true},
        {"parameters", json_incref(json_object_get(run, "parameters")), true},
        {"backend", json_incref(json_object_get(run, "backend")), true},
        {"precision", json_incref(json_object_get(json_object_get(run, "config"), "precision")),
         true},
        {"threads", json_integer(gb_json_integer(run, "threads")), false},
        {"commit", commit_of(job, gb_json_text(run, "commit")), false},
        {"day", json_string(day), false},
        {"command", command_of(job, gb_json_integer(run, "steps")), false},
        {"machine",
         json_pack("{s:s, s:I, s:s, s:s}", "cpu", gb_json_text(cpu, "model"), "cores",
                   gb_json_integer(cpu, "cores"), "system",
                   gb_json_text(json_object_get(machine, "system"), "distribution"), "compiler",
                   gb_json_text(json_object_get(machine, "build"), "compiler")),
         false},
        {"metrics", metrics, false},
        {"scores", gb_timed_scores(record->log, task->headline), false},
        {"curve", curve_of(steps), false},
    };
    for (size_t i = 0; i < sizeof members / sizeof *members; i++)
        if (members[i].value || !members[i].copied)
            gb_json_put(&row, members[i].key, members[i].value);
    const bool complete = row && steps;
    json_decref(steps);
    *made = row;
    return complete ? GB_OK : gb_no_memory("cannot add a row", job->record);
}

// The figures of the paper, of the results before this row, and of the row, for each cell that the
// run fills by training.
static void print_comparison(const struct gb_results *before, const struct job *job,
                             const json_t *row) {
    size_t i;
    json_t *cell;
    bool any = false;
    json_array_foreach(json_object_get(job->config, "cells"), i, cell) {
        const json_t *table =
            gb_results_find(before->tables, "id", gb_json_text(cell, "table"), NULL);
        size_t at;
        const json_t *line = gb_results_find(json_object_get(table, "measured"), "line",
                                             gb_json_text(cell, "line"), NULL),
                     *column = gb_results_find(json_object_get(table, "columns"), "name",
                                               gb_json_text(cell, "column"), &at),
                     *published = gb_results_find(json_object_get(table, "published"), "line",
                                                  gb_json_text(line, "published"), NULL),
                     *metric = json_object_get(json_object_get(row, "metrics"),
                                               gb_json_text(cell, "metric"));
        const char *paper =
            json_string_value(json_array_get(json_object_get(published, "values"), at));
        char earlier[GB_CELL], here[GB_CELL] = "-", name[128];
        if (json_is_true(json_object_get(cell, "untrained")))
            continue;
        gb_cell_text(before, table, line, column, earlier);
        if (json_is_number(metric))
            snprintf(here, sizeof here, "%.*f", (int)gb_json_integer(column, "decimals"),
                     json_number_value(metric));
        snprintf(name, sizeof name, "%s, %s", gb_json_text(line, "line"),
                 gb_json_text(column, "name"));
        if (!any)
            printf("%-40s %16s %11s %9s\n", "", "paper", "repository", "this run");
        any = true;
        printf("%-40s %16s %11s %9s\n", name, paper ? paper : "-", *earlier ? earlier : "-", here);
    }
}

static enum gb_status add_row(struct gb_results *results, const struct job *job) {
    struct gb_training_record record;
    json_int_t kept = 0;
    struct gb_results before = *results;
    enum gb_status status = gb_training_record_read(job->directory, &record);
    json_t *row = NULL;
    json_incref(before.rows); // adding reads them again
    if (status == GB_OK)
        status = row_of(job, &record, &row);
    if (status == GB_OK)
        status = gb_results_add(results, row, &kept);
    if (status == GB_OK) {
        print_comparison(&before, job, row);
        printf("%s, seed %lld: %lld of %lld steps, ", job->name, (long long)job->seed,
               (long long)gb_json_integer(row, "steps"),
               (long long)gb_json_integer(row, "iterations"));
        if (kept)
            printf("not added: the row in %s/rows.jsonl has more steps (%lld); use --results DIR "
                   "for your own tables\n",
                   results->directory, (long long)kept);
        else
            printf("row added to %s/rows.jsonl\n", results->directory);
    }
    json_decref(before.rows);
    json_decref(row);
    gb_training_record_free(&record);
    return status;
}

static enum gb_status make_run(struct gb_results *results, const struct gb_table_run *run,
                               struct job *job) {
    bool finished;
    if (*gb_json_text(job->config, "data") && !run->data)
        return gb_fail(GB_BAD_INPUT, "missing option", "--data", "%s needs %s", job->name,
                       gb_json_text(job->config, "data"));
    GB_TRY(check_finished(job, &finished));
    GB_TRY(check_begun(job, !finished));
    if (!finished) {
        GB_TRY(train(job, run));
        GB_TRY(check_finished(job, &finished));
        if (!finished && !run->score_unfinished) {
            printf("%s, seed %lld: unfinished, no row added\n", job->name, (long long)job->seed);
            return GB_OK;
        }
    }
    return add_row(results, job);
}

enum gb_status gb_table_run(struct gb_results *results, const struct gb_table_run *run) {
    struct job job = {0};
    enum gb_status status = choose_job(results, run, &job);
    if (status == GB_OK)
        status = make_run(results, run, &job);
    json_decref(job.commits);
    return status;
}
