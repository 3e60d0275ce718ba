// SPDX-License-Identifier: MIT
#include "kernels/backend.h"
#include "kernels/simd/math.h"

// One element: the ends of its level, in units of the scale around the mean.
struct level {
    bool first, last; // of all levels, which have one end
    float inverse_scale, lower, upper, width;
};

static struct level level_at(int levels, const struct gb_tensor *x, const struct gb_tensor *raw,
                             int n, int i, int j, int c) {
    const float *pixel = gb_at(raw, n, i, j), step = 1.0f / (float)levels;
    struct level l = {.inverse_scale = gb_expf(-pixel[x->c + c])};
    float value = gb_at(x, n, i, j)[c];
    l.first = value < 0.5f * step;
    l.last = value > 1 - 1.5f * step;
    l.width = l.inverse_scale * step;
    float middle = (value - (pixel[c] + 0.5f)) * l.inverse_scale;
    l.lower = middle - 0.5f * l.width;
    l.upper = middle + 0.5f * l.width;
    return l;
}

// The mass between two ends: sigmoid(upper) - sigmoid(lower), which is
// sigmoid(upper) * sigmoid(-lower) * (1 - e^-width).
static float log_mass(const struct level *l) {
    float below = l->first ? 0 : gb_softplusf(l->lower);
    float above = l->last ? 0 : gb_softplusf(-l->upper);
    float inside = l->first || l->last ? 0 : gb_log_one_minus_expf(l->width);
    return inside - below - above;
}

void gb_logistic_forward_f32__scalar(const struct gb_exec *exec, int levels,
                                     const struct gb_tensor *x, const struct gb_tensor *raw,
                                     double *log_likelihood) {
    (void)exec;
    assert(levels >= 2 && raw->c == 2 * x->c);
    for (int n = 0; n < x->n; n++)
        for (int i = 0; i < x->h; i++) {
            float row = 0;
            for (int j = 0; j < x->w; j++)
                for (int c = 0; c < x->c; c++) {
                    struct level l = level_at(levels, x, raw, n, i, j, c);
                    row += log_mass(&l);
                }
            log_likelihood[n] += row;
        }
}

void gb_logistic_backward_f32__scalar(const struct gb_exec *exec, int levels,
                                      const struct gb_tensor *x, const struct gb_tensor *raw,
                                      const float *d_log_likelihood,
                                      const struct gb_tensor *d_raw) {
    (void)exec;
    assert(levels >= 2 && raw->c == 2 * x->c && gb_same_shape(raw, d_raw));
    for (int n = 0; n < x->n; n++)
        for (int i = 0; i < x->h; i++)
            for (int j = 0; j < x->w; j++)
                for (int c = 0; c < x->c; c++) {
                    struct level l = level_at(levels, x, raw, n, i, j, c);
                    // The derivatives of log_mass in lower, upper and log(width).
                    float d_lower = l.first ? 0 : -gb_sigmoidf(l.lower);
                    float d_upper = l.last ? 0 : gb_sigmoidf(-l.upper);
                    float d_log_width = 0;
                    if (!l.first && !l.last)
                        d_log_width = l.width * gb_expf(-l.width) / -gb_expm1f(-l.width);
                    float *d = gb_at(d_raw, n, i, j);
                    d[c] = -d_log_likelihood[n] * (d_lower + d_upper) * l.inverse_scale;
                    d[x->c + c] = -d_log_likelihood[n] *
                                  (d_lower * l.lower + d_upper * l.upper + d_log_width);
                }
}

void gb_logistic_sample_f32__scalar(const struct gb_exec *exec, int levels,
                                    const struct gb_tensor *uniform, const struct gb_tensor *raw,
                                    float temperature, const struct gb_tensor *x) {
    (void)exec;
    assert(levels >= 2 && gb_same_shape(uniform, x) && raw->c == 2 * x->c);
    for (int n = 0; n < x->n; n++)
        for (int i = 0; i < x->h; i++)
            for (int j = 0; j < x->w; j++)
                for (int c = 0; c < x->c; c++) {
                    const float *pixel = gb_at(raw, n, i, j);
                    // The middle of u's interval of 2^-24, so that both logarithms are finite.
                    float u = gb_at(uniform, n, i, j)[c];
                    float logit = gb_logf(u + 0x1p-25f) - gb_logf((1 - u) - 0x1p-25f);
                    float scale = gb_expf(pixel[x->c + c]) * temperature;
                    float level = rintf((pixel[c] + 0.5f + scale * logit) * (float)levels);
                    level = level > 0 ? level : 0;
                    level = level > (float)(levels - 1) ? (float)(levels - 1) : level;
                    gb_at(x, n, i, j)[c] = level / (float)levels;
                }
}
