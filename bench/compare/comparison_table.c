// SPDX-License-Identifier: MIT
#include <stdio.h>
#include <string.h>

#include "bench/compare/comparison.h"

static void backend_text(const struct gb_row *row, char text[static 80]) {
    snprintf(text, 80, "%s, %d thread%s", row->backend, row->threads, row->threads == 1 ? "" : "s");
}

static void print_figures(const struct gb_compared *c) {
    static const char *const words[] = {
        [GB_UNCHANGED] = "", [GB_SLOWER] = "  slower", [GB_FASTER] = "  faster"};
    printf("  %7.4f  %7.4f .. %-7.4f  %8.2g  %8.2g%s\n", c->ratio, c->low, c->high, c->chance.high,
           c->chance.low, c->undecidable ? "  too few launches" : words[c->change]);
}

static void print_heading(const char *title, int width, int count) {
    if (count > 0)
        printf("\n%-*s  %7s  %-18s  %8s  %8s\n", width, title, "ratio", "99 % interval", "p slower",
               "p faster");
}

static void row_text(const struct gb_row *row, char text[static 320]) {
    char backend[80];
    backend_text(row, backend);
    snprintf(text, 320, "%s  %s, %s", row->problem, backend, gb_cache_name(row->cache));
}

static void operation_text(const struct gb_compared *operation, char text[static 320]) {
    const struct gb_row *row = operation->row;
    char backend[80];
    backend_text(row, backend);
    snprintf(text, 320, "%s/%s  %s, %d benchmark%s", row->operation, row->direction, backend,
             operation->rows, operation->rows == 1 ? "" : "s");
}

static int widest(const struct gb_compared *list, int count, int width) {
    for (int i = 0; i < count; i++) {
        char text[320];
        row_text(list[i].row, text);
        width = (int)strlen(text) > width ? (int)strlen(text) : width;
    }
    return width;
}

static void print_rows(const char *title, const struct gb_compared *list, int count, int width) {
    print_heading(title, width, count);
    for (int i = 0; i < count; i++) {
        char text[320];
        row_text(list[i].row, text);
        printf("%-*s", width, text);
        print_figures(&list[i]);
    }
}

static void print_operations(const struct gb_comparison *c, int width) {
    print_heading("geometric mean of an operation", width, c->operation_count);
    for (int i = 0; i < c->operation_count; i++) {
        char text[320];
        operation_text(&c->operations[i], text);
        printf("%-*s", width, text);
        print_figures(&c->operations[i]);
    }
}

static void print_unjoined(const struct gb_comparison *c) {
    static const char *const reasons[] = {[GB_ONLY_IN_BASE] = "only in BASE",
                                          [GB_ONLY_IN_NEW] = "only in NEW",
                                          [GB_FAILS_IN_BASE] = "failed in BASE",
                                          [GB_FAILS_IN_PART] = "failed in some launches of BASE",
                                          [GB_FAILS_IN_NEW] = "failed in NEW"};
    if (c->unjoined_count > 0)
        printf("\nnot compared, or not completely\n");
    for (int i = 0; i < c->unjoined_count; i++) {
        const struct gb_unjoined *unjoined = &c->unjoined[i];
        char text[320];
        row_text(unjoined->row, text);
        printf("%s: %s%s%s\n", text, reasons[unjoined->reason], unjoined->row->error ? ": " : "",
               unjoined->row->error ? unjoined->row->error : "");
    }
}

void gb_comparison_print(const struct gb_comparison *c) {
    static const char *const verdicts[] = {[GB_NO_REGRESSION] = "no regression",
                                           [GB_REGRESSION] = "regression",
                                           [GB_INCONCLUSIVE] = "inconclusive"};
    if (c->rule.pairing == GB_PAIRED)
        printf("Time ratio NEW / BASE, %d pairs, Wilcoxon signed-rank test\n",
               c->launches[GB_BASE]);
    else
        printf("Time ratio NEW / BASE, %d and %d launches, Wilcoxon rank-sum test\n",
               c->launches[GB_BASE], c->launches[GB_NEW]);
    int width = widest(c->rows, c->row_count, 40);
    print_rows("control", c->controls, c->control_count, width);
    print_operations(c, width);
    print_rows("benchmark", c->rows, c->row_count, width);
    print_unjoined(c);
    printf("\n%s: %s\n", verdicts[c->verdict], c->reason);
    if (c->rule.pairing == GB_UNPAIRED && c->verdict == GB_NO_REGRESSION && c->open_rows > 0)
        printf(
            "a slowdown of %.3g %% or more is not ruled out in %d of %d benchmarks; more launches "
            "would tell\n",
            100 * (c->rule.threshold - 1), c->open_rows, c->row_count);
}
