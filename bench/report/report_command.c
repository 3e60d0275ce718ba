// SPDX-License-Identifier: MIT
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/atomic_file.h"
#include "base/files.h"
#include "base/grow.h"
#include "base/options.h"
#include "bench/commands.h"
#include "bench/report/plots.h"
#include "bench/report/report.h"

static enum gb_status no_memory(void) {
    return gb_no_memory("cannot report", "runs");
}

// ---- Reading ----

static enum gb_status read_inputs(const char *const *paths, int count,
                                  const struct gb_machine_options *options, struct gb_rows *rows,
                                  struct gb_report *report) {
    report->records = calloc((size_t)count, sizeof *report->records);
    if (!report->records)
        return no_memory();
    for (int i = 0; i < count; i++)
        if (gb_is_directory(paths[i])) {
            GB_TRY(gb_training_record_read(paths[i], &report->records[report->record_count++]));
        } else {
            GB_TRY(gb_rows_add_file(rows, paths[i]));
        }
    if (!rows->count)
        return GB_OK;
    GB_TRY(gb_summaries_make(rows->list, rows->count, &report->summaries));
    GB_TRY(gb_machines_make(&report->summaries, rows, options, &report->machines));
    report->tables = gb_machines_tables(&report->machines);
    return report->tables ? GB_OK : no_memory();
}

// ---- Pictures ----

void gb_picture_set_name(struct gb_picture *picture, const char *kind, int index, const char *of) {
    snprintf(picture->name, sizeof picture->name, "%s-%d-%s", kind, index + 1, *of ? of : "other");
    for (char *letter = picture->name; *letter; letter++)
        *letter = isalnum((unsigned char)*letter) ? (char)tolower((unsigned char)*letter) : '-';
}

// A new picture, the report's last; NULL without memory.
static struct gb_picture *add_picture(struct gb_report *report, const char *kind, int index,
                                      const char *of) {
    struct gb_picture *pictures =
        gb_grow(report->pictures, (size_t)report->picture_count, sizeof *pictures);
    if (!pictures)
        return NULL;
    report->pictures = pictures;
    struct gb_picture *picture = &pictures[report->picture_count++];
    gb_picture_set_name(picture, kind, index, of);
    return picture;
}

static enum gb_status draw_summary(struct gb_report *report, int index) {
    const struct gb_summary *s = &report->summaries.list[index];
    for (int i = 0; i < s->model_count; i++) {
        struct gb_picture *picture = add_picture(report, "bars", index, s->models[i]);
        GB_TRY(picture ? gb_plot_bars(s, i, picture) : no_memory());
    }
    for (int i = 0; i < s->setting_count; i++) {
        struct gb_picture *picture =
            add_picture(report, "roofline", index, gb_setting_text(&s->settings[i]).text);
        GB_TRY(picture ? gb_plot_roofline(s, i, picture) : no_memory());
    }
    for (enum gb_cache cache = GB_CACHE_WARM; cache <= GB_CACHE_STEP; cache++) {
        struct gb_picture *picture = add_picture(report, "scaling", index, gb_cache_name(cache));
        GB_TRY(picture ? gb_plot_scaling(s, cache, picture) : no_memory());
    }
    return GB_OK;
}

// Every number that the runs log of their progress.
static enum gb_status draw_curves(struct gb_report *report) {
    json_t *figures = json_object(), *row, *value;
    const char *name;
    size_t i;
    int failed = figures ? 0 : -1;
    for (int record = 0; record < report->record_count; record++)
        json_array_foreach(report->records[record].log, i, row) {
            json_object_foreach(row, name, value) {
                if (json_is_number(value))
                    failed |= json_object_set(figures, name, value);
            }
        }
    json_object_del(figures, "step");
    json_object_del(figures, "step_seconds");
    json_object_del(figures, "images_per_second");
    enum gb_status status = failed ? no_memory() : GB_OK;
    int index = 0;
    json_object_foreach(figures, name, value) {
        if (status != GB_OK)
            break;
        struct gb_picture *picture = add_picture(report, "curves", index++, name);
        status = picture ? gb_plot_curves(report->records, report->record_count, name, picture)
                         : no_memory();
    }
    json_decref(figures);
    return status;
}

// ---- Writing ----

static enum gb_status write_bytes(const char *base, const struct gb_picture *picture,
                                  const char *ending, const char *bytes, size_t count) {
    char path[GB_PATH];
    GB_TRY(gb_path_format(path, "%s-%s.%s", base, picture->name, ending));
    return gb_file_write(path, bytes, count);
}

// The page last: where it is, its pictures are.
static enum gb_status write_report(const struct gb_report *report, const char *html) {
    char base[GB_PATH];
    const size_t length = strlen(html), ending = strlen(".html");
    const bool ended = length > ending && strcmp(html + length - ending, ".html") == 0;
    GB_TRY(gb_path_format(base, "%.*s", (int)(length - (ended ? ending : 0)), html));
    int written = 0;
    for (int i = 0; i < report->picture_count; i++) {
        const struct gb_picture *picture = &report->pictures[i];
        if (!picture->svg)
            continue;
        GB_TRY(write_bytes(base, picture, "svg", picture->svg, picture->svg_bytes));
        GB_TRY(write_bytes(base, picture, "png", picture->png, picture->png_bytes));
        written++;
    }
    struct gb_atomic_file file = {0};
    GB_TRY(gb_atomic_open(&file, html));
    gb_report_page(file.stream, report);
    GB_TRY(gb_atomic_commit(&file));
    printf("%s; its %d pictures also as %s-*.svg and .png\n", html, written, base);
    return GB_OK;
}

static enum gb_status write_text(const char *path, const struct gb_report *report,
                                 void (*write)(FILE *, const struct gb_report *)) {
    struct gb_atomic_file file = {0};
    GB_TRY(gb_atomic_open(&file, path));
    write(file.stream, report);
    return gb_atomic_commit(&file);
}

// What is written; NULL: not. Without any it is a page.
struct outputs {
    const char *html, *csv, *markdown;
};

static enum gb_status draw_all(struct gb_report *made) {
    for (int i = 0; i < made->summaries.count; i++)
        GB_TRY(draw_summary(made, i));
    return draw_curves(made);
}

static enum gb_status write_outputs(struct gb_report *made, const struct outputs *outputs) {
    const char *const paths[] = {outputs->html, outputs->csv, outputs->markdown};
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++)
        if (paths[i])
            GB_TRY(gb_atomic_probe(paths[i])); // before the drawing
    if (outputs->html)
        GB_TRY(draw_all(made));
    if (outputs->csv)
        GB_TRY(write_text(outputs->csv, made, gb_report_csv));
    if (outputs->markdown)
        GB_TRY(write_text(outputs->markdown, made, gb_report_markdown));
    return outputs->html ? write_report(made, outputs->html) : GB_OK;
}

static void free_report(struct gb_report *made) {
    for (int i = 0; i < made->picture_count; i++)
        gb_picture_free(&made->pictures[i]);
    for (int i = 0; i < made->record_count; i++)
        gb_training_record_free(&made->records[i]);
    free(made->pictures);
    free(made->records);
    json_decref(made->tables);
    gb_machines_free(&made->machines);
    gb_summaries_free(&made->summaries);
}

static enum gb_status report(int argc, const char **argv) {
    struct outputs outputs = {0};
    struct gb_machine_options machines = {0};
    const char **paths = calloc(2 * (size_t)argc, sizeof *paths), **costs = paths + argc;
    if (!paths)
        return no_memory();
    machines.costs = costs;
    int count = 0;
    const struct gb_option options[] = {
        gb_option_string("html", "FILE", &outputs.html,
                         "the page; its pictures go next to it (default: report.html, unless "
                         "another file is given)"),
        gb_option_string("csv", "FILE", &outputs.csv,
                         "write the rows' figures as CSV, one line per problem and backend"),
        gb_option_string("markdown", "FILE", &outputs.markdown,
                         "write the machines' scores and the models' means as Markdown"),
        GB_MACHINE_OPTIONS(machines, costs),
        gb_operand_list("RUN", paths, &count,
                        "a file of bench rows, or a training run's directory"),
        {0},
    };
    bool helped;
    enum gb_status status = gb_options_parse(&gb_report_command, options, argc, argv, &helped);
    struct gb_rows rows = {0};
    struct gb_report made = {0};
    if (status == GB_OK && !helped) {
        if (!outputs.csv && !outputs.markdown && !outputs.html)
            outputs.html = "report.html";
        status = read_inputs(paths, count, &machines, &rows, &made);
        if (status == GB_OK)
            status = write_outputs(&made, &outputs);
    }
    free_report(&made);
    gb_rows_free(&rows);
    free(paths);
    return status;
}

const struct gb_command gb_report_command = {
    "report", "Turn benchmark results and training runs into an HTML page", report, false, false};
