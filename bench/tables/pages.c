// SPDX-License-Identifier: MIT
#include "bench/tables/pages.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/atomic_file.h"
#include "base/files.h"
#include "base/json.h"
#include "base/progress.h"
#include "bench/report/embed.h"
#include "bench/report/plots.h"
#include "bench/tables/markup.h"
#include "tasks/task.h"

// ---- Cells ----

struct cell {
    char text[64];
    char why[256]; // it is empty
};

// What the rows of a run have of a metric: a mean, and a deviation where seeds differ in it.
static void measure(const struct gb_results *results, const json_t *use, int decimals,
                    const char *run, struct cell *cell) {
    double sum = 0, squares = 0, first = NAN;
    int count = 0, rows = 0;
    bool differ = false;
    size_t i;
    json_t *row;
    json_array_foreach(results->rows, i, row) {
        const json_t *value =
            json_object_get(json_object_get(row, "metrics"), gb_json_text(use, "metric"));
        if (!gb_json_is(row, "run", run))
            continue;
        rows++;
        if (!json_is_number(value))
            continue;
        double number = json_number_value(value);
        if (count++ == 0)
            first = number;
        differ |= number != first;
        // Sums of what lies around zero keep their digits.
        sum += number - first;
        squares += (number - first) * (number - first);
    }
    double mean = sum / count;
    if (count == 0 && rows == 0)
        snprintf(cell->why, sizeof cell->why, "not made yet: glowbench tables --run %s --data DIR",
                 run);
    else if (count == 0)
        snprintf(cell->why, sizeof cell->why, "%s has no %s", run, gb_json_text(use, "metric"));
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
    if (use)
        measure(results, use, (int)gb_json_integer(column, "decimals"), run, &cell);
    else
        snprintf(cell.why, sizeof cell.why, "%s", gb_json_text(line, "unmeasured"));
    return cell;
}

// ---- Where a line's figures come from ----

static bool serves(const json_t *config, const char *table, const char *line) {
    return gb_run_cell(config, table, line, NULL) != NULL;
}

struct budget {
    int seeds;              // that were made
    json_int_t least, most; // steps
};

static struct budget budget_of(const struct gb_results *results, const char *run) {
    struct budget budget = {0};
    size_t i;
    json_t *row;
    json_array_foreach(results->rows, i, row) {
        const json_int_t steps = gb_json_integer(row, "steps");
        if (!gb_json_is(row, "run", run))
            continue;
        if (budget.seeds == 0 || steps < budget.least)
            budget.least = steps;
        if (steps > budget.most)
            budget.most = steps;
        budget.seeds++;
    }
    return budget;
}

// "160 of the paper's 50000 steps".
static void put_steps(const struct gb_page *page, const struct budget *budget,
                      const json_t *config) {
    const json_int_t paper = gb_json_integer(config, "paper_iterations");
    gb_page_format(page, "%lld", (long long)budget->least);
    if (budget->most > budget->least)
        gb_page_format(page, " to %lld", (long long)budget->most);
    if (paper)
        gb_page_format(page, " of the paper's %lld", (long long)paper);
    gb_page_text(page, " steps");
}

// What was done of what the paper did, and on what other data.
static void put_budget(const struct gb_page *page, const struct gb_results *results,
                       const char *run, const json_t *config) {
    const struct budget budget = budget_of(results, run);
    const size_t seeds = json_array_size(json_object_get(config, "seeds"));
    size_t i;
    json_t *note;
    if (budget.seeds == 0)
        return;
    if (seeds > 1)
        gb_page_format(page, ", %d of %zu seeds", budget.seeds, seeds);
    gb_page_text(page, ", ");
    put_steps(page, &budget, config);
    gb_page_text(page, ".");
    json_array_foreach(json_object_get(config, "notes"), i, note)
        gb_page_format(page, " %s", json_string_value(note));
}

static void put_source(const struct gb_page *page, const struct gb_results *results,
                       const char *table, const char *line) {
    const char *run;
    json_t *config;
    gb_page_text(page, "here");
    json_object_foreach(results->runs, run, config) {
        const json_t *cell = gb_run_cell(config, table, line, NULL);
        if (!cell)
            continue;
        const bool trained = !json_is_true(json_object_get(cell, "untrained"));
        gb_page_text(page, trained ? ": " : ", scored beside ");
        gb_page_code(page, run);
        if (trained)
            put_budget(page, results, run, config);
    }
}

// ---- A table ----

static void put_published(const struct gb_page *page, const json_t *table) {
    size_t i, j;
    json_t *line, *value;
    json_array_foreach(json_object_get(table, "published"), i, line) {
        gb_page_begin_row(page, false);
        gb_page_field(page, gb_json_text(line, "line"));
        json_array_foreach(json_object_get(line, "values"), j, value)
            gb_page_field(page, json_is_string(value) ? json_string_value(value) : "–");
        gb_page_field(page, "published");
        gb_page_end_row(page);
    }
}

static void put_measured(const struct gb_page *page, const struct gb_results *results,
                         const json_t *table) {
    size_t i, j;
    json_t *line, *column;
    json_array_foreach(json_object_get(table, "measured"), i, line) {
        gb_page_begin_row(page, true);
        gb_page_field(page, gb_json_text(line, "line"));
        json_array_foreach(json_object_get(table, "columns"), j, column)
            gb_page_field(page, cell_of(results, table, line, column).text);
        gb_page_begin_field(page);
        put_source(page, results, gb_json_text(table, "id"), gb_json_text(line, "line"));
        gb_page_end_field(page);
        gb_page_end_row(page);
    }
}

static void put_table(const struct gb_page *page, const struct gb_results *results,
                      const json_t *table) {
    const json_t *columns = json_object_get(table, "columns");
    const size_t count = json_array_size(columns);
    const char *heads[count + 2];
    size_t i;
    json_t *column;
    heads[0] = heads[count + 1] = "";
    json_array_foreach(columns, i, column)
        heads[i + 1] = gb_json_text(column, "name");
    gb_page_begin_table(page, heads, (int)count + 2);
    put_published(page, table);
    put_measured(page, results, table);
    gb_page_end_table(page);
}

// The columns of a line that are empty for the reason for which column `first` is.
static void put_reason(const struct gb_page *page, const json_t *table, const json_t *line,
                       const struct cell *cells, size_t first) {
    size_t i;
    json_t *column;
    gb_page_begin_item(page);
    gb_page_text(page, gb_json_text(line, "line"));
    json_array_foreach(json_object_get(table, "columns"), i, column) {
        if (strcmp(cells[i].why, cells[first].why) == 0)
            gb_page_format(page, ", %s", gb_json_text(column, "name"));
    }
    gb_page_format(page, ": %s", cells[first].why);
    gb_page_end_item(page);
}

// Each reason is told once.
static void put_reasons_of(const struct gb_page *page, const struct gb_results *results,
                           const json_t *table, const json_t *line) {
    const json_t *columns = json_object_get(table, "columns");
    const size_t count = json_array_size(columns);
    struct cell cells[count + 1];
    for (size_t i = 0; i < count; i++)
        cells[i] = cell_of(results, table, line, json_array_get(columns, i));
    for (size_t i = 0; i < count; i++) {
        bool told = *cells[i].text;
        for (size_t j = 0; j < i; j++)
            told |= strcmp(cells[i].why, cells[j].why) == 0;
        if (!told)
            put_reason(page, table, line, cells, i);
    }
}

static bool has_empty_cell(const struct gb_results *results, const json_t *table) {
    size_t i, j;
    json_t *line, *column;
    json_array_foreach(json_object_get(table, "measured"), i, line) {
        json_array_foreach(json_object_get(table, "columns"), j, column) {
            if (!*cell_of(results, table, line, column).text)
                return true;
        }
    }
    return false;
}

static void put_reasons(const struct gb_page *page, const struct gb_results *results,
                        const json_t *table) {
    size_t i;
    json_t *line;
    if (!has_empty_cell(results, table))
        return;
    gb_page_paragraph(page, "Empty cells:");
    gb_page_begin_list(page);
    json_array_foreach(json_object_get(table, "measured"), i, line)
        put_reasons_of(page, results, table, line);
    gb_page_end_list(page);
}

// ---- Runs ----

static void put_row(const struct gb_page *page, const json_t *row) {
    const json_t *machine = json_object_get(row, "machine");
    char duration[32];
    gb_duration_text(gb_json_number(row, "training_seconds"), duration);
    gb_page_begin_item(page);
    gb_page_code(page, gb_json_text(row, "run"));
    gb_page_format(page, ", seed %lld: %lld steps in %s, %.0f ms each; %s, threads: %lld",
                   (long long)gb_json_integer(row, "seed"),
                   (long long)gb_json_integer(row, "steps"), duration,
                   1e3 * gb_json_number(row, "step_seconds_median"), gb_json_text(row, "backend"),
                   (long long)gb_json_integer(row, "threads"));
    gb_page_format(page, "; %s, cores: %lld, %s, %s; commit %s, %s: ", gb_json_text(machine, "cpu"),
                   (long long)gb_json_integer(machine, "cores"), gb_json_text(machine, "system"),
                   gb_json_text(machine, "compiler"), gb_json_text(row, "commit"),
                   gb_json_text(row, "day"));
    gb_page_code(page, gb_json_text(row, "command"));
    gb_page_end_item(page);
}

static void put_runs(const struct gb_page *page, const struct gb_results *results,
                     const json_t *table) {
    size_t i;
    json_t *row;
    bool any = false;
    json_array_foreach(results->rows, i, row) {
        const json_t *config = json_object_get(results->runs, gb_json_text(row, "run"));
        if (!serves(config, gb_json_text(table, "id"), NULL))
            continue;
        if (!any) {
            gb_page_paragraph(page, "Made by:");
            gb_page_begin_list(page);
        }
        any = true;
        put_row(page, row);
    }
    if (any)
        gb_page_end_list(page);
}

// ---- At a glance ----

static const json_t *find_line(const json_t *table, const char *list, const char *name) {
    size_t i;
    json_t *line;
    json_array_foreach(json_object_get(table, list), i, line) {
        if (gb_json_is(line, "line", name))
            return line;
    }
    return NULL;
}

static void put_summary_budget(const struct gb_page *page, const struct gb_results *results,
                               const char *table, const char *line) {
    const char *run;
    json_t *config;
    json_object_foreach(results->runs, run, config) {
        const struct budget budget = budget_of(results, run);
        if (serves(config, table, line) && budget.seeds > 0)
            put_steps(page, &budget, config);
    }
}

// The figures of a table that say most, as its member `summary` names them.
static void put_summary_row(const struct gb_page *page, const struct gb_results *results,
                            const json_t *table, const json_t *summary) {
    static const char *const measured[] = {"measured", "blind"};
    const json_t *columns = json_object_get(table, "columns"), *published;
    size_t place;
    json_t *column = NULL;
    json_array_foreach(columns, place, column) {
        if (gb_json_is(column, "name", gb_json_text(summary, "column")))
            break;
    }
    published = find_line(table, "published", gb_json_text(summary, "published"));
    gb_page_begin_row(page, false);
    gb_page_field(page, gb_json_text(summary, "what"));
    const char *text =
        json_string_value(json_array_get(json_object_get(published, "values"), place));
    gb_page_field(page, text ? text : "–");
    for (int i = 0; i < 2; i++) {
        const json_t *line = find_line(table, "measured", gb_json_text(summary, measured[i]));
        const struct cell cell =
            line && column ? cell_of(results, table, line, column) : (struct cell){.text = "–"};
        gb_page_field(page, cell.text);
    }
    gb_page_field(page, gb_json_text(summary, "blind"));
    gb_page_begin_field(page);
    put_summary_budget(page, results, gb_json_text(table, "id"), gb_json_text(summary, "measured"));
    gb_page_end_field(page);
    gb_page_end_row(page);
}

static void put_summary(const struct gb_page *page, const struct gb_results *results) {
    static const char *const heads[] = {"", "paper", "here", "beside it", "", "training here"};
    size_t i;
    json_t *table;
    gb_page_begin_table(page, heads, sizeof heads / sizeof *heads);
    json_array_foreach(results->tables, i, table) {
        const json_t *summary = json_object_get(table, "summary");
        if (summary)
            put_summary_row(page, results, table, summary);
    }
    gb_page_end_table(page);
}

// ---- Pictures ----

// What is drawn of a task's runs, each a member of their rows.
enum { BITS, SCORES, KINDS };
static const char *const members[KINDS] = {"curve", "scores"};

struct pictures {
    struct gb_picture curves[KINDS]; // without forms where nothing is drawn
    unsigned char *samples;          // pictures/TASK.png; NULL where there is none
    size_t sample_bytes;
};

// A line for each of the task's rows that has the figure.
static enum gb_status draw_curves(const struct gb_results *results, const struct gb_task *task,
                                  int kind, struct gb_picture *picture) {
    size_t i, count = 0, rows = json_array_size(results->rows);
    struct gb_training_record records[rows + 1];
    char names[rows + 1][96];
    json_t *row;
    json_array_foreach(results->rows, i, row) {
        json_t *log = json_object_get(row, members[kind]);
        // Of a model that gives one answer the likelihood compares with no other's.
        bool likelihood = json_object_get(json_object_get(row, "metrics"), "bits_per_dimension");
        if (!gb_json_is(row, "task", task->name) || json_array_size(log) == 0 ||
            (kind == BITS && !likelihood))
            continue;
        snprintf(names[count], sizeof *names, "%s, seed %lld", gb_json_text(row, "run"),
                 (long long)gb_json_integer(row, "seed"));
        records[count] = (struct gb_training_record){.directory = names[count], .log = log};
        count++;
    }
    if (count == 0)
        return GB_OK;
    snprintf(picture->name, sizeof picture->name, "%s-%s", members[kind], task->name);
    return gb_plot_curves(records, (int)count, kind == BITS ? "bits_per_dimension" : task->headline,
                          picture);
}

// Where there is no gnuplot: the curve that an earlier page had, if any.
static enum gb_status keep_curve(const char *directory, struct gb_picture *curve) {
    static bool told;
    char path[GB_PATH], name[128];
    if (!told)
        fprintf(stderr, "glowbench: %s: curves stay as they are\n", gb_error_message());
    told = true;
    snprintf(name, sizeof name, "%s.svg", curve->name);
    GB_TRY(gb_path_join(directory, name, path));
    return gb_svg_read("cannot make pages", path, curve);
}

static enum gb_status find_pictures(const struct gb_results *results, const struct gb_task *task,
                                    struct pictures *pictures) {
    char path[GB_PATH], name[64];
    snprintf(name, sizeof name, "pictures/%s.png", task->name);
    GB_TRY(gb_path_join(results->directory, name, path));
    GB_TRY(gb_png_read("cannot make pages", path, &pictures->samples, &pictures->sample_bytes));
    for (int kind = 0; kind < KINDS; kind++) {
        struct gb_picture *curve = &pictures->curves[kind];
        enum gb_status status = draw_curves(results, task, kind, curve);
        if (status == GB_UNSUPPORTED)
            status = keep_curve(results->directory, curve);
        GB_TRY(status);
    }
    return GB_OK;
}

static void free_pictures(struct pictures *pictures, size_t count) {
    for (size_t i = 0; i < count; i++) {
        for (int kind = 0; kind < KINDS; kind++)
            gb_picture_free(&pictures[i].curves[kind]);
        free(pictures[i].samples);
    }
    free(pictures);
}

static void put_curve(const struct gb_page *page, const struct gb_picture *curve) {
    if (!curve->svg)
        return;
    if (page->html)
        gb_embed_svg(page->file, curve);
    else
        fprintf(page->file, "![%s](%s.svg)\n\n", curve->name, curve->name);
}

static void put_curves(const struct gb_page *page, const struct pictures *pictures) {
    gb_page_heading(page, "Learning curves");
    gb_page_paragraph(page,
                      "Bits per dimension of the minibatches, and the metric of a few test images "
                      "by few samples, while training. A baseline of one answer has no likelihood "
                      "that could stand beside the others'.");
    for (size_t i = 0; gb_tasks()[i]; i++)
        for (int kind = 0; kind < KINDS; kind++)
            put_curve(page, &pictures[i].curves[kind]);
}

static void put_samples(const struct gb_page *page, const struct pictures *pictures) {
    gb_page_heading(page, "Pictures");
    gb_page_paragraph(page, "What reduced models make of drawn data, by sh results/pictures.sh: no "
                            "picture of a published "
                            "data set may be passed on.");
    for (size_t i = 0; gb_tasks()[i]; i++) {
        if (!pictures[i].samples)
            continue;
        if (page->html) {
            fprintf(page->file, "<p><img alt=\"%s\" src=\"data:image/png;base64,",
                    gb_tasks()[i]->name);
            gb_embed_base64(page->file, pictures[i].samples, pictures[i].sample_bytes);
            fputs("\"/></p>\n", page->file);
        } else {
            fprintf(page->file, "![%s](pictures/%s.png)\n\n", gb_tasks()[i]->name,
                    gb_tasks()[i]->name);
        }
    }
}

// ---- All of it ----

static const char style[] =
    "body{max-width:80rem;margin:2rem auto;padding:0 1rem;font:16px/1.5 system-ui,sans-serif;"
    "color:#1b1f24;background:#fff}table{border-collapse:collapse;margin:1rem 0}"
    "td,th{padding:.2rem .6rem;border-bottom:1px solid #d5dae0;text-align:right;"
    "font-variant-numeric:tabular-nums}td:first-child,td:last-child{text-align:left}"
    "th,td:not(:last-child){white-space:nowrap}td:last-child{font-size:.88em}tr.here{background:#"
    "f4f6f8}"
    "tr.here td:not(:last-child){font-weight:600}code{font-size:.85em}li{overflow-wrap:anywhere}"
    ".scroll{overflow-x:auto}svg,img{max-width:100%;height:auto}img{image-rendering:pixelated}";

static void put_top(const struct gb_page *page) {
    if (page->html)
        fprintf(page->file,
                "<!DOCTYPE html>\n<html lang=\"en\">\n<head><meta charset=\"utf-8\"/>"
                "<title>glowbench: results</title>\n<style>%s</style></head>\n<body>\n"
                "<h1>Results</h1>\n",
                style);
    else
        fputs(
            "# Results\n\n<!-- Made by `glowbench tables --readme README.md` from published.json, "
            "runs/ and rows.jsonl: do not edit. -->\n\n",
            page->file);
}

static void put_page(const struct gb_page *page, const struct gb_results *results,
                     const struct pictures *pictures) {
    size_t i;
    json_t *table;
    put_top(page);
    gb_page_paragraph(page,
                      "The tables of both papers: published figures beside those measured here. "
                      "First one figure of each; then all of them, what was done of what the paper "
                      "did, why a cell is empty, and what made each figure. Several seeds are mean "
                      "± standard deviation; a figure without ± is one seed, whose spread is not "
                      "known. In commands, DIR is the folder that holds the data sets, by the "
                      "names that bench/README.md lists.");
    put_summary(page, results);
    json_array_foreach(results->tables, i, table) {
        gb_page_heading(page, gb_json_text(table, "title"));
        put_table(page, results, table);
        if (*gb_json_text(table, "note"))
            gb_page_paragraph(page, gb_json_text(table, "note"));
        put_reasons(page, results, table);
        put_runs(page, results, table);
    }
    put_curves(page, pictures);
    put_samples(page, pictures);
    gb_page_raw(page, "</body>\n</html>\n", "");
}

static enum gb_status write_file(const char *directory, const char *name, const char *bytes,
                                 size_t count) {
    char path[GB_PATH];
    struct gb_atomic_file file = {0};
    GB_TRY(gb_path_join(directory, name, path));
    GB_TRY(gb_atomic_open(&file, path));
    fwrite(bytes, 1, count, file.stream);
    return gb_atomic_commit(&file);
}

static enum gb_status write_page(const struct gb_results *results, const struct pictures *pictures,
                                 bool html, const char *name) {
    char *text = NULL;
    size_t size = 0;
    struct gb_page page = {open_memstream(&text, &size), html};
    if (page.file)
        put_page(&page, results, pictures);
    enum gb_status status = page.file && fclose(page.file) == 0
                                ? write_file(results->directory, name, text, size)
                                : gb_no_memory("cannot write", name);
    free(text);
    return status;
}

static enum gb_status write_all(const struct gb_results *results, const struct pictures *pictures) {
    for (size_t i = 0; gb_tasks()[i]; i++)
        for (int kind = 0; kind < KINDS; kind++) {
            const struct gb_picture *curve = &pictures[i].curves[kind];
            char name[128];
            snprintf(name, sizeof name, "%s.svg", curve->name);
            if (curve->svg)
                GB_TRY(write_file(results->directory, name, curve->svg, curve->svg_bytes));
        }
    GB_TRY(write_page(results, pictures, false, "README.md"));
    return write_page(results, pictures, true, "index.html");
}

enum gb_status gb_pages_write(const struct gb_results *results) {
    size_t count = 0;
    while (gb_tasks()[count])
        count++;
    struct pictures *pictures = calloc(count, sizeof *pictures);
    enum gb_status status = pictures ? GB_OK : gb_no_memory("cannot draw", "pictures");
    for (size_t i = 0; status == GB_OK && i < count; i++)
        status = find_pictures(results, gb_tasks()[i], &pictures[i]);
    if (status == GB_OK)
        status = write_all(results, pictures);
    free_pictures(pictures, pictures ? count : 0);
    if (status == GB_OK)
        printf("%s/README.md, %s/index.html\n", results->directory, results->directory);
    return status;
}

// ---- The summary in another page ----

// Copies the page; false where a mark is missing.
static bool splice(const struct gb_results *results, FILE *from, FILE *to) {
    const struct gb_page page = {to, false};
    bool begun = false, ended = false;
    char *line = NULL;
    size_t capacity = 0;
    while (getline(&line, &capacity, from) > 0) {
        const bool ends = begun && !ended && strcmp(line, "<!-- end -->\n") == 0;
        ended |= ends;
        if (!begun || ended)
            fputs(line, to);
        if (!begun && strcmp(line, "<!-- glowbench tables -->\n") == 0) {
            begun = true;
            fputc('\n', to);
            put_summary(&page, results);
        }
    }
    free(line);
    return ended;
}

enum gb_status gb_summary_write(const struct gb_results *results, const char *path) {
    struct gb_atomic_file file = {0};
    FILE *from = fopen(path, "r");
    if (!from)
        return gb_fail(GB_BAD_INPUT, "cannot read", path, "%s", strerror(errno));
    enum gb_status status = gb_atomic_open(&file, path);
    if (status == GB_OK && splice(results, from, file.stream))
        status = gb_atomic_commit(&file);
    else if (status == GB_OK)
        status = gb_fail(GB_BAD_INPUT, "cannot write the summary", path,
                         "no line <!-- glowbench tables --> with <!-- end --> after it");
    gb_atomic_abort(&file);
    fclose(from);
    return status;
}
