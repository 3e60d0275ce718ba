// SPDX-License-Identifier: MIT
#include "bench/report/figures.h"

#include <math.h>
#include <stdio.h>

#include "bench/runner/row.h"

static struct gb_figure figure(double number, int digits, const char *unit) {
    struct gb_figure f = {"-"};
    if (!isnan(number))
        snprintf(f.text, sizeof f.text, "%.*f%s", digits, number, unit);
    return f;
}

static struct gb_figure three_digits(double number, const char *unit) {
    double size = fabs(number);
    return figure(number, size < 9.995 ? 2 : size < 99.95 ? 1 : 0, unit);
}

struct gb_figure gb_figure_seconds(double seconds) {
    if (seconds < 999.5e-9)
        return three_digits(1e9 * seconds, "ns");
    if (seconds < 999.5e-6)
        return three_digits(1e6 * seconds, "us");
    if (seconds < 999.5e-3)
        return three_digits(1e3 * seconds, "ms");
    return three_digits(seconds, "s");
}

struct gb_figure gb_figure_share(double share) {
    return figure(100 * share, 0, "%");
}

struct gb_figure gb_figure_ratio(double ratio) {
    return figure(ratio, 2, "");
}

struct gb_figure gb_figure_number(double number) {
    return three_digits(number, "");
}

struct gb_figure gb_figure_bounds(unsigned bounds) {
    static const struct gb_figure names[] = {
        [0] = {"-"},
        [1 << GB_BOUND_COMPUTE] = {"compute"},
        [1 << GB_BOUND_MEMORY] = {"memory"},
        [1 << GB_BOUND_COMPUTE | 1 << GB_BOUND_MEMORY] = {"both"}};
    return names[bounds];
}
