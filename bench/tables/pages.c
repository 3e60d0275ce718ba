// SPDX-License-Identifier: MIT
#include "bench/tables/tables.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/atomic_file.h"
#include "base/files.h"
#include "base/json.h"
#include "base/progress.h"
#include "bench/report/plots.h"
#include "bench/tables/projection.h"
#include "bench/tables/time_to.h"
#include "tasks/task.h"

// Text, with the characters escaped that Markdown would interpret.
__attribute__((format(printf, 2, 3))) static void put(FILE *page, const char *format, ...) {
    char text[GB_PATH];
    va_list values;
    va_start(values, format);
    vsnprintf(text, sizeof text, format, values);
    va_end(values);
    for (const char *at = text; *at; at++)
        fprintf(page, strchr("|*<\\", *at) ? "\\%c" : "%c", *at);
}

static void put_cell(FILE *page, const char *text) {
    put(page, " %s ", text);
    fputc('|', page);
}

// The first row of a run at or after *at, which becomes the place after it; NULL: no more.
static const json_t *next_row(const struct gb_results *results, const char *run, size_t *at) {
    const json_t *row;
    while ((row = json_array_get(results->rows, (*at)++)))
        if (gb_json_is(row, "run", run))
            return row;
    return NULL;
}

// ---- Cells ----

struct cell {
    char text[GB_CELL];
    char why[256]; // it is empty, or "–"
};

// The mean of a metric over the rows of a run, with its deviation where seeds differ.
static void measure(const struct gb_results *results, const json_t *use, int decimals,
                    const char *run, struct cell *cell) {
    const char *metric = gb_json_text(use, "metric");
    double sum = 0, squares = 0,
           first = NAN; // of differences from the first: they keep their digits
    int count = 0, rows = 0;
    bool differ = false;
    const json_t *row;
    for (size_t at = 0; (row = next_row(results, run, &at));) {
        const json_t *value = json_object_get(json_object_get(row, "metrics"), metric);
        rows++;
        if (!json_is_number(value))
            continue;
        const double number = json_number_value(value);
        if (count++ == 0)
            first = number;
        differ |= number != first;
        sum += number - first;
        squares += (number - first) * (number - first);
    }
    const double mean = sum / count;
    if (rows == 0)
        snprintf(cell->why, sizeof cell->why, "not run yet: glowbench tables --run %s --data DIR",
                 run);
    else if (count == 0)
        snprintf(cell->why, sizeof cell->why, "%s has no %s", run, metric);
    else if (fabs(first + mean) + squares > 1e15)
        snprintf(cell->why, sizeof cell->why, "%s has an impossible %s", run, metric);
    else if (!differ)
        snprintf(cell->text, sizeof cell->text, "%.*f", decimals, first);
    else
        snprintf(cell->text, sizeof cell->text, "%.*f ± %.*f", decimals, first + mean, decimals,
                 sqrt(fmax(squares - sum * mean, 0) / (count - 1)));
}

static struct cell cell_of(const struct gb_results *results, const json_t *table,
                           const json_t *line, const json_t *column) {
    struct cell cell = {0};
    const char *run;
    const json_t *use = gb_results_cell(results, table, line, column, &run);
    const char *absent = gb_json_text(line, "not_applicable");
    if (use)
        measure(results, use, (int)gb_json_integer(column, "decimals"), run, &cell);
    else if (*absent)
        snprintf(cell.text, sizeof cell.text, "–");
    if (!use)
        snprintf(cell.why, sizeof cell.why, "%s",
                 *absent ? absent : gb_json_text(line, "unmeasured"));
    return cell;
}

void gb_cell_text(const struct gb_results *results, const json_t *table, const json_t *line,
                  const json_t *column, char text[static GB_CELL]) {
    const struct cell cell = cell_of(results, table, line, column);
    snprintf(text, GB_CELL, "%s", cell.text);
}

// ---- Where a line's figures come from ----

// "1 of 3 seeds, 160 to 200 of the paper's 50000 steps", after `before`; nothing without rows.
static void put_budget(FILE *page, const struct gb_results *results, const char *run,
                       const json_t *config, const char *before, bool with_seeds) {
    const json_int_t paper = gb_json_integer(config, "paper_iterations");
    const size_t seeds = json_array_size(json_object_get(config, "seeds"));
    json_int_t min = 0, max = 0;
    int rows = 0;
    const json_t *row;
    for (size_t at = 0; (row = next_row(results, run, &at));) {
        const json_int_t steps = gb_json_integer(row, "steps");
        min = rows == 0 || steps < min ? steps : min;
        max = steps > max ? steps : max;
        rows++;
    }
    if (rows == 0)
        return;
    fputs(before, page);
    if (with_seeds && seeds > 1)
        put(page, "%d of %zu seeds, ", rows, seeds);
    put(page, "%lld", (long long)min);
    if (max > min)
        put(page, " to %lld", (long long)max);
    if (paper)
        put(page, " of the paper's %lld", (long long)paper);
    put(page, " steps");
}

static void put_source(FILE *page, const struct gb_results *results, const char *table,
                       const char *line) {
    const char *run;
    json_t *config;
    put(page, " here");
    json_object_foreach(results->runs, run, config) {
        const json_t *cell = gb_run_cell(config, table, line, NULL);
        if (!cell)
            continue;
        const bool trained = !json_is_true(json_object_get(cell, "untrained"));
        fprintf(page, trained ? ": `%s`" : ", with `%s`", run);
    }
    fputs(" |", page);
}

// ---- A table ----

static void put_table(FILE *page, const struct gb_results *results, const json_t *table) {
    const json_t *columns = json_object_get(table, "columns");
    size_t i, j;
    json_t *line, *column, *value;
    fputs("|  |", page);
    json_array_foreach(columns, i, column)
        put_cell(page, gb_json_text(column, "name"));
    fputs("  |\n|---|", page);
    json_array_foreach(columns, i, column)
        fputs("---:|", page);
    fputs("---|\n", page);
    json_array_foreach(json_object_get(table, "published"), i, line) {
        fputc('|', page);
        put_cell(page, gb_json_text(line, "line"));
        json_array_foreach(json_object_get(line, "values"), j, value)
            put_cell(page, json_is_string(value) ? json_string_value(value) : "–");
        fputs(" published |\n", page);
    }
    json_array_foreach(json_object_get(table, "measured"), i, line) {
        fputc('|', page);
        put_cell(page, gb_json_text(line, "line"));
        json_array_foreach(columns, j, column)
            put_cell(page, cell_of(results, table, line, column).text);
        put_source(page, results, gb_json_text(table, "id"), gb_json_text(line, "line"));
        fputc('\n', page);
    }
    fputc('\n', page);
}

// ---- Below a table ----

static void put_list_head(FILE *page, const char *text, bool *any) {
    if (!*any)
        fprintf(page, "%s\n\n", text);
    *any = true;
}

// One item for the cells of a line that are empty, or "–", for the same reason.
static void put_empty_cells(FILE *page, const struct gb_results *results, const json_t *table) {
    const json_t *columns = json_object_get(table, "columns");
    const size_t count = json_array_size(columns);
    size_t i;
    json_t *line;
    bool any = false;
    json_array_foreach(json_object_get(table, "measured"), i, line) {
        for (size_t first = 0; first < count; first++) {
            const struct cell cell = cell_of(results, table, line, json_array_get(columns, first));
            bool listed = !*cell.why;
            for (size_t j = 0; j < first && !listed; j++)
                listed = !strcmp(cell_of(results, table, line, json_array_get(columns, j)).why,
                                 cell.why);
            if (listed)
                continue;
            put_list_head(page, "Cells without a figure:", &any);
            put(page, "- %s", gb_json_text(line, "line"));
            for (size_t j = first; j < count; j++) {
                const json_t *column = json_array_get(columns, j);
                if (strcmp(cell_of(results, table, line, column).why, cell.why) == 0)
                    put(page, ", %s", gb_json_text(column, "name"));
            }
            put(page, ": %s\n", cell.why);
        }
    }
    fputs(any ? "\n" : "", page);
}

static void put_sentences(FILE *page, const json_t *notes) {
    size_t i;
    json_t *note;
    json_array_foreach(notes, i, note)
        put(page, " %s", json_is_string(note) ? json_string_value(note) : "");
}

// How far the runs of a table went, what differs from the paper, and what the rows showed.
static void put_notes(FILE *page, const struct gb_results *results, const char *table) {
    const char *run;
    json_t *config;
    bool any = false;
    json_object_foreach(results->runs, run, config) {
        const json_t *row;
        size_t at = 0;
        if (!gb_run_cell(config, table, NULL, NULL) || !next_row(results, run, &at))
            continue;
        put_list_head(page, "Notes:", &any);
        fprintf(page, "- `%s`: ", run);
        put_budget(page, results, run, config, "", true);
        fputc('.', page);
        put_sentences(page, json_object_get(config, "notes"));
        for (at = 0; (row = next_row(results, run, &at));)
            put_sentences(page, json_object_get(row, "notes"));
        fputc('\n', page);
    }
    fputs(any ? "\n" : "", page);
}

// What the rows of a table cost, and what the paper's steps would at the same speed.
static void put_cost(FILE *page, const struct gb_results *results, const char *table) {
    size_t i;
    json_t *row;
    double spent = 0, paper = 0;
    int rows = 0, of_paper = 0;
    json_array_foreach(results->rows, i, row) {
        const json_t *config = json_object_get(results->runs, gb_json_text(row, "run"));
        const double cores = gb_json_number(row, "threads"),
                     steps = gb_json_number(config, "paper_iterations");
        if (!gb_run_cell(config, table, NULL, NULL))
            continue;
        rows++;
        spent += cores * gb_json_number(row, "training_seconds") / 3600;
        of_paper += steps > 0;
        paper += cores * steps * gb_json_number(row, "step_seconds_median") / 3600;
    }
    if (rows == 0 || !(spent >= 0 && spent < 1e9 && paper >= 0 && paper < 1e9))
        return;
    put(page, "Training took %.1f core-hours (%d run%s)", spent, rows, rows == 1 ? "" : "s");
    if (of_paper)
        put(page, "; the paper's steps would take about %.1f (%d run%s)", paper, of_paper,
            of_paper == 1 ? "" : "s");
    put(page, ".\n\n");
}

static void put_runs(FILE *page, const struct gb_results *results, const char *table) {
    size_t i;
    json_t *row;
    bool any = false;
    json_array_foreach(results->rows, i, row) {
        const char *run = gb_json_text(row, "run");
        const json_t *machine = json_object_get(row, "machine");
        if (!gb_run_cell(json_object_get(results->runs, run), table, NULL, NULL))
            continue;
        put_list_head(page, "Runs:", &any);
        const double milliseconds = 1e3 * gb_json_number(row, "step_seconds_median");
        char duration[32], each[32] = "unknown time";
        gb_duration_text(gb_json_number(row, "training_seconds"), duration);
        if (milliseconds >= 0 && milliseconds < 1e12)
            snprintf(each, sizeof each, "%.0f ms", milliseconds);
        fprintf(page, "- `%s`", run);
        put(page, ", seed %lld: %lld steps in %s, %s each; %s, threads: %lld",
            (long long)gb_json_integer(row, "seed"), (long long)gb_json_integer(row, "steps"),
            duration, each, gb_json_text(row, "backend"),
            (long long)gb_json_integer(row, "threads"));
        put(page, "; %s, cores: %lld, %s, %s; commit %s, %s: ", gb_json_text(machine, "cpu"),
            (long long)gb_json_integer(machine, "cores"), gb_json_text(machine, "system"),
            gb_json_text(machine, "compiler"), gb_json_text(row, "commit"),
            gb_json_text(row, "day"));
        fprintf(page, "`%s`\n", gb_json_text(row, "command"));
    }
    fputs(any ? "\n" : "", page);
}

// ---- The summary ----

// The headline figures of a table, which its member `summary` names.
static void put_summary_row(FILE *page, const struct gb_results *results, const json_t *table,
                            const json_t *summary) {
    static const char *const lines[] = {"measured", "blind"};
    size_t at;
    const json_t *column = gb_results_find(json_object_get(table, "columns"), "name",
                                           gb_json_text(summary, "column"), &at);
    const json_t *published = gb_results_find(json_object_get(table, "published"), "line",
                                              gb_json_text(summary, "published"), NULL);
    const json_t *value = json_array_get(json_object_get(published, "values"), at);
    fputc('|', page);
    put_cell(page, gb_json_text(summary, "what"));
    put_cell(page, json_is_string(value) ? json_string_value(value) : "–");
    for (int i = 0; i < 2; i++) {
        const json_t *line = gb_results_find(json_object_get(table, "measured"), "line",
                                             gb_json_text(summary, lines[i]), NULL);
        put_cell(page, cell_of(results, table, line, column).text);
    }
    fputc('\n', page);
}

// "- horses, mean IoU: 32 x 32; 18593 of the paper's 50000 steps; baseline: one mask for all".
static void put_summary_note(FILE *page, const struct gb_results *results, const json_t *table,
                             const json_t *summary) {
    const char *run, *detail = gb_json_text(summary, "detail"), *between = *detail ? "; " : "";
    json_t *config;
    put(page, "- %s: %s", gb_json_text(summary, "what"), detail);
    json_object_foreach(results->runs, run, config) {
        size_t at = 0;
        if (!gb_run_cell(config, gb_json_text(table, "id"), gb_json_text(summary, "measured"),
                         NULL) ||
            !next_row(results, run, &at))
            continue;
        put_budget(page, results, run, config, between, false);
        between = "; ";
    }
    put(page, "%sbaseline: %s\n", between, gb_json_text(summary, "blind"));
}

static void put_summary(FILE *page, const struct gb_results *results) {
    size_t i;
    json_t *table;
    fputs("|  | paper | here | baseline |\n|---|---:|---:|---:|\n", page);
    json_array_foreach(results->tables, i, table) {
        const json_t *summary = json_object_get(table, "summary");
        if (summary)
            put_summary_row(page, results, table, summary);
    }
    fputc('\n', page);
    json_array_foreach(results->tables, i, table) {
        const json_t *summary = json_object_get(table, "summary");
        if (summary)
            put_summary_note(page, results, table, summary);
    }
    fputc('\n', page);
}

// ---- Time to accuracy ----

// The value that a run's scores are timed to: the published one, if a score of the run reached it;
// else its best. False without scores.
static bool choose_goal(const struct gb_results *results, const char *run, const char *metric,
                        bool lower, const char *published, double *value, bool *of_paper) {
    char *end;
    double paper = strtod(published, &end);
    const json_t *row;
    bool any = false;
    *of_paper = false;
    for (size_t at = 0; (row = next_row(results, run, &at));) {
        const json_t *best = gb_best_score(row, metric, lower);
        const double most = gb_json_number(best, metric);
        *of_paper |= best && end > published && (lower ? most <= paper : most >= paper);
        if (best && (!any || (lower ? most < *value : most > *value)))
            *value = most;
        any |= best != NULL;
    }
    if (*of_paper)
        *value = paper;
    return any;
}

// One row per run, over those of its seeds that reached the value.
static void put_time(FILE *page, const struct gb_results *results, const struct gb_rows *steps,
                     const struct gb_task *task, const char *run, const char *published,
                     int decimals) {
    double value = 0, seconds[64];
    bool of_paper;
    if (!choose_goal(results, run, task->headline, task->lower_is_better, published, &value,
                     &of_paper))
        return;
    int count = 0, seeds = 0;
    double step = 0; // the sum of integers of a file may exceed one
    const json_t *row, *last = NULL;
    for (size_t at = 0; (row = next_row(results, run, &at));) {
        const json_t *score = gb_first_score(row, task->headline, task->lower_is_better, value);
        seeds++;
        if (!score || count == 64)
            continue;
        seconds[count++] = gb_score_seconds(row, score);
        step += (double)gb_json_integer(score, "step");
        last = row;
    }
    char time[32], projected[GB_PROJECTED];
    const double mean = gb_time_over_seeds(seconds, count);
    gb_duration_text(mean, time);
    gb_projected_times(steps, json_object_get(results->runs, run), last, mean, projected);
    fprintf(page, "| `%s` |", run);
    put(page, " %s, %s, threads: %lld ", gb_row_precision(last),
        gb_json_string_or_unknown(last, "backend"), (long long)gb_json_integer(last, "threads"));
    fprintf(page, "| %.*f, %s | %d of %d | %.0f | %s | %s |\n", decimals, value,
            of_paper ? "the paper's" : "its best", count, seeds, floor(step / count), time,
            projected);
}

static void put_times(FILE *page, const struct gb_results *results, const struct gb_rows *steps) {
    size_t i, at;
    json_t *table, *config;
    const char *run;
    fputs(
        "\n## Time to accuracy\n\n"
        "Training time, without evaluation, until a run's score of a few test images (those of "
        "the learning curves) first reached the paper's figure for the whole test set or, where "
        "it never did, its own best. From five seeds on, the fastest and the slowest are left "
        "out of the mean. `glowbench tables --time-to psnr=27` shows other values. Projected, not "
        "measured: the time multiplied by the ratio of a training step of the same model with the "
        "library to the native one, both timed by `sh results/backends.sh`.\n\n"
        "|  | setting | score | seeds | steps | time | projected |\n"
        "|---|---|---|---:|---:|---:|---|\n",
        page);
    json_array_foreach(results->tables, i, table) {
        const char *id = gb_json_text(table, "id");
        const json_t *summary = json_object_get(table, "summary");
        const json_t *column = gb_results_find(json_object_get(table, "columns"), "name",
                                               gb_json_text(summary, "column"), &at);
        const json_t *line = gb_results_find(json_object_get(table, "published"), "line",
                                             gb_json_text(summary, "published"), NULL);
        const char *value = json_string_value(json_array_get(json_object_get(line, "values"), at));
        json_object_foreach(results->runs, run, config) {
            const json_t *cell = gb_run_cell(config, id, NULL, gb_json_text(column, "name"));
            const struct gb_task *task;
            if (!cell || gb_task_find(gb_json_text(config, "task"), &task) != GB_OK)
                continue;
            // Scores during training are of the task's metric over all test sets.
            const bool same = gb_json_is(cell, "metric", task->headline) &&
                              !json_is_false(json_object_get(summary, "comparable"));
            put_time(page, results, steps, task, run, same && value ? value : "",
                     (int)gb_json_integer(column, "decimals"));
        }
    }
    fputc('\n', page);
}

// ---- Learning curves ----

enum { BITS, SCORES, KINDS };
static const char *const members[KINDS] = {"curve", "scores"}; // of a row; also names of pictures

// A row's curve, NULL if it has none. The losses of models without a likelihood are not bits.
static json_t *curve_of(const json_t *row, const struct gb_task *task, int kind) {
    json_t *curve = json_object_get(row, members[kind]);
    const bool likelihood = json_object_get(json_object_get(row, "metrics"), "bits_per_dimension");
    return gb_json_is(row, "task", task->name) && json_array_size(curve) > 0 &&
                   (kind == SCORES || likelihood)
               ? curve
               : NULL;
}

static bool has_curve(const struct gb_results *results, const struct gb_task *task, int kind) {
    size_t i;
    json_t *row;
    json_array_foreach(results->rows, i, row) {
        if (curve_of(row, task, kind))
            return true;
    }
    return false;
}

// A line for each of the task's rows; one without a curve keeps its place, and so its colour.
static enum gb_status draw_curve(const struct gb_results *results, const struct gb_task *task,
                                 int kind) {
    const size_t rows = json_array_size(results->rows);
    struct gb_training_record *records = calloc(rows + 1, sizeof *records);
    struct gb_picture picture = {0};
    enum gb_status status = records ? GB_OK : gb_no_memory("cannot draw", task->name);
    int count = 0;
    for (size_t i = 0; status == GB_OK && i < rows; i++) {
        const json_t *row = json_array_get(results->rows, i);
        if (!gb_json_is(row, "task", task->name))
            continue;
        char *name = gb_format("%s, seed %lld", gb_json_text(row, "run"),
                               (long long)gb_json_integer(row, "seed"));
        records[count++] =
            (struct gb_training_record){.directory = name, .log = curve_of(row, task, kind)};
        if (!name)
            status = gb_no_memory("cannot draw", task->name);
    }
    if (status == GB_OK)
        status = gb_plot_curves(records, count,
                                kind == BITS ? "bits_per_dimension" : task->headline, &picture);
    if (status == GB_OK) {
        char path[GB_PATH];
        status =
            gb_path_format(path, "%s/%s-%s.svg", results->directory, members[kind], task->name);
        if (status == GB_OK)
            status = gb_file_write(path, picture.svg, picture.svg_bytes);
    }
    while (count > 0)
        free((char *)records[--count].directory);
    free(records);
    gb_picture_free(&picture);
    return status;
}

static enum gb_status draw_curves(const struct gb_results *results) {
    for (const struct gb_task *const *task = gb_tasks(); *task; task++)
        for (int kind = 0; kind < KINDS; kind++) {
            if (!has_curve(results, *task, kind))
                continue;
            const enum gb_status status = draw_curve(results, *task, kind);
            if (status == GB_UNSUPPORTED) {
                fprintf(stderr, "glowbench: %s: curves are not redrawn\n", gb_error_message());
                return GB_OK;
            }
            GB_TRY(status);
        }
    return GB_OK;
}

// A reference to a picture, if the file is there.
static void put_picture(FILE *page, const char *directory, const char *name, const char *file) {
    char path[GB_PATH];
    if (gb_path_join(directory, file, path) == GB_OK && access(path, R_OK) == 0)
        fprintf(page, "![%s](%s)\n\n", name, file);
}

static void put_pictures(FILE *page, const struct gb_results *results) {
    char name[64], file[80];
    fputs("\n## Learning curves\n\n"
          "Bits per dimension of the training batches, and the metric on a few test images with "
          "few samples, during training. Point-estimate baselines have no likelihood.\n\n",
          page);
    for (const struct gb_task *const *task = gb_tasks(); *task; task++)
        for (int kind = 0; kind < KINDS; kind++) {
            snprintf(name, sizeof name, "%s-%s", members[kind], (*task)->name);
            snprintf(file, sizeof file, "%s.svg", name);
            if (has_curve(results, *task, kind))
                put_picture(page, results->directory, name, file);
        }
    fputs("\n## Pictures\n\n"
          "Small models on synthetic data, by `sh results/pictures.sh`: pictures of the published "
          "data sets cannot be redistributed.\n\n",
          page);
    for (const struct gb_task *const *task = gb_tasks(); *task; task++) {
        snprintf(file, sizeof file, "pictures/%s.png", (*task)->name);
        put_picture(page, results->directory, (*task)->name, file);
    }
}

// ---- The page ----

static void put_page(FILE *page, const struct gb_results *results, const struct gb_rows *steps) {
    fputs("# Results\n\n"
          "<!-- Made by `glowbench tables --readme README.md` from published.json, runs/ and "
          "rows.jsonl: do not edit. -->\n\n"
          "The papers' tables, with the published figures next to those measured here. The summary "
          "has one figure of each table; the tables follow, with what differs from the paper, "
          "which cells are missing, and the command behind each figure. Over several seeds, "
          "figures are mean ± standard deviation; a figure without ± is from a single seed. In the "
          "commands, DIR is the directory of the data sets, laid out as DATA.md "
          "describes.\n\n",
          page);
    put_summary(page, results);
    size_t i;
    json_t *table;
    json_array_foreach(results->tables, i, table) {
        const char *id = gb_json_text(table, "id"), *note = gb_json_text(table, "note");
        put(page, "\n## %s\n\n", gb_json_text(table, "title"));
        put_table(page, results, table);
        if (*note)
            put(page, "%s\n\n", note);
        put_empty_cells(page, results, table);
        put_notes(page, results, id);
        put_cost(page, results, id);
        put_runs(page, results, id);
    }
    put_times(page, results, steps);
    put_pictures(page, results);
}

enum gb_status gb_pages_write(const struct gb_results *results, const char *html) {
    char path[GB_PATH], *markdown = NULL;
    size_t size = 0;
    struct gb_atomic_file file = {0};
    struct gb_rows steps = {0};
    GB_TRY(gb_path_join(results->directory, "README.md", path));
    GB_TRY(draw_curves(results));
    enum gb_status status = gb_backend_steps_read(results->directory, &steps);
    if (status == GB_OK) {
        FILE *page = open_memstream(&markdown, &size);
        if (page)
            put_page(page, results, &steps);
        // Without memory the C library may close a stream well and leave no text.
        status = page && fclose(page) == 0 && markdown ? gb_file_write(path, markdown, size)
                                                       : gb_no_memory("cannot write", path);
    }
    gb_rows_free(&steps);
    if (status == GB_OK && html)
        status = gb_atomic_open(&file, html);
    if (status == GB_OK && html)
        status = gb_html_page(markdown, results->directory, file.stream);
    if (status == GB_OK && html)
        status = gb_atomic_commit(&file);
    gb_atomic_abort(&file);
    free(markdown);
    if (status == GB_OK)
        printf("%s%s%s\n", path, html ? ", " : "", html ? html : "");
    return status;
}

enum gb_status gb_summary_write(const struct gb_results *results, const char *path) {
    static const char begin[] = "\n<!-- glowbench tables -->\n", end[] = "\n<!-- end -->\n";
    struct gb_atomic_file file = {0};
    char *page;
    size_t size;
    GB_TRY(gb_file_read("cannot read", path, &page, &size));
    const bool first = strncmp(page, begin + 1, strlen(begin + 1)) == 0;
    const char *mark = first ? page : strstr(page, begin);
    const char *summary = mark ? mark + strlen(begin) - first : NULL;
    const char *rest = summary ? strstr(summary - 1, end) : NULL;
    enum gb_status status =
        rest ? gb_atomic_open(&file, path)
             : gb_fail(GB_BAD_INPUT, "cannot write the summary", path,
                       "no line <!-- glowbench tables --> followed by <!-- end -->");
    if (status == GB_OK) {
        fwrite(page, 1, (size_t)(summary - page), file.stream);
        fputc('\n', file.stream);
        put_summary(file.stream, results);
        fputs(rest + 1, file.stream);
        status = gb_atomic_commit(&file);
    }
    free(page);
    return status;
}
