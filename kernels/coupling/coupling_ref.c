// SPDX-License-Identifier: MIT
#include "kernels/backend.h"
#include "kernels/simd/math.h"

// The network's output for one element.
struct map {
    float shift, scale;
};

static struct map map_at(enum gb_coupling_form form, const struct gb_tensor *raw, int n, int i,
                         int j, int channels, int c) {
    const float *pixel = gb_at(raw, n, i, j), raw_t = pixel[c];
    switch (form) {
    case GB_COUPLING_SIGMOID:
        return (struct map){gb_tanhf(raw_t), gb_sigmoidf(gb_tanhf(pixel[channels + c]) + 2)};
    case GB_COUPLING_SOFTPLUS:
        return (struct map){raw_t, gb_softplusf(pixel[channels + c])};
    case GB_COUPLING_ADDITIVE:
        break;
    }
    return (struct map){raw_t, 1};
}

void gb_coupling_forward_f32__scalar(const struct gb_exec *exec, enum gb_coupling_form form,
                                     const struct gb_tensor *v, const struct gb_tensor *raw,
                                     const struct gb_tensor *u, double *log_det) {
    (void)exec;
    assert(gb_same_shape(v, u) && raw->c == gb_coupling_raw_channels(form, v->c));
    for (int n = 0; n < v->n; n++)
        for (int i = 0; i < v->h; i++) {
            float row_log_det = 0;
            for (int j = 0; j < v->w; j++)
                for (int c = 0; c < v->c; c++) {
                    struct map m = map_at(form, raw, n, i, j, v->c, c);
                    float value = gb_at(v, n, i, j)[c], *out = gb_at(u, n, i, j) + c;
                    if (form == GB_COUPLING_SIGMOID)
                        *out = (value + m.shift) * m.scale;
                    else
                        *out = value * m.scale + m.shift;
                    row_log_det += gb_logf(m.scale);
                }
            if (form != GB_COUPLING_ADDITIVE)
                log_det[n] += row_log_det;
        }
}

void gb_coupling_inverse_f32__scalar(const struct gb_exec *exec, enum gb_coupling_form form,
                                     const struct gb_tensor *u, const struct gb_tensor *raw,
                                     const struct gb_tensor *v) {
    (void)exec;
    assert(gb_same_shape(v, u) && raw->c == gb_coupling_raw_channels(form, v->c));
    for (int n = 0; n < v->n; n++)
        for (int i = 0; i < v->h; i++)
            for (int j = 0; j < v->w; j++)
                for (int c = 0; c < v->c; c++) {
                    struct map m = map_at(form, raw, n, i, j, v->c, c);
                    float value = gb_at(u, n, i, j)[c], *out = gb_at(v, n, i, j) + c;
                    if (form == GB_COUPLING_SIGMOID)
                        *out = value / m.scale - m.shift;
                    else
                        *out = (value - m.shift) / m.scale;
                }
}

void gb_coupling_backward_f32__scalar(const struct gb_exec *exec, enum gb_coupling_form form,
                                      const struct gb_tensor *u, const struct gb_tensor *raw,
                                      const struct gb_tensor *du, const float *d_log_det,
                                      const struct gb_tensor *dv, const struct gb_tensor *d_raw) {
    (void)exec;
    assert(gb_same_shape(u, du) && gb_same_shape(u, dv));
    assert(raw->c == gb_coupling_raw_channels(form, u->c) && gb_same_shape(raw, d_raw));
    for (int n = 0; n < u->n; n++)
        for (int i = 0; i < u->h; i++)
            for (int j = 0; j < u->w; j++)
                for (int c = 0; c < u->c; c++) {
                    const float *raw_s = gb_at(raw, n, i, j) + u->c;
                    float *d_raw_t = gb_at(d_raw, n, i, j), *d_raw_s = d_raw_t + u->c;
                    struct map m = map_at(form, raw, n, i, j, u->c, c);
                    float du_value = gb_at(du, n, i, j)[c], u_value = gb_at(u, n, i, j)[c];
                    float dv_value = du_value * m.scale;
                    gb_at(dv, n, i, j)[c] = dv_value;
                    switch (form) {
                    case GB_COUPLING_SIGMOID:
                        d_raw_t[c] = dv_value * (1 - m.shift * m.shift);
                        // d scale = du*u/scale + d_log_det/scale, times sigmoid' =
                        // scale*(1 - scale).
                        float d_scale_input = (du_value * u_value + d_log_det[n]) * (1 - m.scale);
                        float tanh_s = gb_tanhf(raw_s[c]);
                        d_raw_s[c] = d_scale_input * (1 - tanh_s * tanh_s);
                        break;
                    case GB_COUPLING_SOFTPLUS:
                        d_raw_t[c] = du_value;
                        // d scale = du*v + d_log_det/scale, times softplus' = sigmoid.
                        d_raw_s[c] = (du_value * (u_value - m.shift) + d_log_det[n]) *
                                     (gb_sigmoidf(raw_s[c]) / m.scale);
                        break;
                    case GB_COUPLING_ADDITIVE:
                        d_raw_t[c] = du_value;
                        break;
                    }
                }
}
