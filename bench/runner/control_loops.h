// SPDX-License-Identifier: MIT
// What the control row times: control_x86_64.c in fixed instructions, or control_portable.c.
#ifndef GB_CONTROL_LOOPS_H
#define GB_CONTROL_LOOPS_H

#include <stddef.h>

// A round is that many independent multiplications and additions of two doubles each.
enum {
    GB_CONTROL_ROUNDS = 160 * 1024,
    GB_CONTROL_CHAINS = 4,
    GB_CONTROL_FLOPS = GB_CONTROL_ROUNDS * GB_CONTROL_CHAINS * 2 * 2,
};

void gb_control_compute(void);

void gb_control_copy(float *to, const float *from, size_t bytes);

#endif
