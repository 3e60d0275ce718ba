// SPDX-License-Identifier: MIT
#include "kernels/backend.h"
#include "kernels/simd/math.h"

void gb_add_f32__scalar(const struct gb_exec *exec, const struct gb_tensor *x,
                        const struct gb_tensor *y) {
    (void)exec;
    assert(gb_same_shape(x, y));
    for (int n = 0; n < y->n; n++)
        for (int i = 0; i < y->h; i++)
            for (int j = 0; j < y->w; j++)
                for (int c = 0; c < y->c; c++)
                    gb_at(y, n, i, j)[c] += gb_at(x, n, i, j)[c];
}

void gb_add_scaled_f32__scalar(const struct gb_exec *exec, const struct gb_tensor *x, float factor,
                               const struct gb_tensor *r, const struct gb_tensor *y) {
    (void)exec;
    assert(gb_same_shape(r, y) && (!x || gb_same_shape(x, y)));
    for (int n = 0; n < y->n; n++)
        for (int i = 0; i < y->h; i++)
            for (int j = 0; j < y->w; j++)
                for (int c = 0; c < y->c; c++) {
                    float scaled = gb_at(r, n, i, j)[c];
                    gb_at(y, n, i, j)[c] =
                        x ? fmaf(factor, scaled, gb_at(x, n, i, j)[c]) : factor * scaled;
                }
}

void gb_exp_f32__scalar(const struct gb_exec *exec, size_t count, float factor, const float *in,
                        float *out) {
    (void)exec;
    for (size_t i = 0; i < count; i++)
        out[i] = gb_v_exp(gb_v_set(factor * in[i]))[0];
}

void gb_sum_squares_f32__scalar(const struct gb_exec *exec, size_t count, const float *x,
                                double *sum) {
    (void)exec;
    *sum = 0;
    for (int chunk = 0; chunk < GB_SQUARE_CHUNKS; chunk++) {
        const struct gb_range range = gb_partition(count, chunk, GB_SQUARE_CHUNKS);
        double lanes[GB_SQUARE_LANES] = {0}, chunk_sum = 0;
        for (size_t i = range.begin; i < range.end; i++)
            lanes[(i - range.begin) % GB_SQUARE_LANES] += (double)x[i] * (double)x[i];
        for (int lane = 0; lane < GB_SQUARE_LANES; lane++)
            chunk_sum += lanes[lane];
        *sum += chunk_sum;
    }
}
