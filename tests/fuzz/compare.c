// SPDX-License-Identifier: MIT
// Two files of rows: read, compared as launches of two sessions and as pairs, and printed.
#include "tests/fuzz/fuzz.h"

#include "bench/compare/comparison.h"

static void compare(const struct gb_rows rows[GB_SIDES]) {
    static const char *const names[GB_SIDES] = {"base", "new"};
    struct gb_comparison comparison;
    if (gb_rows_comparable(rows, names, &(struct gb_allowed){false, false}) != GB_OK ||
        gb_comparison_make(rows, &comparison) != GB_OK)
        return;
    gb_rows_print_origin("BASE", names[GB_BASE], &rows[GB_BASE]);
    gb_comparison_judge(&comparison, 1.03);
    gb_comparison_print(&comparison);
    gb_comparison_status(&comparison, names[GB_NEW]);
    const struct gb_looks looks =
        gb_looks_plan(comparison.row_count, GB_FALSE_ALARMS / GB_GATES, 0);
    gb_comparison_look(&comparison, &looks, 0, 1.03);
    gb_comparison_print(&comparison);
    gb_comparison_free(&comparison);
}

void gb_fuzz_compare(const uint8_t *bytes, size_t size) {
    struct gb_fuzz_input rest = {bytes, size};
    struct gb_rows rows[GB_SIDES];
    const char *base = gb_fuzz_part_file("base", &rest), *new = gb_fuzz_part_file("new", &rest);
    if (gb_rows_read(base, &rows[GB_BASE]) != GB_OK)
        return;
    if (gb_rows_read(new, &rows[GB_NEW]) == GB_OK) {
        compare(rows);
        gb_rows_free(&rows[GB_NEW]);
    }
    gb_rows_free(&rows[GB_BASE]);
}
