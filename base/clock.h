// SPDX-License-Identifier: MIT
#ifndef GB_CLOCK_H
#define GB_CLOCK_H

#include <time.h>

// Seconds of a clock that only goes forward; the zero is arbitrary.
static inline double gb_seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

#endif
