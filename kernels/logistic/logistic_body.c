// SPDX-License-Identifier: MIT
#include "kernels/backend.h"
#include "kernels/simd/math.h"
#include "kernels/simd/rows.h"

// The cost of an element in floats of a streaming loop.
enum { COST = 20 };

struct logistic {
    int levels;
    const struct gb_tensor *x, *raw;
    float *row_log_likelihood; // forward
    const float *d_log_likelihood;
    const struct gb_tensor *d_raw;
    const struct gb_tensor *uniform; // sampling
    float temperature;
};

// A vector of elements: the ends of their levels, in units of the scale around the mean.
struct level {
    gb_vi first, last; // of all levels, which have one end
    gb_v inverse_scale, lower, upper, width;
};

GB_INLINE struct level level_of(int levels, gb_v x, gb_v raw_mean, gb_v log_scale) {
    const float step = 1.0f / (float)levels;
    struct level l;
    l.first = x < gb_v_set(0.5f * step);
    l.last = x > gb_v_set(1 - 1.5f * step);
    l.inverse_scale = gb_v_exp(-log_scale);
    l.width = l.inverse_scale * step;
    gb_v middle = (x - (raw_mean + 0.5f)) * l.inverse_scale;
    l.lower = middle - 0.5f * l.width;
    l.upper = middle + 0.5f * l.width;
    return l;
}

// v with zero in the lanes of the mask.
GB_INLINE gb_v unless(gb_vi mask, gb_v v) {
    return (gb_v)((gb_vi)v & ~mask);
}

// The mass between two ends: sigmoid(upper) - sigmoid(lower), which is
// sigmoid(upper) * sigmoid(-lower) * (1 - e^-width).
GB_INLINE gb_v log_mass(const struct level *l) {
    gb_v below = unless(l->first, gb_v_softplus(l->lower));
    gb_v above = unless(l->last, gb_v_softplus(-l->upper));
    gb_v inside = unless(l->first | l->last, gb_v_log_one_minus_exp(l->width));
    return inside - below - above;
}

static void forward_row(const void *argument, int n, int y) {
    const struct logistic *k = argument;
    struct gb_dense_piece x, mean, log_scale;
    gb_v sum = {0};
    for (struct gb_piece p = gb_first_piece(k->x, n, y); p.pixels; p = gb_next_piece(k->x, p)) {
        gb_gather(k->x, &p, 0, &x);
        gb_gather(k->raw, &p, 0, &mean);
        gb_gather(k->raw, &p, k->x->c, &log_scale);
        const int count = p.pixels * p.channels;
        for (int i = 0; i < count; i += GB_LANES) {
            const struct level l = level_of(k->levels, gb_v_load(x.at + i), gb_v_load(mean.at + i),
                                            gb_v_load(log_scale.at + i));
            sum += gb_v_keep(log_mass(&l), gb_smaller(count - i, GB_LANES));
        }
    }
    k->row_log_likelihood[n * k->x->h + y] = gb_v_sum(sum);
}

void GB_NAME(gb_logistic_forward_f32)(const struct gb_exec *exec, int levels,
                                      const struct gb_tensor *x, const struct gb_tensor *raw,
                                      double *log_likelihood) {
    assert(levels >= 2 && raw->c == 2 * x->c);
    assert(exec->scratch_bytes >= gb_logistic_scratch_bytes(x));
    struct logistic logistic = {
        .levels = levels, .x = x, .raw = raw, .row_log_likelihood = exec->scratch};
    gb_for_rows(exec, x, COST, forward_row, &logistic);
    for (int row = 0; row < x->n * x->h; row++)
        log_likelihood[row / x->h] += logistic.row_log_likelihood[row];
}

static void backward_row(const void *argument, int n, int y) {
    const struct logistic *k = argument;
    struct gb_dense_piece x, mean, log_scale;
    const gb_v d = gb_v_set(-k->d_log_likelihood[n]);
    for (struct gb_piece p = gb_first_piece(k->x, n, y); p.pixels; p = gb_next_piece(k->x, p)) {
        gb_gather(k->x, &p, 0, &x);
        gb_gather(k->raw, &p, 0, &mean);
        gb_gather(k->raw, &p, k->x->c, &log_scale);
        for (int i = 0; i < p.pixels * p.channels; i += GB_LANES) {
            const struct level l = level_of(k->levels, gb_v_load(x.at + i), gb_v_load(mean.at + i),
                                            gb_v_load(log_scale.at + i));
            // The derivatives of log_mass in lower, upper and log(width).
            gb_v d_lower = unless(l.first, -gb_v_sigmoid(l.lower));
            gb_v d_upper = unless(l.last, gb_v_sigmoid(-l.upper));
            gb_v d_log_width =
                unless(l.first | l.last, l.width * gb_v_exp(-l.width) / -gb_v_expm1(-l.width));
            gb_v_store(mean.at + i, d * (d_lower + d_upper) * l.inverse_scale);
            gb_v_store(log_scale.at + i, d * (d_lower * l.lower + d_upper * l.upper + d_log_width));
        }
        gb_scatter(k->d_raw, &p, 0, &mean);
        gb_scatter(k->d_raw, &p, k->x->c, &log_scale);
    }
}

void GB_NAME(gb_logistic_backward_f32)(const struct gb_exec *exec, int levels,
                                       const struct gb_tensor *x, const struct gb_tensor *raw,
                                       const float *d_log_likelihood,
                                       const struct gb_tensor *d_raw) {
    assert(levels >= 2 && raw->c == 2 * x->c && gb_same_shape(raw, d_raw));
    struct logistic logistic = {
        .levels = levels, .x = x, .raw = raw, .d_log_likelihood = d_log_likelihood, .d_raw = d_raw};
    gb_for_rows(exec, x, COST, backward_row, &logistic);
}

static void sample_row(const void *argument, int n, int y) {
    const struct logistic *k = argument;
    struct gb_dense_piece uniform, mean, log_scale;
    const float levels = (float)k->levels;
    for (struct gb_piece p = gb_first_piece(k->x, n, y); p.pixels; p = gb_next_piece(k->x, p)) {
        gb_gather(k->uniform, &p, 0, &uniform);
        gb_gather(k->raw, &p, 0, &mean);
        gb_gather(k->raw, &p, k->x->c, &log_scale);
        for (int i = 0; i < p.pixels * p.channels; i += GB_LANES) {
            // The middle of u's interval of 2^-24, so that both logarithms are finite.
            gb_v u = gb_v_load(uniform.at + i);
            gb_v logit = gb_v_log(u + 0x1p-25f) - gb_v_log((1.0f - u) - 0x1p-25f);
            gb_v scale = gb_v_exp(gb_v_load(log_scale.at + i)) * k->temperature;
            gb_v value = gb_v_load(mean.at + i) + 0.5f + scale * logit;
            gb_v level = gb_v_max(gb_v_round(value * levels), gb_v_set(0));
            gb_v_store(uniform.at + i, gb_v_min(level, gb_v_set(levels - 1)) / levels);
        }
        gb_scatter(k->x, &p, 0, &uniform);
    }
}

void GB_NAME(gb_logistic_sample_f32)(const struct gb_exec *exec, int levels,
                                     const struct gb_tensor *uniform, const struct gb_tensor *raw,
                                     float temperature, const struct gb_tensor *x) {
    assert(levels >= 2 && gb_same_shape(uniform, x) && raw->c == 2 * x->c);
    struct logistic logistic = {
        .levels = levels, .x = x, .raw = raw, .uniform = uniform, .temperature = temperature};
    gb_for_rows(exec, x, COST, sample_row, &logistic);
}
