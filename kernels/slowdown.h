// SPDX-License-Identifier: MIT
// A kernel made slower on purpose, to test whether benchmarks notice (tests/bench/noise.sh): in
// builds configured with GB_TEST_SLOWDOWN=PERCENT, what lies between begin and end takes so much
// longer. Such a build says so in its type. In all others both do nothing.
#ifndef GB_SLOWDOWN_H
#define GB_SLOWDOWN_H

#if defined(GB_TEST_SLOWDOWN)
#include "base/clock.h"

static inline double gb_slowdown_begin(void) {
    return gb_seconds();
}

static inline void gb_slowdown_end(double begin) {
    double end = begin + (gb_slowdown_begin() - begin) * (1 + GB_TEST_SLOWDOWN / 100.0);
    while (gb_seconds() < end)
        ;
}
#else
static inline double gb_slowdown_begin(void) {
    return 0;
}

static inline void gb_slowdown_end(double begin) {
    (void)begin;
}
#endif

#endif
