// SPDX-License-Identifier: MIT
#include "kernels/backend.h"
#include "kernels/simd/math.h"

static float sign_of(float y) {
    return y > 0.5f ? 1.0f : -1.0f;
}

void gb_dequantise_forward_f32__scalar(const struct gb_exec *exec, const struct gb_tensor *y,
                                       const struct gb_tensor *u, const struct gb_tensor *v,
                                       double *log_det) {
    (void)exec;
    assert(gb_same_shape(y, u) && gb_same_shape(u, v));
    for (int n = 0; n < u->n; n++)
        for (int i = 0; i < u->h; i++) {
            float row_log_det = 0;
            for (int j = 0; j < u->w; j++)
                for (int c = 0; c < u->c; c++) {
                    float value = gb_at(u, n, i, j)[c], sign = sign_of(gb_at(y, n, i, j)[c]);
                    gb_at(v, n, i, j)[c] = 0.5f + sign * gb_softplusf(value);
                    row_log_det -= gb_softplusf(-value);
                }
            log_det[n] += row_log_det;
        }
}

void gb_dequantise_inverse_f32__scalar(const struct gb_exec *exec, const struct gb_tensor *y,
                                       const struct gb_tensor *v, const struct gb_tensor *u) {
    (void)exec;
    assert(gb_same_shape(y, u) && gb_same_shape(u, v));
    for (int n = 0; n < u->n; n++)
        for (int i = 0; i < u->h; i++)
            for (int j = 0; j < u->w; j++)
                for (int c = 0; c < u->c; c++) {
                    float sign = sign_of(gb_at(y, n, i, j)[c]);
                    gb_at(u, n, i, j)[c] =
                        gb_softplus_inversef(sign * (gb_at(v, n, i, j)[c] - 0.5f));
                }
}

void gb_dequantise_backward_f32__scalar(const struct gb_exec *exec, const struct gb_tensor *y,
                                        const struct gb_tensor *u, const struct gb_tensor *dv,
                                        const float *d_log_det, const struct gb_tensor *du) {
    (void)exec;
    assert(gb_same_shape(y, u) && gb_same_shape(u, dv) && gb_same_shape(u, du));
    for (int n = 0; n < u->n; n++)
        for (int i = 0; i < u->h; i++)
            for (int j = 0; j < u->w; j++)
                for (int c = 0; c < u->c; c++) {
                    float value = gb_at(u, n, i, j)[c], sign = sign_of(gb_at(y, n, i, j)[c]);
                    gb_at(du, n, i, j)[c] = sign * gb_at(dv, n, i, j)[c] * gb_sigmoidf(value) +
                                            d_log_det[n] * gb_sigmoidf(-value);
                }
}
