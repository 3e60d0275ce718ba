// SPDX-License-Identifier: MIT
#include "kernels/backend.h"
#include "kernels/simd/math.h"

void gb_actnorm_forward_f32__scalar(const struct gb_exec *exec, const struct gb_tensor *v,
                                    const struct gb_actnorm_parameters *parameters,
                                    const struct gb_tensor *y) {
    (void)exec;
    assert(gb_same_shape(v, y));
    for (int n = 0; n < v->n; n++) {
        const float *log_scale = parameters->log_scale + n * parameters->stride;
        const float *bias = parameters->bias + n * parameters->stride;
        for (int i = 0; i < v->h; i++)
            for (int j = 0; j < v->w; j++)
                for (int c = 0; c < v->c; c++)
                    gb_at(y, n, i, j)[c] = (gb_at(v, n, i, j)[c] + bias[c]) * gb_expf(log_scale[c]);
    }
}

void gb_actnorm_inverse_f32__scalar(const struct gb_exec *exec, const struct gb_tensor *y,
                                    const struct gb_actnorm_parameters *parameters,
                                    const struct gb_tensor *v) {
    (void)exec;
    assert(gb_same_shape(v, y));
    for (int n = 0; n < v->n; n++) {
        const float *log_scale = parameters->log_scale + n * parameters->stride;
        const float *bias = parameters->bias + n * parameters->stride;
        for (int i = 0; i < v->h; i++)
            for (int j = 0; j < v->w; j++)
                for (int c = 0; c < v->c; c++)
                    gb_at(v, n, i, j)[c] = gb_at(y, n, i, j)[c] * gb_expf(-log_scale[c]) - bias[c];
    }
}

void gb_actnorm_backward_f32__scalar(const struct gb_exec *exec, const struct gb_tensor *v,
                                     const struct gb_actnorm_parameters *parameters,
                                     const struct gb_tensor *dy, const struct gb_tensor *dv,
                                     float *d_log_scale, float *d_bias, ptrdiff_t d_stride) {
    (void)exec;
    assert(gb_same_shape(v, dy) && gb_same_shape(v, dv));
    for (int n = 0; n < v->n; n++) {
        const float *log_scale = parameters->log_scale + n * parameters->stride;
        const float *bias = parameters->bias + n * parameters->stride;
        for (int c = 0; c < v->c; c++) {
            float *d_log_scale_out = &d_log_scale[n * d_stride + c];
            float *d_bias_out = &d_bias[n * d_stride + c];
            if (n == 0 || d_stride != 0)
                *d_log_scale_out = *d_bias_out = 0;
            float scale = gb_expf(log_scale[c]);
            for (int i = 0; i < v->h; i++) {
                float row_log_scale = 0, row_bias = 0;
                for (int j = 0; j < v->w; j++) {
                    float y = (gb_at(v, n, i, j)[c] + bias[c]) * scale;
                    float dy_value = gb_at(dy, n, i, j)[c];
                    float dv_value = dy_value * scale;
                    gb_at(dv, n, i, j)[c] = dv_value;
                    row_log_scale += dy_value * y;
                    row_bias += dv_value;
                }
                *d_log_scale_out += row_log_scale;
                *d_bias_out += row_bias;
            }
        }
    }
}
