// SPDX-License-Identifier: MIT
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/atomic_file.h"
#include "base/files.h"
#include "base/options.h"
#include "bench/commands.h"
#include "bench/report/plots.h"
#include "bench/report/report.h"

// ---- What to report ----

// Adds the rows of a file to `all`, which takes them over.
static enum gb_status read_rows(const char *path, struct gb_rows *all) {
    struct gb_rows rows;
    GB_TRY(gb_rows_read(path, &rows));
    struct gb_row *list = realloc(all->list, (all->count + rows.count) * sizeof *list);
    if (!list) {
        gb_rows_free(&rows);
        return gb_no_memory("cannot report", "runs");
    }
    memcpy(list + all->count, rows.list, rows.count * sizeof *list);
    *all = (struct gb_rows){list, all->count + rows.count};
    free(rows.list);
    return GB_OK;
}

static bool is_folder(const char *path) {
    struct stat status;
    return stat(path, &status) == 0 && S_ISDIR(status.st_mode);
}

static enum gb_status read_runs(const char *const *paths, int count, struct gb_rows *rows,
                                struct gb_report *report) {
    report->records = calloc((size_t)count, sizeof *report->records);
    if (!report->records)
        return gb_no_memory("cannot report", "runs");
    for (int i = 0; i < count; i++) {
        if (!is_folder(paths[i])) {
            GB_TRY(read_rows(paths[i], rows));
            continue;
        }
        GB_TRY(gb_training_record_read(paths[i], &report->records[report->record_count]));
        report->record_count++;
    }
    return rows->count ? gb_summaries_make(rows->list, rows->count, &report->summaries) : GB_OK;
}

// ---- Pictures ----

// "bars-1-cglow-horses-32": what may stand in the name of a file, and of an element of the page.
static void name_picture(struct gb_picture *picture, const char *kind, int summary,
                         const char *of) {
    snprintf(picture->name, sizeof picture->name, "%s-%d-%s", kind, summary + 1, of);
    for (char *letter = picture->name; *letter; letter++)
        *letter = isalnum((unsigned char)*letter) ? (char)tolower((unsigned char)*letter) : '-';
}

static enum gb_status draw_summary(const struct gb_summary *s, int index,
                                   struct gb_summary_pictures *pictures) {
    pictures->bars = calloc((size_t)s->model_count, sizeof *pictures->bars);
    pictures->rooflines = calloc((size_t)s->setting_count, sizeof *pictures->rooflines);
    if (!pictures->bars || !pictures->rooflines)
        return gb_no_memory("cannot report", "runs");
    for (int i = 0; i < s->model_count; i++) {
        name_picture(&pictures->bars[i], "bars", index, *s->models[i] ? s->models[i] : "other");
        GB_TRY(gb_plot_bars(s, i, &pictures->bars[i]));
    }
    for (int i = 0; i < s->setting_count; i++) {
        name_picture(&pictures->rooflines[i], "roofline", index,
                     gb_setting_text(&s->settings[i]).text);
        GB_TRY(gb_plot_roofline(s, i, &pictures->rooflines[i]));
    }
    for (int cache = GB_CACHE_WARM; cache <= GB_CACHE_COLD; cache++) {
        name_picture(&pictures->scaling[cache], "scaling", index, cache ? "cold" : "warm");
        GB_TRY(gb_plot_scaling(s, cache, &pictures->scaling[cache]));
    }
    return GB_OK;
}

// The names of the figures that a run logs of its progress, as keys of `figures`.
static void find_figures(const struct gb_training_record *record, json_t *figures) {
    static const char *const others[] = {"step", "step_seconds", "images_per_second"};
    size_t i;
    json_t *row, *value;
    const char *name;
    json_array_foreach(record->log, i, row)
        json_object_foreach(row, name, value) {
            if (json_is_number(value))
                json_object_set_new(figures, name, json_true());
        }
    for (size_t j = 0; j < sizeof others / sizeof *others; j++)
        json_object_del(figures, others[j]);
}

static enum gb_status draw_curves(struct gb_report *report) {
    json_t *figures = json_object();
    for (int i = 0; i < report->record_count; i++)
        find_figures(&report->records[i], figures);
    size_t count = json_object_size(figures);
    report->curves = calloc(count ? count : 1, sizeof *report->curves);
    enum gb_status status = report->curves ? GB_OK : gb_no_memory("cannot report", "runs");
    const char *name;
    json_t *unused;
    json_object_foreach(figures, name, unused) {
        (void)unused;
        if (status != GB_OK)
            break;
        struct gb_picture *picture = &report->curves[report->curve_count];
        name_picture(picture, "curves", report->curve_count++, name);
        status = gb_plot_curves(report->records, report->record_count, name, picture);
    }
    json_decref(figures);
    return status;
}

static enum gb_status draw(struct gb_report *report) {
    int count = report->summaries.count;
    report->pictures = calloc(count ? (size_t)count : 1, sizeof *report->pictures);
    if (!report->pictures)
        return gb_no_memory("cannot report", "runs");
    for (int i = 0; i < count; i++)
        GB_TRY(draw_summary(&report->summaries.list[i], i, &report->pictures[i]));
    return draw_curves(report);
}

// Calls `visit` for every picture that was drawn, until it fails.
static enum gb_status for_pictures(const struct gb_report *report,
                                   enum gb_status (*visit)(struct gb_picture *, void *),
                                   void *argument) {
    for (int i = 0; report->pictures && i < report->summaries.count; i++) {
        const struct gb_summary *s = &report->summaries.list[i];
        struct gb_summary_pictures *pictures = &report->pictures[i];
        for (int j = 0; pictures->bars && j < s->model_count; j++)
            GB_TRY(visit(&pictures->bars[j], argument));
        for (int j = 0; pictures->rooflines && j < s->setting_count; j++)
            GB_TRY(visit(&pictures->rooflines[j], argument));
        for (int j = 0; j < 2; j++)
            GB_TRY(visit(&pictures->scaling[j], argument));
    }
    for (int i = 0; i < report->curve_count; i++)
        GB_TRY(visit(&report->curves[i], argument));
    return GB_OK;
}

// ---- Writing ----

static enum gb_status write_bytes(const char *path, const char *bytes, size_t count) {
    struct gb_atomic_file file = {0};
    GB_TRY(gb_atomic_open(&file, path));
    fwrite(bytes, 1, count, file.stream);
    return gb_atomic_commit(&file);
}

struct destination {
    const char *base;
    int written;
};

static enum gb_status write_picture(struct gb_picture *picture, void *argument) {
    struct destination *to = argument;
    if (!picture->svg)
        return GB_OK;
    char path[GB_PATH];
    if (snprintf(path, sizeof path, "%s-%s.svg", to->base, picture->name) >= GB_PATH)
        return gb_fail(GB_BAD_INPUT, "cannot write", to->base, "the path is too long");
    GB_TRY(write_bytes(path, picture->svg, picture->svg_bytes));
    strcpy(path + strlen(path) - strlen("svg"), "png");
    to->written++;
    return write_bytes(path, picture->png, picture->png_bytes);
}

// The page last: where it is, its pictures are.
static enum gb_status write_report(const struct gb_report *report, const char *html) {
    struct destination to = {report->base, 0};
    GB_TRY(for_pictures(report, write_picture, &to));
    struct gb_atomic_file file = {0};
    GB_TRY(gb_atomic_open(&file, html));
    gb_report_page(file.stream, report);
    GB_TRY(gb_atomic_commit(&file));
    printf("%s, and %d pictures beside it: %s-*.svg, .png\n", html, to.written, report->base);
    return GB_OK;
}

// ---- The command ----

static enum gb_status free_picture(struct gb_picture *picture, void *unused) {
    (void)unused;
    gb_picture_free(picture);
    return GB_OK;
}

static void free_report(struct gb_report *report) {
    for_pictures(report, free_picture, NULL);
    for (int i = 0; report->pictures && i < report->summaries.count; i++) {
        free(report->pictures[i].bars);
        free(report->pictures[i].rooflines);
    }
    free(report->pictures);
    free(report->curves);
    for (int i = 0; i < report->record_count; i++)
        gb_training_record_free(&report->records[i]);
    free(report->records);
    gb_summaries_free(&report->summaries);
}

static enum gb_status make_report(const char *const *paths, int count, const char *html,
                                  const char *base) {
    struct gb_report report = {.base = base};
    struct gb_rows rows = {0};
    enum gb_status status = read_runs(paths, count, &rows, &report);
    if (status == GB_OK)
        status = gb_atomic_probe(html); // before the drawing
    if (status == GB_OK)
        status = draw(&report);
    if (status == GB_OK)
        status = write_report(&report, html);
    free_report(&report);
    gb_rows_free(&rows);
    return status;
}

static enum gb_status report(int argc, const char **argv) {
    const char *html = "report.html";
    const char **paths = calloc((size_t)argc, sizeof *paths);
    if (!paths)
        return gb_no_memory("cannot report", "runs");
    int count = 0;
    const struct gb_option options[] = {
        gb_option_string("html", "FILE", &html, "the page; its pictures are written beside it"),
        gb_operand_list("RUN", paths, &count, "rows of bench (a file), or a training run's folder"),
        {0},
    };
    bool helped;
    enum gb_status status = gb_options_parse(&gb_report_command, options, argc, argv, &helped);
    char base[GB_PATH];
    size_t length = strlen(html), ending = strlen(".html");
    bool ended = length > ending && strcmp(html + length - ending, ".html") == 0;
    if (status == GB_OK && !helped) {
        if (snprintf(base, sizeof base, "%.*s", (int)(length - (ended ? ending : 0)), html) >=
            GB_PATH)
            status = gb_fail(GB_BAD_INPUT, "cannot write", html, "the path is too long");
        else
            status = make_report(paths, count, html, base);
    }
    free(paths);
    return status;
}

const struct gb_command gb_report_command = {
    "report", "Writes bench rows and training runs as one HTML page with pictures", report};
