// SPDX-License-Identifier: MIT
#include <stdio.h>
#include <string.h>

#include "bench/compare/comparison.h"

static void place_text(const struct gb_row *row, char text[static 80]) {
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
    char place[80];
    place_text(row, place);
    snprintf(text, 320, "%s  %s, %s", row->problem, place,
             row->cache == GB_CACHE_WARM ? "warm" : "cold");
}

static void operation_text(const struct gb_compared *operation, char text[static 320]) {
    const struct gb_row *row = operation->row;
    char place[80];
    place_text(row, place);
    snprintf(text, 320, "%s/%s  %s, %d row%s", row->operation, row->direction, place,
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
                                          [GB_FAILS_IN_PART] = "failed in part of BASE",
                                          [GB_FAILS_IN_NEW] = "failed in NEW"};
    if (c->unjoined_count > 0)
        printf("\nnot compared, or not in full\n");
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
                                           [GB_CANNOT_DECIDE] = "cannot decide"};
    printf("Times of NEW as ratios to BASE, by %s of %d and %d launches.\n",
           c->rule.pairing == GB_PAIRED ? "signed ranks of the pairs" : "rank sums",
           c->launches[GB_BASE], c->launches[GB_NEW]);
    int width = widest(c->rows, c->row_count, 40);
    print_rows("control", c->controls, c->control_count, width);
    print_operations(c, width);
    print_rows("row", c->rows, c->row_count, width);
    print_unjoined(c);
    printf("\n%s: %s\n", verdicts[c->verdict], c->reason);
    if (c->rule.pairing == GB_UNPAIRED && c->verdict == GB_NO_REGRESSION && c->open_rows > 0)
        printf("%d of %d rows may still be slower by %.3g %% or more\n", c->open_rows, c->row_count,
               100 * (c->rule.threshold - 1));
}
