// SPDX-License-Identifier: MIT
#include "kernels/backend.h"
#include "kernels/simd/math.h"

static float shift_of(float raw_t) {
    return gb_tanhf(raw_t);
}
static float scale_of(float raw_s) {
    return gb_sigmoidf(gb_tanhf(raw_s) + 2);
}

void gb_coupling_forward_f32__scalar(const struct gb_exec *exec, const struct gb_tensor *v,
                                     const struct gb_tensor *raw, const struct gb_tensor *u,
                                     double *log_det) {
    (void)exec;
    assert(gb_same_shape(v, u) && raw->c == 2 * v->c);
    for (int n = 0; n < v->n; n++)
        for (int i = 0; i < v->h; i++) {
            float row_log_det = 0;
            for (int j = 0; j < v->w; j++) {
                const float *raw_t = gb_at(raw, n, i, j), *raw_s = raw_t + v->c;
                for (int c = 0; c < v->c; c++) {
                    float scale = scale_of(raw_s[c]);
                    gb_at(u, n, i, j)[c] = (gb_at(v, n, i, j)[c] + shift_of(raw_t[c])) * scale;
                    row_log_det += gb_logf(scale);
                }
            }
            log_det[n] += row_log_det;
        }
}

void gb_coupling_inverse_f32__scalar(const struct gb_exec *exec, const struct gb_tensor *u,
                                     const struct gb_tensor *raw, const struct gb_tensor *v) {
    (void)exec;
    assert(gb_same_shape(v, u) && raw->c == 2 * v->c);
    for (int n = 0; n < v->n; n++)
        for (int i = 0; i < v->h; i++)
            for (int j = 0; j < v->w; j++) {
                const float *raw_t = gb_at(raw, n, i, j), *raw_s = raw_t + v->c;
                for (int c = 0; c < v->c; c++)
                    gb_at(v, n, i, j)[c] =
                        gb_at(u, n, i, j)[c] / scale_of(raw_s[c]) - shift_of(raw_t[c]);
            }
}

void gb_coupling_backward_f32__scalar(const struct gb_exec *exec, const struct gb_tensor *u,
                                      const struct gb_tensor *raw, const struct gb_tensor *du,
                                      const float *d_log_det, const struct gb_tensor *dv,
                                      const struct gb_tensor *d_raw) {
    (void)exec;
    assert(gb_same_shape(u, du) && gb_same_shape(u, dv));
    assert(raw->c == 2 * u->c && gb_same_shape(raw, d_raw));
    for (int n = 0; n < u->n; n++)
        for (int i = 0; i < u->h; i++)
            for (int j = 0; j < u->w; j++) {
                const float *raw_t = gb_at(raw, n, i, j), *raw_s = raw_t + u->c;
                float *d_raw_t = gb_at(d_raw, n, i, j), *d_raw_s = d_raw_t + u->c;
                for (int c = 0; c < u->c; c++) {
                    float shift = shift_of(raw_t[c]), tanh_s = gb_tanhf(raw_s[c]);
                    float scale = scale_of(raw_s[c]);
                    float du_value = gb_at(du, n, i, j)[c];
                    float dv_value = du_value * scale;
                    gb_at(dv, n, i, j)[c] = dv_value;
                    d_raw_t[c] = dv_value * (1 - shift * shift);
                    // d scale = du*u/scale + d_log_det/scale, times sigmoid' = scale*(1 - scale).
                    float d_scale_input =
                        (du_value * gb_at(u, n, i, j)[c] + d_log_det[n]) * (1 - scale);
                    d_raw_s[c] = d_scale_input * (1 - tanh_s * tanh_s);
                }
            }
}
