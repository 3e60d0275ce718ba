// SPDX-License-Identifier: MIT
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/console.h"
#include "base/json.h"
#include "base/minmax.h"
#include "bench/compare/comparison.h"
#include "bench/verdict/verdict.h"

enum { TEXT = 320 };

static void row_text(const struct gb_compared *compared, char text[static TEXT]) {
    const struct gb_row *row = compared->row;
    snprintf(text, TEXT, "%s  %s, %d thread%s, %s", row->problem, row->backend, row->threads,
             row->threads == 1 ? "" : "s", gb_cache_name(row->cache));
}

static void operation_text(const struct gb_compared *operation, char text[static TEXT]) {
    const struct gb_row *row = operation->row;
    snprintf(text, TEXT, "%s/%s  %s, %d thread%s, %d benchmark%s", row->operation, row->direction,
             row->backend, row->threads, row->threads == 1 ? "" : "s", operation->rows,
             operation->rows == 1 ? "" : "s");
}

// The columns after a text, with the change: "slower", "too few".
static const char heading[] = "  ratio  99 % interval        p";
enum { FIGURES = sizeof heading - 1, CHANGE = 9, LAYOUT = 9, NARROW = 30 };

// A text that leaves no room for its figures has a line of its own.
static void print_list(const char *title, const struct gb_compared *list, int count, int width,
                       bool layouts,
                       void (*text_of)(const struct gb_compared *, char[static TEXT])) {
    static const char *const changes[] = {
        [GB_UNCHANGED] = "", [GB_SLOWER] = "  slower", [GB_FASTER] = "  faster"};
    if (count > 0)
        gb_say("\n%-*s%s%s\n", width, title, heading, layouts ? "   layout" : "");
    for (const struct gb_compared *c = list; c < list + count; c++) {
        char text[TEXT];
        text_of(c, text);
        gb_say("%-*s", width, text);
        if ((int)strlen(text) > width)
            gb_say("\n%*s", width, "");
        gb_say("  %5.3f  %5.3f .. %-5.3f  %6.1g", c->ratio, c->low, c->high,
               fmin(c->chance.high, c->chance.low));
        if (layouts && isnan(c->noise.layout))
            gb_say("  %7s", "unknown");
        else if (layouts)
            gb_say("  %5.1f %%", 100 * c->noise.layout);
        gb_say("%s\n", c->undecidable ? "  too few" : changes[c->change]);
    }
}

static int by_value(const void *left, const void *right) {
    const double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

// What a single layout of each build would show instead of a change.
static enum gb_status print_layouts(const struct gb_comparison *c) {
    double *layout = calloc(2 * (size_t)c->row_count + 1, sizeof *layout);
    if (!layout)
        return gb_no_memory("cannot report", "layouts");
    double *const launch = layout + c->row_count;
    int count = 0;
    for (int i = 0; i < c->row_count; i++)
        if (!isnan(c->rows[i].noise.layout)) {
            layout[count] = c->rows[i].noise.layout;
            launch[count++] = c->rows[i].noise.launch;
        }
    qsort(layout, (size_t)count, sizeof *layout, by_value);
    qsort(launch, (size_t)count, sizeof *launch, by_value);
    if (count > 0)
        gb_say("layout: ratios of %d layouts of each build differ by %.1f %% (standard deviation, "
               "median of\n%d benchmarks, at most %.1f %%), launches of one layout by %.1f %%\n",
               c->rule.layouts, 100 * layout[count / 2], count, 100 * layout[count - 1],
               100 * launch[count / 2]);
    free(layout);
    return GB_OK;
}

static const char *const reasons[] = {[GB_ONLY_IN_BASE] = "only in BASE",
                                      [GB_ONLY_IN_NEW] = "only in NEW",
                                      [GB_FAILS_IN_BASE] = "failed in BASE",
                                      [GB_FAILS_IN_PART] = "failed in some launches of BASE",
                                      [GB_FAILS_IN_NEW] = "failed in NEW"};

static void print_unjoined(const struct gb_comparison *c) {
    if (c->unjoined_count > 0)
        gb_say("\nnot compared, or not completely\n");
    for (int i = 0; i < c->unjoined_count; i++) {
        const struct gb_unjoined *unjoined = &c->unjoined[i];
        char text[TEXT];
        row_text(&(struct gb_compared){.row = unjoined->row}, text);
        gb_say("%s: %s%s%s\n", text, reasons[unjoined->reason], unjoined->row->error ? ": " : "",
               unjoined->row->error ? unjoined->row->error : "");
    }
}

static enum gb_status print_comparison(const struct gb_comparison *c) {
    const bool layouts = c->rule.layouts > 1;
    if (layouts)
        gb_say("Time ratio NEW / BASE, %d pairs, Wilcoxon signed-rank test of %d layouts\n",
               c->launches[GB_BASE], c->rule.layouts);
    else if (c->rule.pairing == GB_PAIRED)
        gb_say("Time ratio NEW / BASE, %d pairs, Wilcoxon signed-rank test\n",
               c->launches[GB_BASE]);
    else
        gb_say("Time ratio NEW / BASE, %d and %d launches, Wilcoxon rank-sum test\n",
               c->launches[GB_BASE], c->launches[GB_NEW]);
    int width = 40;
    for (int i = 0; i < c->row_count; i++) {
        char text[TEXT];
        row_text(&c->rows[i], text);
        width = gb_max_int(width, (int)strlen(text));
    }
    const int room = gb_console_columns() - FIGURES - CHANGE - (layouts ? LAYOUT : 0);
    width = gb_min_int(width, gb_max_int(room, NARROW));
    print_list("control", c->controls, c->control_count, width, layouts, row_text);
    print_list("geometric mean of an operation", c->operations, c->operation_count, width, layouts,
               operation_text);
    print_list("benchmark", c->rows, c->row_count, width, layouts, row_text);
    print_unjoined(c);
    if (layouts)
        GB_TRY(print_layouts(c));
    if (c->other_machine)
        gb_say(
            "\ndifferent machines: the control benchmark, which shows whether a machine changed,\n"
            "is not judged\n");
    gb_say("\n");
    printf("%s: %s\n", gb_verdict_name(c->verdict), c->reason);
    if (c->rule.pairing == GB_UNPAIRED && c->verdict == GB_NO_REGRESSION && c->open_rows > 0)
        gb_say(
            "a slowdown of %.3g %% or more is not ruled out in %d of %d benchmarks; more launches "
            "would tell\n",
            100 * (c->rule.threshold - 1), c->open_rows, c->row_count);
    return GB_OK;
}

static void print_shared(const struct gb_rows rows[GB_SIDES]) {
    int known[GB_SIDES], shared[GB_SIDES];
    for (int side = 0; side < GB_SIDES; side++)
        shared[side] = gb_rows_shared(rows[side].list, rows[side].count, &known[side]);
    if (shared[GB_BASE] + shared[GB_NEW] > 0)
        gb_say("Other work shared the machine while %d of %d rows of BASE and %d of %d of NEW were "
               "timed.\n",
               shared[GB_BASE], known[GB_BASE], shared[GB_NEW], known[GB_NEW]);
}

static void print_origin(const char *side, const char *name, const json_t *build) {
    gb_say("%-5s %s: commit %s, %s, %s\n", side, name, gb_json_string_or_unknown(build, "commit"),
           gb_json_string_or_unknown(build, "type"), gb_json_string_or_unknown(build, "compiler"));
}

enum gb_status gb_comparison_report(const struct gb_comparison *c,
                                    const struct gb_rows rows[GB_SIDES],
                                    const char *const names[GB_SIDES]) {
    print_origin("BASE", names[GB_BASE], rows[GB_BASE].list->build);
    print_origin("NEW", names[GB_NEW], rows[GB_NEW].list->build);
    GB_TRY(print_comparison(c));
    print_shared(rows);
    if (c->verdict == GB_NO_REGRESSION)
        return GB_OK;
    return c->verdict == GB_REGRESSION
               ? gb_fail(GB_CHECK_FAILED, "regression", names[GB_NEW], "%s", c->reason)
               : gb_fail(GB_BAD_INPUT, "inconclusive", names[GB_NEW], "%s", c->reason);
}

// ---- The same in files ----

static void group_text(const struct gb_row *row, char text[static TEXT]) {
    snprintf(text, TEXT, "%s/%s", row->operation, row->direction);
}

static enum gb_status add_compared(const struct gb_comparison *c, const struct gb_compared *list,
                                   int count,
                                   void (*text_of)(const struct gb_compared *, char[static TEXT]),
                                   struct gb_verdict_report *report) {
    for (int i = 0; i < count; i++) {
        char name[TEXT], group[TEXT];
        text_of(&list[i], name);
        group_text(list[i].row, group);
        // Where the control has moved, what is slower is no regression.
        const bool failed = list[i].change == GB_SLOWER && c->verdict == GB_REGRESSION;
        GB_TRY(gb_verdict_add(report, &(struct gb_verdict_case){.name = name,
                                                                .group = group,
                                                                .change = list[i].change,
                                                                .failed = failed,
                                                                .undecided = list[i].undecidable,
                                                                .ratio = list[i].ratio,
                                                                .low = list[i].low,
                                                                .high = list[i].high,
                                                                .layout = list[i].noise.layout}));
    }
    return GB_OK;
}

static enum gb_status add_unjoined(const struct gb_comparison *c,
                                   struct gb_verdict_report *report) {
    for (int i = 0; i < c->unjoined_count; i++) {
        const struct gb_unjoined *unjoined = &c->unjoined[i];
        char name[TEXT], group[TEXT], text[2 * TEXT];
        row_text(&(struct gb_compared){.row = unjoined->row}, name);
        group_text(unjoined->row, group);
        snprintf(text, sizeof text, "%s%s%s", reasons[unjoined->reason],
                 unjoined->row->error ? ": " : "",
                 unjoined->row->error ? unjoined->row->error : "");
        GB_TRY(gb_verdict_add(
            report, &(struct gb_verdict_case){.name = name,
                                              .group = group,
                                              .failed = unjoined->reason == GB_FAILS_IN_NEW,
                                              .undecided = unjoined->reason != GB_FAILS_IN_NEW,
                                              .ratio = NAN,
                                              .low = NAN,
                                              .high = NAN,
                                              .text = text}));
    }
    return GB_OK;
}

enum gb_status gb_comparison_write(const struct gb_comparison *c, const char *command,
                                   const struct gb_rows rows[GB_SIDES],
                                   const char *const names[GB_SIDES],
                                   const struct gb_verdict_files *files) {
    const json_t *machine = rows[GB_NEW].list->machine;
    struct gb_verdict_report report = {
        .command = command,
        .verdict = c->verdict,
        .reason = c->reason,
        .context = json_pack("{s:s, s:s, s:s, s:s, s:s, s:i, s:i, s:f}", "machine",
                             gb_json_string_or_unknown(json_object_get(machine, "cpu"), "model"),
                             "base", names[GB_BASE], "base commit",
                             gb_json_string_or_unknown(rows[GB_BASE].list->build, "commit"), "new",
                             names[GB_NEW], "new commit",
                             gb_json_string_or_unknown(rows[GB_NEW].list->build, "commit"),
                             "base launches", c->launches[GB_BASE], "new launches",
                             c->launches[GB_NEW], "threshold", c->rule.threshold)};
    if (c->rule.layouts > 1)
        gb_json_put(&report.context, "layouts", json_integer(c->rule.layouts));
    enum gb_status status = report.context ? GB_OK : gb_no_memory("cannot write", "verdict");
    if (status == GB_OK)
        status = add_compared(c, c->operations, c->operation_count, operation_text, &report);
    if (status == GB_OK)
        status = add_compared(c, c->rows, c->row_count, row_text, &report);
    if (status == GB_OK)
        status = add_unjoined(c, &report);
    if (status == GB_OK)
        status = gb_verdict_write(&report, files);
    gb_verdict_free(&report);
    return status;
}
