// SPDX-License-Identifier: MIT
#include "kernels/backend.h"
#include "kernels/epilogue/activation.h"

// One channel of one image: u = (v - mean) * inverse.
struct channel {
    float mean, deviation, inverse;
};

static struct channel channel_of(const struct gb_norm_moments *moments, int n, int c) {
    float deviation = sqrtf(moments->variance[n * moments->stride + c] + GB_NORM_EPSILON);
    return (struct channel){moments->mean[n * moments->stride + c], deviation, 1 / deviation};
}

void gb_instance_norm_forward__scalar(const struct gb_exec *exec, enum gb_activation activation,
                                      const struct gb_tensor *v,
                                      const struct gb_norm_moments *moments,
                                      const struct gb_tensor *y) {
    (void)exec;
    assert(gb_same_shape(v, y) && (activation == GB_IDENTITY || activation == GB_RELU));
    for (int n = 0; n < v->n; n++)
        for (int c = 0; c < v->c; c++) {
            struct channel k = channel_of(moments, n, c);
            for (int i = 0; i < v->h; i++)
                for (int j = 0; j < v->w; j++) {
                    float u = (gb_at(v, n, i, j)[c] - k.mean) * k.inverse;
                    gb_at(y, n, i, j)[c] = gb_v_activate(activation, gb_v_set(u))[0];
                }
        }
}

void gb_instance_norm_inverse__scalar(const struct gb_exec *exec, const struct gb_tensor *y,
                                      const struct gb_norm_moments *moments,
                                      const struct gb_tensor *v) {
    (void)exec;
    assert(gb_same_shape(v, y));
    for (int n = 0; n < v->n; n++)
        for (int c = 0; c < v->c; c++) {
            struct channel k = channel_of(moments, n, c);
            for (int i = 0; i < v->h; i++)
                for (int j = 0; j < v->w; j++)
                    gb_at(v, n, i, j)[c] = gb_at(y, n, i, j)[c] * k.deviation + k.mean;
        }
}

// u of one element, and the gradient at it: d = dy * act'(u).
struct element {
    float u, d;
};

static struct element element_at(enum gb_activation activation, struct channel k, float v,
                                 float dy) {
    float u = (v - k.mean) * k.inverse;
    gb_v y = gb_v_activate(activation, gb_v_set(u));
    return (struct element){u, gb_v_activation_gradient(activation, gb_v_set(dy), y)[0]};
}

void gb_instance_norm_backward__scalar(const struct gb_exec *exec, enum gb_activation activation,
                                       const struct gb_tensor *v,
                                       const struct gb_norm_moments *moments,
                                       const struct gb_tensor *dy, const float *d_log_det,
                                       const struct gb_tensor *dv) {
    (void)exec;
    assert(gb_same_shape(v, dy) && gb_same_shape(v, dv));
    assert(moments->stride >= v->c);
    const double pixels = (double)v->h * v->w;
    for (int n = 0; n < v->n; n++)
        for (int c = 0; c < v->c; c++) {
            struct channel k = channel_of(moments, n, c);
            double sum_d = 0, sum_du = 0;
            for (int i = 0; i < v->h; i++)
                for (int j = 0; j < v->w; j++) {
                    struct element e =
                        element_at(activation, k, gb_at(v, n, i, j)[c], gb_at(dy, n, i, j)[c]);
                    sum_d += e.d;
                    sum_du += (double)e.d * e.u;
                }
            float mean_d = (float)(sum_d / pixels);
            float mean_du = (float)(sum_du / pixels + (d_log_det ? d_log_det[n] : 0));
            for (int i = 0; i < v->h; i++)
                for (int j = 0; j < v->w; j++) {
                    struct element e =
                        element_at(activation, k, gb_at(v, n, i, j)[c], gb_at(dy, n, i, j)[c]);
                    gb_at(dv, n, i, j)[c] = (e.d - mean_d - e.u * mean_du) * k.inverse;
                }
        }
}
