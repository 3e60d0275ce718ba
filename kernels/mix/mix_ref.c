// SPDX-License-Identifier: MIT
#include "kernels/backend.h"

void gb_mix_forward_f32__scalar(const struct gb_exec *exec, const struct gb_tensor *v,
                                const float *matrices, const struct gb_tensor *u) {
    (void)exec;
    assert(gb_same_shape(v, u));
    for (int n = 0; n < v->n; n++) {
        const float *matrix = matrices + (size_t)n * v->c * v->c;
        for (int i = 0; i < v->h; i++)
            for (int j = 0; j < v->w; j++)
                for (int o = 0; o < v->c; o++) {
                    float sum = 0;
                    for (int k = 0; k < v->c; k++)
                        sum += matrix[o * v->c + k] * gb_at(v, n, i, j)[k];
                    gb_at(u, n, i, j)[o] = sum;
                }
    }
}

void gb_mix_backward_f32__scalar(const struct gb_exec *exec, const struct gb_tensor *v,
                                 const float *matrices, const struct gb_tensor *du,
                                 const struct gb_tensor *dv, float *d_matrices) {
    (void)exec;
    assert(gb_same_shape(v, du) && gb_same_shape(v, dv));
    for (int n = 0; n < v->n; n++) {
        const float *matrix = matrices + (size_t)n * v->c * v->c;
        float *d_matrix = d_matrices + (size_t)n * v->c * v->c;
        for (int i = 0; i < v->h; i++)
            for (int j = 0; j < v->w; j++)
                for (int k = 0; k < v->c; k++) {
                    float sum = 0;
                    for (int o = 0; o < v->c; o++)
                        sum += matrix[o * v->c + k] * gb_at(du, n, i, j)[o];
                    gb_at(dv, n, i, j)[k] = sum;
                }
        for (int o = 0; o < v->c; o++)
            for (int k = 0; k < v->c; k++) {
                float sum = 0;
                for (int i = 0; i < v->h; i++)
                    for (int j = 0; j < v->w; j++)
                        sum += gb_at(du, n, i, j)[o] * gb_at(v, n, i, j)[k];
                d_matrix[o * v->c + k] = sum;
            }
    }
}
