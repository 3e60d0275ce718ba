// SPDX-License-Identifier: MIT
#include "base/quantile.h"

#include <math.h>
#include <stdlib.h>

static int by_value(const void *left, const void *right) {
    double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

void gb_sort(double *values, int count) {
    qsort(values, (size_t)count, sizeof *values, by_value);
}

double gb_quantile(double *values, int count, double share) {
    if (count == 0)
        return NAN;
    gb_sort(values, count);
    double place = share * (count - 1), below = floor(place);
    int i = (int)below, next = i + 1 < count ? i + 1 : i;
    return values[i] + (place - below) * (values[next] - values[i]);
}
