// SPDX-License-Identifier: MIT
#include "bench/report/table.h"

#include <math.h>
#include <string.h>

#include "base/json.h"
#include "base/minmax.h"
#include "bench/report/figures.h"
#include "bench/report/summary.h"

// What the notes below a table must explain.
struct notes {
    bool borrowed, incomplete, failed;
};

// Width of a column: what a cell takes, "123us 100% 1.00*", or the backend's name.
enum { CELL = 18 };
static int column_width(const struct gb_column *column) {
    return gb_max_int(CELL, (int)strlen(column->label));
}

static void print_heads(FILE *file, const struct gb_summary *s, const char *head, int width,
                        bool calls) {
    fprintf(file, "%-*s", width, head);
    if (calls)
        fprintf(file, "  %6s", "calls");
    fprintf(file, "  %-5s", "wall");
    for (int i = 0; i < s->column_count; i++)
        fprintf(file, "  %*s", column_width(&s->columns[i]), s->columns[i].label);
    fputc('\n', file);
}

static void print_cell(FILE *file, int width, double seconds, double share, double speed,
                       char mark) {
    fprintf(file, "  %*s%7s %4s %4s%c", width - CELL, "", gb_figure_seconds(seconds).text,
            gb_figure_share(share).text, gb_figure_ratio(speed).text, mark);
}

// ---- Problems ----

static void print_line(FILE *file, const struct gb_summary *s, int setting, int line, int width,
                       struct notes *notes) {
    fprintf(file, "%-*s  %-5s", width, s->lines[line].shape,
            gb_figure_roofline(gb_summary_roofline(s, setting, line)).text);
    for (int i = 0; i < s->column_count; i++) {
        const struct gb_cell *cell = gb_summary_cell(s, setting, line, i);
        int column = column_width(&s->columns[i]);
        if (!cell->launches)
            fprintf(file, "  %*s ", column - 1, "-");
        else if (cell->error)
            fprintf(file, "  %*s ", column - 1, "FAILED");
        else
            print_cell(file, column, cell->seconds, cell->share_of_peak, cell->speed,
                       cell->borrowed ? '*' : ' ');
        notes->borrowed |= cell->borrowed;
        notes->failed |= cell->error != NULL;
    }
    fputc('\n', file);
}

static void print_group(FILE *file, const struct gb_summary *s, int setting, int group, int width,
                        struct notes *notes) {
    bool begun = false;
    for (int line = 0; line < s->line_count; line++) {
        if (s->lines[line].group != group || !gb_summary_measured(s, setting, line))
            continue;
        if (!begun) {
            fputc('\n', file);
            print_heads(file, s, s->groups[group].name, width, false);
        }
        begun = true;
        print_line(file, s, setting, line, width, notes);
    }
}

static void print_problems(FILE *file, const struct gb_summary *s, int setting,
                           struct notes *notes) {
    int width = 0;
    for (int i = 0; i < s->line_count; i++)
        width = gb_max_int(width, (int)strlen(s->lines[i].shape));
    for (int i = 0; i < s->group_count; i++)
        width = gb_max_int(width, (int)strlen(s->groups[i].name));
    fprintf(file, "\n== %s: time, share of peak, speed (the best is 1.00)\n",
            gb_setting_text(&s->settings[setting]).text);
    for (int group = 0; group < s->group_count; group++)
        print_group(file, s, setting, group, width, notes);
}

// ---- Means over a model's mix ----

static const char all_kernels[] = "all kernels";

static void print_part(FILE *file, int width, const struct gb_mean *mean) {
    char text[32];
    snprintf(text, sizeof text, "%d of %d", mean->timed, mean->problems);
    fprintf(file, "  %*s ", width - 1, text);
}

static void print_means(FILE *file, const struct gb_summary *s, int setting, int model, int group,
                        int width, struct notes *notes) {
    struct gb_mean any = gb_summary_mean(s, setting, model, group, 0);
    if (any.measured == 0)
        return;
    fprintf(file, "%-*s  %6d  %-5s", width, group < 0 ? all_kernels : s->groups[group].name,
            any.calls, gb_figure_roofline(any.roofline).text);
    for (int i = 0; i < s->column_count; i++) {
        struct gb_mean mean = gb_summary_mean(s, setting, model, group, i);
        int column = column_width(&s->columns[i]);
        if (mean.timed == mean.problems)
            print_cell(file, column, mean.seconds, mean.share_of_peak, mean.speed,
                       mean.borrowed ? '*' : ' ');
        else if (mean.timed == 0)
            fprintf(file, "  %*s ", column - 1, "-");
        else
            print_part(file, column, &mean);
        notes->incomplete |= mean.timed > 0 && mean.timed < mean.problems;
    }
    fputc('\n', file);
}

static void print_model(FILE *file, const struct gb_summary *s, int setting, int model,
                        struct notes *notes) {
    int width = (int)strlen(all_kernels);
    for (int i = 0; i < s->group_count; i++)
        width = gb_max_int(width, (int)strlen(s->groups[i].name));
    struct gb_setting_text at = gb_setting_text(&s->settings[setting]);
    if (*s->models[model])
        fprintf(file, "\n== one training step of %s, %s\n", s->models[model], at.text);
    else
        fprintf(file, "\n== problems outside training steps, each once, %s\n", at.text);
    print_heads(file, s, "", width, true);
    for (int group = 0; group < s->group_count; group++)
        print_means(file, s, setting, model, group, width, notes);
    print_means(file, s, setting, model, GB_ALL_KERNELS, width, notes);
}

// ---- All of it ----

static void print_failures(FILE *file, const struct gb_summary *s) {
    for (int setting = 0; setting < s->setting_count; setting++)
        for (int line = 0; line < s->line_count; line++)
            for (int i = 0; i < s->column_count; i++) {
                const struct gb_cell *cell = gb_summary_cell(s, setting, line, i);
                if (cell->error)
                    fprintf(file, "FAILED  %s, %s, %s: %s\n", s->lines[line].row->problem,
                            s->columns[i].label, gb_setting_text(&s->settings[setting]).text,
                            cell->error);
            }
}

static void print_notes(FILE *file, const struct gb_summary *s, const struct notes *notes) {
    fprintf(file, "\nwall: what the share is of, FLOPs a second or bytes a second.\n"
                  "FLOPs are the definition's: a kernel that needs fewer can pass 100 %%.\n"
                  "Of a step: the time of all its calls of the problems above; share and speed are "
                  "geometric means over the calls.\n");
    if (notes->borrowed)
        fprintf(file, "*  the backend has no such kernel and borrows the native one\n");
    if (notes->incomplete)
        fprintf(file, "N of M: so many problems have a time, and there is no mean\n");
    if (notes->failed)
        print_failures(file, s);
}

static void print_machine(FILE *file, const struct gb_summary *s) {
    fprintf(file, "\n%s, commit %s", gb_summary_machine(s),
            gb_json_string_or_unknown(s->first->build, "commit"));
    for (int i = 0; i < s->column_count; i++)
        if (*s->columns[i].library)
            fprintf(file, ", %s %s", s->columns[i].backend, s->columns[i].library);
    fputc('\n', file);
}

static void print_summary(FILE *file, const struct gb_summary *s) {
    struct notes notes = {0};
    print_machine(file, s);
    for (int setting = 0; setting < s->setting_count; setting++)
        print_problems(file, s, setting, &notes);
    for (int model = 0; model < s->model_count; model++)
        for (int setting = 0; setting < s->setting_count; setting++)
            print_model(file, s, setting, model, &notes);
    print_notes(file, s, &notes);
}

void gb_bench_table_print(FILE *file, const struct gb_row *rows, size_t count) {
    struct gb_summaries summaries;
    enum gb_status status = gb_summaries_make(rows, count, &summaries);
    if (status == GB_OUT_OF_MEMORY)
        fprintf(file, "\nno table: %s\n", gb_error_message());
    if (status != GB_OK)
        return;
    for (int i = 0; i < summaries.count; i++)
        print_summary(file, &summaries.list[i]);
    gb_summaries_free(&summaries);
}
