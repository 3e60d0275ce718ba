// SPDX-License-Identifier: MIT
#include "bench/report/table.h"

#include <math.h>
#include <string.h>

#include "base/console.h"
#include "base/json.h"
#include "base/minmax.h"
#include "bench/report/figures.h"
#include "bench/report/summary.h"

// A table, and which of the notes below it are needed.
struct table {
    FILE *file;
    const struct gb_summary *s;
    bool fallback, incomplete, failed;
    int first, end; // the backends' columns that are being printed
};

static const char all_kernels[] = GB_ALL_KERNELS_NAME;

// Width of a column: that of a cell, "123us 100% 1.00*", or of the backend's name, of which a
// library's name and version may be too long for a line.
enum { CELL = 18, NAME = 32, CALLS = 6, BOUND = 7 };
static int column_width(const struct gb_column *column) {
    return gb_max_int(CELL, gb_min_int(NAME, (int)strlen(column->label)));
}

// Goes to the next columns that fit in a line next to `used` others; false after the last. Begun
// with t->end = 0.
static bool next_columns(struct table *t, int used) {
    t->first = t->end;
    for (; t->end < t->s->column_count; t->end++) {
        used += 2 + column_width(&t->s->columns[t->end]);
        if (used > gb_console_columns() && t->end > t->first)
            break;
    }
    return t->first < t->end;
}

static void print_heads(const struct table *t, const char *head, int width, bool calls) {
    fprintf(t->file, "%-*s", width, head);
    if (calls)
        fprintf(t->file, "  %*s", CALLS, "calls");
    fprintf(t->file, "  %-*s", BOUND, "bound");
    for (int i = t->first; i < t->end; i++)
        fprintf(t->file, "  %*.*s", column_width(&t->s->columns[i]), NAME, t->s->columns[i].label);
    fputc('\n', t->file);
}

static void print_figures(const struct table *t, int column, double seconds, double share,
                          double speed, bool fallback) {
    fprintf(t->file, "  %*s%7s %4s %4s%c", column_width(&t->s->columns[column]) - CELL, "",
            gb_figure_seconds(seconds).text, gb_figure_share(share).text,
            gb_figure_ratio(speed).text, fallback ? '*' : ' ');
}

static void print_text(const struct table *t, int column, const char *text) {
    fprintf(t->file, "  %*s ", column_width(&t->s->columns[column]) - 1, text);
}

static bool has_lines(const struct gb_summary *s, int setting, int group) {
    for (int line = 0; line < s->line_count; line++)
        if (s->lines[line].group == group && gb_summary_measured(s, setting, line))
            return true;
    return false;
}

static void print_group(struct table *t, int setting, int group, int width) {
    const struct gb_summary *s = t->s;
    fputc('\n', t->file);
    print_heads(t, s->groups[group].name, width, false);
    for (int line = 0; line < s->line_count; line++) {
        if (s->lines[line].group != group || !gb_summary_measured(s, setting, line))
            continue;
        fprintf(t->file, "%-*s  %-*s", width, s->lines[line].shape, BOUND,
                gb_figure_bounds(gb_summary_bounds(s, setting, line)).text);
        for (int i = t->first; i < t->end; i++) {
            const struct gb_cell *cell = gb_summary_cell(s, setting, line, i);
            if (!cell->launches || cell->error)
                print_text(t, i, cell->error ? "FAILED" : "-");
            else
                print_figures(t, i, cell->seconds, cell->share_of_peak, cell->speed,
                              cell->fallback);
            t->fallback |= cell->fallback;
            t->failed |= cell->error != NULL;
        }
        fputc('\n', t->file);
    }
}

static void print_problems(struct table *t, int setting) {
    const struct gb_summary *s = t->s;
    int width = 0;
    for (int i = 0; i < s->line_count; i++)
        width = gb_max_int(width, (int)strlen(s->lines[i].shape));
    for (int i = 0; i < s->group_count; i++)
        width = gb_max_int(width, (int)strlen(s->groups[i].name));
    fprintf(t->file, "\n== %s: time, share of peak, speed (the fastest is 1.00)\n",
            gb_setting_text(&s->settings[setting]).text);
    for (int group = 0; group < s->group_count; group++)
        if (has_lines(s, setting, group))
            for (t->end = 0; next_columns(t, width + 2 + BOUND);)
                print_group(t, setting, group, width);
}

static void print_means(struct table *t, int setting, int model, int group, int width) {
    const struct gb_summary *s = t->s;
    const struct gb_mean any = gb_summary_mean(s, setting, model, group, 0);
    if (any.measured == 0)
        return;
    fprintf(t->file, "%-*s  %*d  %-*s", width,
            group == GB_ALL_KERNELS ? all_kernels : s->groups[group].name, CALLS, any.calls, BOUND,
            gb_figure_bounds(any.bounds).text);
    for (int i = t->first; i < t->end; i++) {
        const struct gb_mean mean = gb_summary_mean(s, setting, model, group, i);
        char part[32] = "-";
        if (mean.timed == mean.problems) {
            print_figures(t, i, mean.seconds, mean.share_of_peak, mean.speed, mean.fallback);
            continue;
        }
        if (mean.timed > 0)
            snprintf(part, sizeof part, "%d of %d", mean.timed, mean.problems);
        print_text(t, i, part);
        t->incomplete |= mean.timed > 0;
    }
    fputc('\n', t->file);
}

static void print_model(struct table *t, int setting, int model) {
    const struct gb_summary *s = t->s;
    const struct gb_setting_text at = gb_setting_text(&s->settings[setting]);
    int width = (int)strlen(all_kernels);
    for (int i = 0; i < s->group_count; i++)
        width = gb_max_int(width, (int)strlen(s->groups[i].name));
    if (*s->models[model])
        fprintf(t->file, "\n== one training step of %s, %s\n", s->models[model], at.text);
    else
        fprintf(t->file, "\n== problems outside training steps, each once, %s\n", at.text);
    for (t->end = 0; next_columns(t, width + 2 + CALLS + 2 + BOUND);) {
        if (t->first > 0)
            fputc('\n', t->file);
        print_heads(t, "", width, true);
        for (int group = 0; group < s->group_count; group++)
            print_means(t, setting, model, group, width);
        print_means(t, setting, model, GB_ALL_KERNELS, width);
    }
}

static void print_notes(const struct table *t) {
    fputs("\nbound: compute or memory, whichever limits; the share is of that peak.\n"
          "FLOPs are those of the definition: a kernel that needs fewer can exceed 100 %.\n"
          "In a step, time is the sum over all calls of the problems above; share and speed\n"
          "are geometric means over the calls, the fastest backend's speed is 1.00.\n"
          "Timed kernels: those above. Problems: n batch, h x w size, c channels; of\n"
          "convolutions c -> k channels, r x s kernel, u x v stride, p x q padding.\n",
          t->file);
    if (t->fallback)
        fputs("*  the backend lacks this kernel and falls back to the native one\n", t->file);
    if (t->incomplete)
        fputs("N of M: only N problems have a time, so there is no mean\n", t->file);
    const struct gb_summary *s = t->s;
    for (int setting = 0; setting < s->setting_count && t->failed; setting++)
        for (int line = 0; line < s->line_count; line++)
            for (int i = 0; i < s->column_count; i++) {
                const struct gb_cell *cell = gb_summary_cell(s, setting, line, i);
                if (cell->error)
                    fprintf(t->file, "FAILED  %s, %s, %s: %s\n", s->lines[line].row->problem,
                            s->columns[i].label, gb_setting_text(&s->settings[setting]).text,
                            cell->error);
            }
}

static void print_summary(FILE *file, const struct gb_summary *s) {
    struct table t = {.file = file, .s = s};
    char text[2048];
    snprintf(text, sizeof text, "%s, commit %s", gb_summary_machine(s),
             gb_json_string_or_unknown(s->first->build, "commit"));
    for (int i = 0; i < s->column_count; i++)
        if (*s->columns[i].library) {
            const size_t used = strlen(text);
            snprintf(text + used, sizeof text - used, ", %s %s", s->columns[i].backend,
                     s->columns[i].library);
        }
    fputc('\n', file);
    gb_print_wrapped(file, text, 0, gb_console_columns());
    for (int setting = 0; setting < s->setting_count; setting++)
        print_problems(&t, setting);
    for (int model = 0; model < s->model_count; model++)
        for (int setting = 0; setting < s->setting_count; setting++)
            if (gb_summary_has_model(s, setting, model))
                print_model(&t, setting, model);
    print_notes(&t);
}

void gb_bench_table_print(FILE *file, const struct gb_row *rows, size_t count) {
    struct gb_summaries summaries;
    enum gb_status status = gb_summaries_make(rows, count, &summaries);
    if (status == GB_OUT_OF_MEMORY)
        fprintf(file, "\nno table: %s\n", gb_error_message());
    for (int i = 0; i < summaries.count && status == GB_OK; i++)
        print_summary(file, &summaries.list[i]);
    gb_rows_print_shared(file, rows, count);
    gb_summaries_free(&summaries);
}
