// SPDX-License-Identifier: MIT
// The smaller and the larger of two numbers, and division rounded up.
#ifndef GB_MINMAX_H
#define GB_MINMAX_H

#include <stddef.h>

static inline int gb_min_int(int a, int b) {
    return a < b ? a : b;
}

static inline int gb_max_int(int a, int b) {
    return a > b ? a : b;
}

static inline size_t gb_min_size(size_t a, size_t b) {
    return a < b ? a : b;
}

static inline size_t gb_max_size(size_t a, size_t b) {
    return a > b ? a : b;
}

// b where either is NaN. In loops over floats fmin and fmax crash GCC 12 for AArch64 ("in
// vect_transform_reduction").
static inline double gb_min_double(double a, double b) {
    return a < b ? a : b;
}

static inline double gb_max_double(double a, double b) {
    return a > b ? a : b;
}

// a / b rounded up; b > 0, a + b - 1 without overflow.
static inline size_t gb_ceil_div(size_t a, size_t b) {
    return (a + b - 1) / b;
}

#endif
