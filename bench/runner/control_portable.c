// SPDX-License-Identifier: MIT
#include "bench/runner/control_loops.h"

void gb_control_compute(void) {
    volatile double values[GB_CONTROL_CHAINS][2] = {{1, 1}, {1, 1}, {1, 1}, {1, 1}};
    for (int round = 0; round < GB_CONTROL_ROUNDS; round++)
        for (int chain = 0; chain < GB_CONTROL_CHAINS; chain++)
            for (int i = 0; i < 2; i++)
                values[chain][i] = values[chain][i] * 1.0 + 0.0;
}

void gb_control_copy(float *to, const float *from, size_t bytes) {
    volatile float *out = to;
    for (size_t i = 0; i < bytes / sizeof *to; i++)
        out[i] = from[i];
}
