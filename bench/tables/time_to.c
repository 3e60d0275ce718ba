// SPDX-License-Identifier: MIT
#include "bench/tables/time_to.h"

#include <stdlib.h>
#include <string.h>

#include "base/atomic_file.h"
#include "base/files.h"
#include "base/json.h"
#include "base/progress.h"
#include "base/quantile.h"
#include "bench/report/training_record.h"
#include "tasks/task.h"

// ---- Times of scores ----

// Of the first `step` steps, by the log's rows of steps, each of which has the mean since the one
// before; steps after the last row take as long as those before it.
static double seconds_until(const json_t *log, json_int_t step) {
    double seconds = 0, each = 0;
    json_int_t last = 0;
    size_t i;
    json_t *row;
    json_array_foreach(log, i, row) {
        if (!json_object_get(row, "step_seconds") || last >= step)
            continue;
        const json_int_t at = gb_json_integer(row, "step"), until = at < step ? at : step;
        each = gb_json_number(row, "step_seconds");
        seconds += each * (double)(until - last);
        last = until;
    }
    return seconds + each * (double)(step - last);
}

json_t *gb_timed_scores(const json_t *log, const char *metric) {
    json_t *scores = json_array(), *row;
    double evaluation = 0;
    size_t i;
    json_array_foreach(log, i, row) {
        if (!json_object_get(row, metric) || json_object_get(row, "step_seconds"))
            continue;
        json_t *score = gb_json_copy(row);
        evaluation += gb_json_number(row, "score_seconds");
        gb_json_put(&score, "seconds", json_real(seconds_until(log, gb_json_integer(row, "step"))));
        gb_json_put(&score, "evaluation_seconds", json_real(evaluation));
        gb_json_append(&scores, score);
    }
    return scores;
}

double gb_score_seconds(const json_t *row, const json_t *score) {
    const json_t *seconds = json_object_get(score, "seconds");
    const double steps = gb_json_number(row, "steps");
    if (seconds || !(steps > 0))
        return json_number_value(seconds);
    return gb_json_number(row, "training_seconds") * (gb_json_number(score, "step") / steps);
}

const json_t *gb_first_score(const json_t *row, const char *metric, bool lower, double value) {
    size_t i;
    json_t *score;
    json_array_foreach(json_object_get(row, "scores"), i, score) {
        const json_t *reached = json_object_get(score, metric);
        const double number = json_number_value(reached);
        if (json_is_number(reached) && (lower ? number <= value : number >= value))
            return score;
    }
    return NULL;
}

const json_t *gb_best_score(const json_t *row, const char *metric, bool lower) {
    const json_t *best = NULL;
    size_t i;
    json_t *score;
    json_array_foreach(json_object_get(row, "scores"), i, score) {
        const double number = gb_json_number(score, metric), most = gb_json_number(best, metric);
        if (json_is_number(json_object_get(score, metric)) &&
            (!best || (lower ? number < most : number > most)))
            best = score;
    }
    return best;
}

double gb_time_over_seeds(double *seconds, int count) {
    enum { ENOUGH = 5 }; // as MLPerf Training requires where runs vary most
    const bool trimmed = count >= ENOUGH;
    double sum = 0;
    gb_sort(seconds, count);
    for (int i = trimmed; i < count - trimmed; i++)
        sum += seconds[i];
    return sum / (count - 2 * trimmed);
}

const char *gb_row_precision(const json_t *row) {
    const char *precision = gb_json_text(row, "precision");
    return *precision ? precision : "fp32";
}

// ---- The command ----

static const char what[] = "cannot read run";

// "METRIC=VALUE".
static enum gb_status parse(const char *text, char metric[static 64], double *value) {
    const char *equals = strchr(text, '=');
    char *end = NULL;
    const size_t length = equals ? (size_t)(equals - text) : 0;
    if (equals)
        *value = strtod(equals + 1, &end);
    if (length == 0 || length >= 64 || end == equals + 1 || *end || !(*value - *value == 0))
        return gb_fail(GB_BAD_INPUT, "bad value", "--time-to",
                       "\"%s\" is not METRIC=VALUE, such as psnr=27.6", text);
    memcpy(metric, text, length);
    metric[length] = 0;
    return GB_OK;
}

// A run's directory as a row of the results, as far as it is needed here. `settings`: all that runs
// of other seeds have in common.
static json_t *row_of(const struct gb_training_record *record, const char *metric) {
    json_t *config = json_object_get(record->run, "config"), *row = json_object(),
           *settings = json_is_object(config) ? gb_json_copy(config) : json_object();
    json_object_del(settings, "seed");
    json_object_del(settings, "iterations");
    const struct {
        const char *key;
        json_t *value;
    } members[] = {
        {"run", json_string(record->directory)},
        {"task", json_incref(json_object_get(record->run, "task"))},
        {"seed", json_integer(gb_json_integer(record->run, "seed"))},
        {"precision", json_string(gb_row_precision(config))},
        {"batch", json_integer(gb_json_integer(config, "batch"))},
        {"learning_rate", json_real(gb_json_number(config, "learning_rate"))},
        {"backend", json_string(gb_json_string_or_unknown(record->run, "backend"))},
        {"threads", json_integer(gb_json_integer(record->run, "threads"))},
        {"settings", settings},
        {"scores", gb_timed_scores(record->log, metric)},
    };
    for (size_t i = 0; i < sizeof members / sizeof *members; i++)
        gb_json_put(&row, members[i].key, members[i].value);
    return row;
}

static enum gb_status add_directory(const char *directory, const char *metric, json_t *rows) {
    struct gb_training_record record;
    enum gb_status status = gb_training_record_read(directory, &record);
    if (status == GB_OK && json_array_append_new(rows, row_of(&record, metric)) != 0)
        status = gb_no_memory(what, directory);
    gb_training_record_free(&record);
    return status;
}

// The rows that have scores by the metric.
static enum gb_status rows_of(const struct gb_results *results, const struct gb_time_to *time_to,
                              const char *metric, json_t **rows) {
    size_t i;
    json_t *row;
    *rows = json_array();
    if (!*rows)
        return gb_no_memory(what, metric);
    for (int r = 0; r < time_to->count; r++)
        GB_TRY(add_directory(time_to->directories[r], metric, *rows));
    json_array_foreach(results->rows, i, row) {
        if (time_to->count == 0 && json_array_append(*rows, row) != 0)
            return gb_no_memory(what, metric);
    }
    for (i = json_array_size(*rows); i-- > 0;)
        if (!gb_best_score(json_array_get(*rows, i), metric, false))
            json_array_remove(*rows, i);
    return json_array_size(*rows) > 0
               ? GB_OK
               : gb_fail(GB_BAD_INPUT, "no scores", metric,
                         "no run has it in its log; train with --score-every, and see the "
                         "names in log.jsonl");
}

static bool is_lower_better(const json_t *row, const char *metric) {
    const struct gb_task *task;
    if (gb_task_find(gb_json_text(row, "task"), &task) == GB_OK &&
        strcmp(metric, task->headline) == 0)
        return task->lower_is_better;
    return strstr(metric, "loss") || strstr(metric, "bits_per_dimension");
}

struct goal {
    const char *metric;
    double value;
};

static const json_t *reach(const json_t *row, const struct goal *goal) {
    return gb_first_score(row, goal->metric, is_lower_better(row, goal->metric), goal->value);
}

// ---- A line per run ----

static void print_row(const json_t *row, const struct goal *goal) {
    const json_t *first = reach(row, goal);
    const json_t *best = gb_best_score(row, goal->metric, is_lower_better(row, goal->metric)),
                 *shown = first ? first : best;
    char time[32];
    gb_duration_text(gb_score_seconds(row, shown), time);
    printf("%s, seed %lld, %s, %s, threads: %lld: ", gb_json_text(row, "run"),
           (long long)gb_json_integer(row, "seed"), gb_row_precision(row),
           gb_json_string_or_unknown(row, "backend"), (long long)gb_json_integer(row, "threads"));
    printf("%s%s %.6g at step %lld after %s%s", first ? "" : "not reached, best ", goal->metric,
           gb_json_number(shown, goal->metric), (long long)gb_json_integer(shown, "step"),
           json_object_get(shown, "seconds") ? "" : "about ", time);
    const double evaluation = gb_json_number(shown, "evaluation_seconds");
    gb_duration_text(evaluation, time);
    if (evaluation > 0)
        printf(", and %s of evaluation", time);
    printf("\n");
}

static bool is_same_setting(const json_t *a, const json_t *b) {
    json_t *settings = json_object_get(a, "settings");
    const bool same = settings ? json_equal(settings, json_object_get(b, "settings")) &&
                                     gb_json_is(a, "task", gb_json_text(b, "task"))
                               : gb_json_is(a, "run", gb_json_text(b, "run"));
    return same && strcmp(gb_row_precision(a), gb_row_precision(b)) == 0 &&
           strcmp(gb_json_text(a, "backend"), gb_json_text(b, "backend")) == 0 &&
           gb_json_integer(a, "threads") == gb_json_integer(b, "threads");
}

// The mean over the seeds of the setting of row `first`, if several reached the value.
static enum gb_status print_mean(const json_t *rows, size_t first, const struct goal *goal) {
    const json_t *row = json_array_get(rows, first);
    double *seconds = calloc(json_array_size(rows), sizeof *seconds);
    int count = 0, all = 0;
    size_t i;
    json_t *other;
    if (!seconds)
        return gb_no_memory(what, goal->metric);
    json_array_foreach(rows, i, other) {
        const bool same = is_same_setting(row, other);
        const json_t *score = same ? reach(other, goal) : NULL;
        all += same;
        if (score)
            seconds[count++] = gb_score_seconds(other, score);
    }
    if (count > 1) {
        char time[32];
        gb_duration_text(gb_time_over_seeds(seconds, count), time);
        const char *name = json_object_get(row, "settings") ? "task" : "run";
        printf("%s, %s: mean of %d of %d runs, which reached it: %s%s\n", gb_json_text(row, name),
               gb_row_precision(row), count, all, time,
               count >= 5 ? ", without the fastest and the slowest" : "");
    }
    free(seconds);
    return GB_OK;
}

// ---- Files ----

static void put_tsv(FILE *file, const json_t *rows, const struct goal *goal) {
    size_t i, j;
    json_t *row, *score;
    fprintf(file, "run\tseed\tprecision\tbackend\tthreads\tstep\tseconds\tevaluation_seconds\t%s\n",
            goal->metric);
    json_array_foreach(rows, i, row) {
        json_array_foreach(json_object_get(row, "scores"), j, score) {
            if (json_is_number(json_object_get(score, goal->metric)))
                fprintf(file, "%s\t%lld\t%s\t%s\t%lld\t%lld\t%.3f\t%.3f\t%.9g\n",
                        gb_json_text(row, "run"), (long long)gb_json_integer(row, "seed"),
                        gb_row_precision(row), gb_json_string_or_unknown(row, "backend"),
                        (long long)gb_json_integer(row, "threads"),
                        (long long)gb_json_integer(score, "step"), gb_score_seconds(row, score),
                        gb_json_number(score, "evaluation_seconds"),
                        gb_json_number(score, goal->metric));
        }
    }
}

// One event; takes over `value` and `metadata`.
static bool put_event(FILE *file, const char *type, const char *key, double seconds, json_t *value,
                      json_t *metadata) {
    json_t *event = json_pack("{s:s, s:I, s:s, s:s, s:o, s:o}", "namespace", "", "time_ms",
                              (json_int_t)(1e3 * seconds), "event_type", type, "key", key, "value",
                              value, "metadata", metadata);
    const bool written = event && fputs(":::MLLOG ", file) >= 0 &&
                         json_dumpf(event, file, 0) == 0 && fputc('\n', file) != EOF;
    json_decref(event);
    return written;
}

static json_t *optional(const json_t *row, const char *key) {
    json_t *value = json_object_get(row, key);
    return value ? json_incref(value) : json_null();
}

// The events of a run until it reached the value, in MLPerf's format. Clocks start at 0.
static bool put_mllog(FILE *file, const json_t *row, const struct goal *goal) {
    static const char point[] = "POINT_IN_TIME";
    const json_t *reached = reach(row, goal);
    double seconds = 0;
    size_t i;
    json_t *score;
    bool ok =
        put_event(file, point, "submission_benchmark", 0, optional(row, "task"),
                  json_pack("{s:s, s:s, s:s}", "run", gb_json_text(row, "run"), "precision",
                            gb_row_precision(row), "backend",
                            gb_json_string_or_unknown(row, "backend"))) &&
        put_event(file, point, "seed", 0, optional(row, "seed"), json_object()) &&
        put_event(file, point, "global_batch_size", 0, optional(row, "batch"), json_object()) &&
        put_event(file, point, "opt_base_learning_rate", 0, optional(row, "learning_rate"),
                  json_object()) &&
        put_event(file, "INTERVAL_START", "run_start", 0, json_null(), json_object());
    json_array_foreach(json_object_get(row, "scores"), i, score) {
        json_t *value = json_object_get(score, goal->metric);
        if (!json_is_number(value))
            continue;
        seconds = gb_score_seconds(row, score);
        ok = ok && put_event(file, point, "eval_accuracy", seconds, json_incref(value),
                             json_pack("{s:I, s:s}", "step_num", gb_json_integer(score, "step"),
                                       "metric", goal->metric));
        if (score == reached)
            break;
    }
    return ok && put_event(file, "INTERVAL_END", "run_stop", seconds, json_null(),
                           json_pack("{s:s}", "status", reached ? "success" : "aborted"));
}

static enum gb_status write_file(const char *path, const json_t *rows, const struct goal *goal,
                                 bool mllog) {
    struct gb_atomic_file file = {0};
    size_t i;
    json_t *row;
    GB_TRY(gb_atomic_open(&file, path));
    if (!mllog)
        put_tsv(file.stream, rows, goal);
    json_array_foreach(rows, i, row) {
        if (mllog && !put_mllog(file.stream, row, goal) && !ferror(file.stream)) {
            gb_atomic_abort(&file);
            return gb_no_memory("cannot write", path);
        }
    }
    GB_TRY(gb_atomic_commit(&file));
    printf("%s\n", path);
    return GB_OK;
}

static enum gb_status show(const json_t *rows, const struct gb_time_to *time_to,
                           const struct goal *goal) {
    size_t i, j;
    json_t *row;
    json_array_foreach(rows, i, row)
        print_row(row, goal);
    json_array_foreach(rows, i, row) {
        for (j = 0; j < i && !is_same_setting(json_array_get(rows, j), row);)
            j++;
        if (j == i)
            GB_TRY(print_mean(rows, i, goal));
    }
    if (time_to->tsv)
        GB_TRY(write_file(time_to->tsv, rows, goal, false));
    return time_to->mllog ? write_file(time_to->mllog, rows, goal, true) : GB_OK;
}

enum gb_status gb_time_to(const struct gb_results *results, const struct gb_time_to *time_to) {
    char metric[64];
    struct goal goal = {.metric = metric};
    json_t *rows = NULL;
    GB_TRY(parse(time_to->goal, metric, &goal.value));
    enum gb_status status = rows_of(results, time_to, metric, &rows);
    if (status == GB_OK)
        status = show(rows, time_to, &goal);
    json_decref(rows);
    return status;
}
