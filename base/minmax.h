// SPDX-License-Identifier: MIT
// The smaller and the larger of two sizes, and division rounded up.
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

// a / b rounded up; b > 0, a + b - 1 without overflow.
static inline size_t gb_ceil_div(size_t a, size_t b) {
    return (a + b - 1) / b;
}

#endif
