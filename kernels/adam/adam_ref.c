// SPDX-License-Identifier: MIT
#include <math.h>

#include "kernels/backend.h"

void gb_adam_f32__scalar(const struct gb_exec *exec, const struct gb_adam *adam, size_t count,
                         const float *gradient, float *weights, float *moment1, float *moment2) {
    (void)exec;
    for (size_t i = 0; i < count; i++) {
        float g = gradient[i];
        if (g > adam->clip)
            g = adam->clip;
        if (g < -adam->clip)
            g = -adam->clip;
        // Fused as adam_inline.h fuses them, so that every backend gives the same bits.
        float m = fmaf(1 - adam->beta1, g, adam->beta1 * moment1[i]);
        float v = fmaf((1 - adam->beta2) * g, g, adam->beta2 * moment2[i]);
        float deviation = sqrtf(v * adam->correction2) + adam->epsilon;
        weights[i] -= adam->learning_rate * (m * adam->correction1) / deviation;
        moment1[i] = m;
        moment2[i] = v;
    }
}
