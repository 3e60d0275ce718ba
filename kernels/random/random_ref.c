// SPDX-License-Identifier: MIT
#include <math.h>

#include "kernels/backend.h"

void gb_random_uniform__scalar(const struct gb_exec *exec, const struct gb_random_key *key,
                               uint32_t first, size_t count, float low, float high, float *out) {
    assert(low <= high);
    (void)exec;
    for (size_t i = 0; i < count; i++)
        out[i] = fmaf(gb_random_uniform(key, first + (uint32_t)i), high - low, low);
}

void gb_random_normal__scalar(const struct gb_exec *exec, const struct gb_random_key *key,
                              uint32_t first, size_t count, float deviation, float *out) {
    (void)exec;
    for (size_t i = 0; i < count; i++)
        out[i] = gb_random_normal(key, first + (uint32_t)i) * deviation;
}
