// SPDX-License-Identifier: MIT
#define _GNU_SOURCE // vasprintf
#include "bench/tables/table_run.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/files.h"
#include "base/json.h"
#include "bench/report/training_record.h"
#include "tasks/build.h"
#include "tasks/task.h"
#include "tasks/training/commands.h"

enum { MOST_WORDS = 64, CURVE_POINTS = 200 };

static const char going_on[] = "the same command goes on";

// A run of one seed, and where it lies.
struct place {
    const char *name;
    const json_t *config;
    json_int_t seed;
    char directory[GB_PATH], record[GB_PATH], beginning[GB_PATH], checkpoint[GB_PATH];
};

static enum gb_status place_of(const struct gb_results *results, const struct gb_table_run *run,
                               json_int_t seed, struct place *place) {
    char name[GB_PATH];
    *place = (struct place){
        .name = run->name, .config = json_object_get(results->runs, run->name), .seed = seed};
    snprintf(name, sizeof name, "%s-%lld", run->name, (long long)seed);
    GB_TRY(gb_path_join(run->out, name, place->directory));
    GB_TRY(gb_path_join(place->directory, "run.json", place->record));
    GB_TRY(gb_path_join(place->directory, "begun.json", place->beginning));
    return gb_path_join(place->directory, "checkpoint.safetensors", place->checkpoint);
}

static bool finished(const struct place *place) {
    json_t *record = json_load_file(place->record, 0, NULL);
    const json_t *options = json_object_get(place->config, "options");
    bool is = record && gb_json_integer(record, "steps") >= gb_json_integer(options, "iters");
    json_decref(record);
    return is;
}

// Of the seed that was asked for; else of the first that is not finished, or of the last.
static enum gb_status find_place(const struct gb_results *results, const struct gb_table_run *run,
                                 struct place *place) {
    if (run->seed != UINT64_MAX) {
        GB_TRY(gb_results_check_seed(results, run->name, (json_int_t)run->seed));
        return place_of(results, run, (json_int_t)run->seed, place);
    }
    const json_t *seeds = json_object_get(json_object_get(results->runs, run->name), "seeds");
    size_t i;
    json_t *seed;
    if (json_array_size(seeds) == 0)
        return gb_results_check_seed(results, run->name, 0);
    json_array_foreach(seeds, i, seed) {
        GB_TRY(place_of(results, run, json_integer_value(seed), place));
        if (!finished(place))
            break;
    }
    return GB_OK;
}

// ---- What a directory was begun with ----

static bool is_begun(const struct place *place) {
    return access(place->checkpoint, F_OK) == 0 || access(place->record, F_OK) == 0;
}

// The commits whose builds have trained in the directory, in order: a list of texts.
static json_t *commits_of(const struct place *place) {
    json_t *begun = is_begun(place) ? json_load_file(place->beginning, 0, NULL) : NULL,
           *commits = json_incref(json_object_get(begun, "commits"));
    json_decref(begun);
    return commits ? commits : json_array();
}

static enum gb_status write_beginning(const struct place *place, json_t *beginning) {
    json_t *commits = commits_of(place);
    const json_t *last = json_array_get(commits, json_array_size(commits) - 1);
    const bool same = json_is_string(last) && strcmp(json_string_value(last), gb_build.commit) == 0;
    if (!same)
        json_array_append_new(commits, json_string(gb_build.commit));
    json_object_set_new(beginning, "commits", commits);
    return same ? GB_OK : gb_json_write(place->beginning, beginning);
}

// All that makes the row's figures, but for the number of steps.
static json_t *beginning_of(const struct place *place) {
    static const char *const manner[] = {"iters", "score-every", "score-images"};
    json_t *options = json_copy(json_object_get(place->config, "options"));
    for (size_t i = 0; i < sizeof manner / sizeof *manner; i++)
        json_object_del(options, manner[i]);
    return json_pack("{s:O, s:o, s:O?, s:O?, s:I}", "task", json_object_get(place->config, "task"),
                     "options", options, "data", json_object_get(place->config, "data"), "splits",
                     json_object_get(place->config, "splits"), "seed", place->seed);
}

// Compares with what the file says, if something is trained.
static enum gb_status compare_beginning(const struct place *place, const json_t *now) {
    if (!is_begun(place))
        return gb_make_directory("cannot make the output folder", place->directory);
    json_t *was = json_load_file(place->beginning, 0, NULL);
    json_object_del(was, "commits");
    const bool same = json_equal(was, now);
    json_decref(was);
    return same ? GB_OK
                : gb_fail(GB_BAD_INPUT, "cannot go on with run", place->directory,
                          "it was begun with other options than runs/%s.json has now: remove it, "
                          "or give another --out",
                          place->name);
}

// A run goes on with what its checkpoint has, and its row tells what runs/NAME.json has: they must
// agree.
static enum gb_status check_beginning(const struct place *place, bool trains) {
    json_t *now = beginning_of(place);
    enum gb_status status = now ? compare_beginning(place, now)
                                : gb_no_memory("cannot go on with run", place->directory);
    if (status == GB_OK && trains)
        status = write_beginning(place, now);
    json_decref(now);
    return status;
}

// ---- The line of `glowbench train` ----

struct line {
    int count;
    char *words[MOST_WORDS + 1];
    bool failed;
};

static void __attribute__((format(printf, 2, 3))) add(struct line *line, const char *format, ...) {
    char *word = NULL;
    va_list values;
    va_start(values, format);
    if (line->count == MOST_WORDS || vasprintf(&word, format, values) < 0)
        line->failed = true;
    else
        line->words[line->count++] = word;
    va_end(values);
}

static void free_line(struct line *line) {
    while (line->count > 0)
        free(line->words[--line->count]);
}

// Every directory of a list with colons between, below `data`.
static void add_folders(struct line *line, const char *data, const char *directories) {
    char paths[GB_PATH] = "";
    size_t used = 0;
    while (*directories) {
        int length = (int)strcspn(directories, ":");
        used += (size_t)snprintf(paths + used, sizeof paths - used, "%s%s/%.*s", used ? ":" : "",
                                 data, length, directories);
        line->failed |= used >= sizeof paths;
        if (line->failed)
            return;
        directories += length + (directories[length] == ':');
    }
    add(line, "%s", paths);
}

// What decides the run's bits, but for as many steps; with the data sets below `data`.
static void add_run(struct line *line, const struct place *place, const char *data,
                    json_int_t steps) {
    const char *key;
    json_t *value;
    add(line, "train");
    add(line, "%s", gb_json_text(place->config, "task"));
    json_object_foreach(json_object_get(place->config, "options"), key, value) {
        add(line, "--%s", key);
        if (strcmp(key, "iters") == 0)
            add(line, "%lld", (long long)steps);
        else if (json_is_string(value))
            add(line, "%s", json_string_value(value));
        else if (json_is_integer(value))
            add(line, "%lld", (long long)json_integer_value(value));
        else
            add(line, "%.9g", json_number_value(value));
    }
    add(line, "--seed");
    add(line, "%lld", (long long)place->seed);
    if (*gb_json_text(place->config, "data")) {
        add(line, "--data");
        add_folders(line, data, gb_json_text(place->config, "data"));
    }
    if (*gb_json_text(place->config, "splits")) {
        add(line, "--split-dir");
        add_folders(line, data, gb_json_text(place->config, "splits"));
    }
}

static void add_manner(struct line *line, const struct place *place,
                       const struct gb_table_run *run) {
    add(line, "--out");
    add(line, "%s", place->directory);
    if (access(place->checkpoint, F_OK) == 0)
        add(line, "--resume");
    if (run->threads) {
        add(line, "--threads");
        add(line, "%d", run->threads);
    }
    if (run->minutes >= 0) {
        add(line, "--time-limit");
        add(line, "%.9g", (double)run->minutes);
    }
    if (run->score_unfinished)
        add(line, "--score-unfinished");
}

static enum gb_status train(const struct place *place, const struct gb_table_run *run) {
    struct line line = {0};
    add_run(&line, place, run->data,
            gb_json_integer(json_object_get(place->config, "options"), "iters"));
    add_manner(&line, place, run);
    enum gb_status status =
        line.failed
            ? gb_fail(GB_BAD_INPUT, "cannot start a run", place->name, "its line is too long")
            : gb_train_argv(line.count, (const char **)line.words, going_on);
    free_line(&line);
    return status;
}

// ---- The row ----

// What trains as far as the run came, with the same bits.
static json_t *command_of(const struct place *place, json_int_t steps) {
    struct line line = {0};
    char text[GB_PATH];
    size_t used = (size_t)snprintf(text, sizeof text, "glowbench");
    add_run(&line, place, "DIR", steps);
    for (int i = 0; i < line.count && used < sizeof text; i++)
        used += (size_t)snprintf(text + used, sizeof text - used, " %s", line.words[i]);
    free_line(&line);
    return json_string(text);
}

// Of a run that other builds have begun, theirs as well.
static json_t *commit_of(const struct place *place, const char *last) {
    json_t *commits = commits_of(place), *commit;
    char text[GB_PATH] = "";
    size_t i, used = 0;
    json_array_foreach(commits, i, commit) {
        if (used < sizeof text)
            used += (size_t)snprintf(text + used, sizeof text - used, "%s%s", i ? ", " : "",
                                     json_string_value(commit));
    }
    json_decref(commits);
    return json_string(used ? text : last);
}

static json_t *machine_of(const json_t *machine) {
    const json_t *cpu = json_object_get(machine, "cpu"),
                 *system = json_object_get(machine, "system"),
                 *build = json_object_get(machine, "build");
    return json_pack("{s:s, s:I, s:s, s:s}", "cpu", gb_json_text(cpu, "model"), "cores",
                     gb_json_integer(cpu, "cores"), "system", gb_json_text(system, "distribution"),
                     "compiler", gb_json_text(build, "compiler"));
}

// Curves of a whole photograph set stay in the run's directory.
static json_t *numbers_of(json_t *metrics) {
    json_t *numbers = json_object(), *value;
    const char *name;
    json_object_foreach(metrics, name, value) {
        if (json_is_number(value))
            json_object_set(numbers, name, value);
    }
    return numbers;
}

// The rows of a log that have a figure.
static json_t *rows_with(const json_t *log, const char *figure) {
    json_t *rows = json_array(), *row;
    size_t i;
    json_array_foreach(log, i, row) {
        if (json_object_get(row, figure))
            json_array_append(rows, row);
    }
    return rows;
}

// The seconds that all steps took; rows tell the mean since the one before.
static double training_seconds(const json_t *steps) {
    double seconds = 0;
    json_int_t last = 0;
    size_t i;
    json_t *row;
    json_array_foreach(steps, i, row) {
        const double mean = gb_json_number(row, "step_seconds");
        seconds += mean * (double)(gb_json_integer(row, "step") - last);
        last = gb_json_integer(row, "step");
    }
    return seconds;
}

// The likelihood of the minibatches, by the log's name for it, thinned by means over as many rows
// as leave CURVE_POINTS.
static json_t *curve_of(const json_t *steps) {
    json_t *curve = json_array(), *row;
    size_t i, group = json_array_size(steps) / CURVE_POINTS + 1;
    double sum = 0;
    json_array_foreach(steps, i, row) {
        const char *name = json_object_get(row, "loss") ? "loss" : "bits_per_dimension";
        sum += gb_json_number(row, name);
        if ((i + 1) % group == 0) {
            json_array_append_new(curve,
                                  json_pack("{s:I, s:f}", "step", gb_json_integer(row, "step"),
                                            name, sum / (double)group));
            sum = 0;
        }
    }
    return curve;
}

static json_t *row_of(const struct place *place, const struct gb_training_record *record) {
    const json_t *run = record->run;
    const struct gb_task *task;
    if (gb_task_find(gb_json_text(run, "task"), &task) != GB_OK)
        return NULL;
    char day[32];
    time_t now = time(NULL);
    struct tm date;
    strftime(day, sizeof day, "%Y-%m-%d", gmtime_r(&now, &date));
    json_t *steps = rows_with(record->log, "step_seconds");
    json_t *row = json_pack(
        "{s:s, s:I, s:s, s:s, s:I, s:O?, s:f, s:O?, s:O?, s:s, s:I, s:o, s:s, s:o, s:o, s:o, s:o, "
        "s:o}",
        "run", place->name, "seed", place->seed, "task", gb_json_text(run, "task"), "model",
        gb_json_text(run, "model"), "steps", gb_json_integer(run, "steps"), "iterations",
        json_object_get(json_object_get(run, "config"), "iterations"), "training_seconds",
        training_seconds(steps), "step_seconds_median", json_object_get(run, "step_seconds_median"),
        "parameters", json_object_get(run, "parameters"), "backend", gb_json_text(run, "backend"),
        "threads", gb_json_integer(run, "threads"), "commit",
        commit_of(place, gb_json_text(run, "commit")), "day", day, "command",
        command_of(place, gb_json_integer(run, "steps")), "machine",
        machine_of(json_object_get(run, "machine")), "metrics",
        numbers_of(json_object_get(run, "metrics")), "scores",
        rows_with(record->log, task->headline), "curve", curve_of(steps));
    json_decref(steps);
    return row;
}

static enum gb_status add_row(struct gb_results *results, const struct place *place) {
    struct gb_training_record record;
    GB_TRY(gb_training_record_read(place->directory, &record));
    json_t *row = row_of(place, &record);
    json_int_t stays = 0;
    enum gb_status status = row ? gb_results_add(results, row, &stays)
                                : gb_fail(GB_BAD_INPUT, "cannot use run", place->record,
                                          "it is no record of a training run");
    if (status == GB_OK) {
        printf("%s, seed %lld: %lld of %lld steps, ", place->name, (long long)place->seed,
               (long long)gb_json_integer(row, "steps"),
               (long long)gb_json_integer(row, "iterations"));
        if (stays)
            printf("and %s/rows.jsonl has a row of %lld, which stays\n", results->directory,
                   (long long)stays);
        else
            printf("its row is in %s/rows.jsonl\n", results->directory);
    }
    json_decref(row);
    gb_training_record_free(&record);
    return status;
}

// ---- All of it ----

enum gb_status gb_table_run(struct gb_results *results, const struct gb_table_run *run) {
    struct place place;
    GB_TRY(find_place(results, run, &place));
    if (*gb_json_text(place.config, "data") && !run->data)
        return gb_fail(GB_BAD_INPUT, "missing option", "--data", "%s is made from %s", place.name,
                       gb_json_text(place.config, "data"));
    const bool trains = !finished(&place);
    GB_TRY(check_beginning(&place, trains));
    if (trains) {
        unlink(place.record); // of fewer steps
        GB_TRY(train(&place, run));
        if (access(place.record, F_OK) != 0) {
            printf("%s, seed %lld: unfinished, no row\n", place.name, (long long)place.seed);
            return GB_OK;
        }
    }
    return add_row(results, &place);
}
