// SPDX-License-Identifier: MIT
#include "bench/tables/pages.h"

#include <math.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/report/plots.h"
#include "flows/files/atomic_file.h"
#include "tasks/program/files.h"
#include "tasks/task.h"
#include "tasks/training/progress.h"

// ---- A page, as Markdown or as HTML ----

struct page {
    FILE *file;
    bool html;
};

static void put(const struct page *page, const char *text) {
    for (; *text; text++)
        if (page->html && *text == '<')
            fputs("&lt;", page->file);
        else if (page->html && *text == '&')
            fputs("&amp;", page->file);
        else if (!page->html && strchr("|*<\\", *text))
            fprintf(page->file, "\\%c", *text);
        else
            fputc(*text, page->file);
}

static void __attribute__((format(printf, 2, 3)))
put_format(const struct page *page, const char *format, ...) {
    char text[GB_PATH];
    va_list values;
    va_start(values, format);
    vsnprintf(text, sizeof text, format, values);
    va_end(values);
    put(page, text);
}

static void put_code(const struct page *page, const char *text) {
    fputs(page->html ? "<code>" : "`", page->file);
    page->html ? put(page, text) : (void)fputs(text, page->file);
    fputs(page->html ? "</code>" : "`", page->file);
}

static void put_heading(const struct page *page, const char *text) {
    fputs(page->html ? "<h2>" : "\n## ", page->file);
    put(page, text);
    fputs(page->html ? "</h2>\n" : "\n\n", page->file);
}

static void begin(const struct page *page, const char *html, const char *markdown) {
    fputs(page->html ? html : markdown, page->file);
}

static void put_paragraph(const struct page *page, const char *text) {
    begin(page, "<p>", "");
    put(page, text);
    begin(page, "</p>\n", "\n\n");
}

// ---- Cells ----

struct cell {
    char text[64];
    char why[256]; // it is empty
};

// What the rows of a run have of a metric: a mean, and a deviation where there are several seeds.
static void measure(const struct gb_results *results, const json_t *use, int decimals,
                    const char *run, struct cell *cell) {
    double sum = 0, squares = 0;
    int count = 0, rows = 0;
    size_t i;
    json_t *row;
    json_array_foreach(results->rows, i, row) {
        const json_t *value =
            json_object_get(json_object_get(row, "metrics"), gb_text(use, "metric"));
        if (strcmp(gb_text(row, "run"), run) != 0)
            continue;
        rows++;
        if (!json_is_number(value))
            continue;
        double number = json_number_value(value);
        count++;
        sum += number;
        squares += number * number;
    }
    double mean = sum / count;
    if (count == 0 && rows == 0)
        snprintf(cell->why, sizeof cell->why, "not made yet: glowbench tables --run %s --data DIR",
                 run);
    else if (count == 0)
        snprintf(cell->why, sizeof cell->why, "%s has no %s", run, gb_text(use, "metric"));
    else if (count == 1)
        snprintf(cell->text, sizeof cell->text, "%.*f", decimals, mean);
    else
        snprintf(cell->text, sizeof cell->text, "%.*f ± %.*f", decimals, mean, decimals,
                 sqrt(fmax(squares - sum * mean, 0) / (count - 1)));
}

static bool is_of(const json_t *use, const char *table, const char *line, const char *column) {
    return strcmp(gb_text(use, "table"), table) == 0 &&
           (!line || strcmp(gb_text(use, "line"), line) == 0) &&
           (!column || strcmp(gb_text(use, "column"), column) == 0);
}

static struct cell cell_of(const struct gb_results *results, const char *table, const json_t *line,
                           const json_t *column) {
    struct cell cell = {0};
    const char *run;
    json_t *config, *use;
    size_t i;
    json_object_foreach(results->runs, run, config) {
        json_array_foreach(json_object_get(config, "cells"), i, use) {
            if (!is_of(use, table, gb_text(line, "line"), gb_text(column, "name")))
                continue;
            measure(results, use, (int)gb_whole(column, "decimals"), run, &cell);
            return cell;
        }
    }
    snprintf(cell.why, sizeof cell.why, "%s", gb_text(line, "unmeasured"));
    return cell;
}

// ---- A table ----

// A run that gives the line a cell, and what it is short of, where that can be told.
static void put_source(const struct page *page, const struct gb_results *results, const char *table,
                       const char *line) {
    const char *run, *before = "";
    json_t *config, *use, *row;
    size_t i;
    json_object_foreach(results->runs, run, config) {
        bool of_line = false;
        json_array_foreach(json_object_get(config, "cells"), i, use) of_line |=
            is_of(use, table, line, NULL);
        if (!of_line)
            continue;
        fputs(before, page->file);
        before = "; ";
        put_code(page, run);
        json_array_foreach(results->rows, i, row) {
            if (strcmp(gb_text(row, "run"), run) != 0)
                continue;
            json_int_t paper = gb_whole(config, "paper_iterations");
            if (gb_whole(row, "steps") == (paper ? paper : gb_whole(row, "iterations")))
                continue;
            put_format(page, ", seed %lld: %lld", (long long)gb_whole(row, "seed"),
                       (long long)gb_whole(row, "steps"));
            put_format(page, paper ? " of the paper's %lld steps" : " of %lld steps",
                       (long long)(paper ? paper : gb_whole(row, "iterations")));
        }
    }
}

static void put_field(const struct page *page, const char *text) {
    begin(page, "<td>", " ");
    put(page, text);
    begin(page, "</td>", " |");
}

static void put_heads(const struct page *page, const json_t *table) {
    const json_t *columns = json_object_get(table, "columns");
    size_t i;
    json_t *column;
    begin(page, "<table>\n<tr><th></th>", "| |");
    json_array_foreach(columns, i, column) {
        begin(page, "<th>", " ");
        put(page, gb_text(column, "name"));
        begin(page, "</th>", " |");
    }
    begin(page, "<th></th></tr>\n", " |\n|---|");
    for (i = 0; !page->html && i < json_array_size(columns); i++)
        fputs("---:|", page->file);
    begin(page, "", "---|\n");
}

static void put_published(const struct page *page, const json_t *table) {
    size_t i, j;
    json_t *line, *value;
    json_array_foreach(json_object_get(table, "published"), i, line) {
        begin(page, "<tr>", "|");
        put_field(page, gb_text(line, "line"));
        json_array_foreach(json_object_get(line, "values"), j, value)
            put_field(page, json_is_string(value) ? json_string_value(value) : "–");
        put_field(page, "published");
        begin(page, "</tr>\n", "\n");
    }
}

static void put_measured(const struct page *page, const struct gb_results *results,
                         const json_t *table) {
    const char *id = gb_text(table, "id");
    size_t i, j;
    json_t *line, *column;
    json_array_foreach(json_object_get(table, "measured"), i, line) {
        begin(page, "<tr class=\"here\">", "|");
        put_field(page, gb_text(line, "line"));
        json_array_foreach(json_object_get(table, "columns"), j, column)
            put_field(page, cell_of(results, id, line, column).text);
        begin(page, "<td>here: ", " here: ");
        put_source(page, results, id, gb_text(line, "line"));
        begin(page, "</td></tr>\n", " |\n");
    }
    begin(page, "</table>\n", "\n");
}

static void put_reasons(const struct page *page, const struct gb_results *results,
                        const json_t *table) {
    size_t i, j;
    json_t *line, *column;
    bool any = false;
    json_array_foreach(json_object_get(table, "measured"), i, line) {
        json_array_foreach(json_object_get(table, "columns"), j, column) {
            struct cell cell = cell_of(results, gb_text(table, "id"), line, column);
            if (*cell.text)
                continue;
            if (!any)
                begin(page, "<p>Empty cells:</p>\n<ul>\n", "Empty cells:\n\n");
            any = true;
            begin(page, "<li>", "- ");
            put_format(page, "%s, %s: %s", gb_text(line, "line"), gb_text(column, "name"),
                       cell.why);
            begin(page, "</li>\n", "\n");
        }
    }
    if (any)
        begin(page, "</ul>\n", "\n");
}

// ---- Runs ----

static void put_row(const struct page *page, const json_t *row) {
    const json_t *machine = json_object_get(row, "machine");
    char duration[32];
    gb_duration_text(json_number_value(json_object_get(row, "training_seconds")), duration);
    begin(page, "<li>", "- ");
    put_format(page, "seed %lld: %lld of %lld steps in %s (%.0f ms a step), %s, %lld threads, %s, ",
               (long long)gb_whole(row, "seed"), (long long)gb_whole(row, "steps"),
               (long long)gb_whole(row, "iterations"), duration,
               1e3 * json_number_value(json_object_get(row, "step_seconds_median")),
               gb_text(row, "backend"), (long long)gb_whole(row, "threads"),
               gb_text(machine, "cpu"));
    put_format(page, "%s, commit %.12s, %s: ", gb_text(machine, "compiler"), gb_text(row, "commit"),
               gb_text(row, "day"));
    put_code(page, gb_text(row, "command"));
    begin(page, "</li>\n", "\n");
}

static void put_runs(const struct page *page, const struct gb_results *results,
                     const json_t *table) {
    const char *run;
    json_t *config, *use, *note, *row;
    size_t i;
    json_object_foreach(results->runs, run, config) {
        bool of_table = false, any = false;
        json_array_foreach(json_object_get(config, "cells"), i, use) of_table |=
            is_of(use, gb_text(table, "id"), NULL, NULL);
        json_array_foreach(results->rows, i, row) any |= strcmp(gb_text(row, "run"), run) == 0;
        if (!of_table || !any)
            continue;
        begin(page, "<p>", "");
        put_code(page, run);
        fputs(":", page->file);
        json_array_foreach(json_object_get(config, "notes"), i, note) {
            put_format(page, " %s", json_string_value(note));
        }
        begin(page, "</p>\n<ul>\n", "\n\n");
        json_array_foreach(results->rows, i, row) {
            if (strcmp(gb_text(row, "run"), run) == 0)
                put_row(page, row);
        }
        begin(page, "</ul>\n", "\n");
    }
}

// ---- Learning curves ----

// What is drawn of a task's runs, each a member of their rows.
enum { BITS, SCORES, KINDS };
static const char *const members[KINDS] = {"curve", "scores"};

struct curves {
    struct gb_picture (*pictures)[KINDS]; // of each task; without forms where nothing is drawn
    size_t count;
};

// A line for each of the task's rows that has the figure.
static enum gb_status draw(const struct gb_results *results, const struct gb_task *task, int kind,
                           struct gb_picture *picture) {
    size_t i, count = 0, rows = json_array_size(results->rows);
    struct gb_training_record records[rows + 1];
    char names[rows + 1][96];
    json_t *row;
    json_array_foreach(results->rows, i, row) {
        json_t *log = json_object_get(row, members[kind]);
        // Of a model that gives one answer the likelihood compares with no other's.
        bool likelihood = json_object_get(json_object_get(row, "metrics"), "bits_per_dimension");
        if (strcmp(gb_text(row, "task"), task->name) != 0 || json_array_size(log) == 0 ||
            (kind == BITS && !likelihood))
            continue;
        snprintf(names[count], sizeof *names, "%s, seed %lld", gb_text(row, "run"),
                 (long long)gb_whole(row, "seed"));
        records[count] = (struct gb_training_record){.folder = names[count], .log = log};
        count++;
    }
    if (count == 0)
        return GB_OK;
    snprintf(picture->name, sizeof picture->name, "%s-%s", members[kind], task->name);
    return gb_plot_curves(records, (int)count, kind == BITS ? "bits_per_dimension" : task->headline,
                          picture);
}

static void free_curves(struct curves *curves) {
    for (size_t i = 0; i < curves->count; i++)
        for (int kind = 0; kind < KINDS; kind++)
            gb_picture_free(&curves->pictures[i][kind]);
    free(curves->pictures);
}

static enum gb_status draw_curves(const struct gb_results *results, struct curves *curves) {
    while (gb_tasks()[curves->count])
        curves->count++;
    curves->pictures = calloc(curves->count, sizeof *curves->pictures);
    if (!curves->pictures)
        return gb_fail(GB_OUT_OF_MEMORY, "cannot draw", "curves", "out of memory");
    enum gb_status status = GB_OK;
    for (size_t i = 0; i < KINDS * curves->count && status == GB_OK; i++)
        status = draw(results, gb_tasks()[i / KINDS], (int)(i % KINDS),
                      &curves->pictures[i / KINDS][i % KINDS]);
    if (status != GB_UNSUPPORTED)
        return status;
    fprintf(stderr, "glowbench: %s: pages without curves\n", gb_error_message());
    return GB_OK;
}

static void put_curves(const struct page *page, const struct curves *curves) {
    put_heading(page, "Learning curves");
    put_paragraph(page,
                  "Bits per dimension of the minibatches, and the metric of a few test images by "
                  "few samples, while training. A baseline of one answer has no likelihood that "
                  "could stand beside the others'.");
    for (size_t i = 0; i < KINDS * curves->count; i++) {
        const struct gb_picture *picture = &curves->pictures[i / KINDS][i % KINDS];
        if (picture->svg)
            fprintf(page->file,
                    page->html ? "<p><img alt=\"%s\" src=\"%s.svg\"/></p>\n" : "![%s](%s.svg)\n\n",
                    gb_tasks()[i / KINDS]->name, picture->name);
    }
}

// ---- All of it ----

static const char style[] =
    "body{max-width:70rem;margin:2rem auto;padding:0 1rem;font:16px/1.5 system-ui,sans-serif;"
    "color:#1b1f24;background:#fff}table{border-collapse:collapse;margin:1rem 0}"
    "td,th{padding:.2rem .6rem;border-bottom:1px solid #d5dae0;text-align:right;"
    "font-variant-numeric:tabular-nums}td:first-child,td:last-child{text-align:left}"
    "tr.here{background:#f4f6f8;font-weight:600}code{font-size:.85em}li{overflow-wrap:anywhere}"
    "img{max-width:100%}";

static void put_page(const struct page *page, const struct gb_results *results,
                     const struct curves *curves) {
    size_t i;
    json_t *table;
    if (page->html)
        fprintf(page->file,
                "<!DOCTYPE html>\n<html lang=\"en\">\n<head><meta charset=\"utf-8\"/>"
                "<title>glowbench: results</title>\n<style>%s</style></head>\n<body>\n"
                "<h1>Results</h1>\n",
                style);
    else
        fputs("# Results\n\n<!-- Made by `glowbench tables` from published.json, runs/ and "
              "rows.jsonl: do not edit. -->\n\n",
              page->file);
    put_paragraph(
        page, "The tables of both papers: published figures beside those measured here. Several "
              "seeds are mean ± standard deviation. What a run took, and what differs from "
              "the paper, stands below its table.");
    json_array_foreach(results->tables, i, table) {
        put_heading(page, gb_text(table, "title"));
        put_heads(page, table);
        put_published(page, table);
        put_measured(page, results, table);
        if (*gb_text(table, "note"))
            put_paragraph(page, gb_text(table, "note"));
        put_reasons(page, results, table);
        put_runs(page, results, table);
    }
    put_curves(page, curves);
    if (page->html)
        fputs("</body>\n</html>\n", page->file);
}

static enum gb_status write_file(const char *folder, const char *name, const char *bytes,
                                 size_t count) {
    char path[GB_PATH];
    struct gb_atomic_file file = {0};
    GB_TRY(gb_path_join(folder, name, path));
    GB_TRY(gb_atomic_open(&file, path));
    fwrite(bytes, 1, count, file.stream);
    return gb_atomic_commit(&file);
}

static enum gb_status write_page(const struct gb_results *results, const struct curves *curves,
                                 bool html, const char *name) {
    char *text = NULL;
    size_t size = 0;
    struct page page = {open_memstream(&text, &size), html};
    if (page.file)
        put_page(&page, results, curves);
    enum gb_status status = page.file && fclose(page.file) == 0
                                ? write_file(results->folder, name, text, size)
                                : gb_fail(GB_OUT_OF_MEMORY, "cannot write", name, "out of memory");
    free(text);
    return status;
}

static enum gb_status write_all(const struct gb_results *results, const struct curves *curves) {
    for (size_t i = 0; i < KINDS * curves->count; i++) {
        const struct gb_picture *picture = &curves->pictures[i / KINDS][i % KINDS];
        char name[128];
        snprintf(name, sizeof name, "%s.svg", picture->name);
        if (picture->svg)
            GB_TRY(write_file(results->folder, name, picture->svg, picture->svg_bytes));
    }
    GB_TRY(write_page(results, curves, false, "README.md"));
    return write_page(results, curves, true, "index.html");
}

enum gb_status gb_pages_write(const struct gb_results *results) {
    struct curves curves = {0};
    enum gb_status status = draw_curves(results, &curves);
    if (status == GB_OK)
        status = write_all(results, &curves);
    free_curves(&curves);
    if (status == GB_OK)
        printf("%s/README.md, %s/index.html\n", results->folder, results->folder);
    return status;
}
