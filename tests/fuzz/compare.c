// SPDX-License-Identifier: MIT
// Two files of rows: read, compared as launches of two sessions and as pairs, and printed.
#include "tests/fuzz/fuzz.h"

#include "bench/compare/comparison.h"

static void compare(const struct gb_rows rows[GB_SIDES]) {
    static const char *const names[GB_SIDES] = {"base", "new"};
    struct gb_comparison comparison;
    if (gb_rows_comparable(rows, names, &(struct gb_allowed){false, false}) != GB_OK)
        return;
    if (gb_comparison_make(rows, &comparison) != GB_OK) {
        gb_comparison_free(&comparison);
        return;
    }
    gb_comparison_judge(&comparison, 1.03);
    gb_comparison_report(&comparison, rows, names);
    const struct gb_looks looks =
        gb_looks_plan(comparison.row_count, GB_FALSE_ALARMS / GB_GATES, 0, 1);
    gb_comparison_look(&comparison, &looks, 0, 1.03);
    gb_comparison_report(&comparison, rows, names);
    gb_comparison_free(&comparison);
}

void gb_fuzz_compare(const uint8_t *bytes, size_t size) {
    struct gb_fuzz_input rest = {bytes, size};
    struct gb_rows rows[GB_SIDES];
    const char *const paths[GB_SIDES] = {gb_fuzz_part_file("base", &rest),
                                         gb_fuzz_part_file("new", &rest)};
    if (gb_sides_read(paths, rows) != GB_OK)
        return;
    compare(rows);
    gb_sides_free(rows);
}
