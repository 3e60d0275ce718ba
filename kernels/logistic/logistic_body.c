// SPDX-License-Identifier: MIT
#include "kernels/backend.h"
#include "kernels/simd/math.h"
#include "kernels/simd/rows.h"

// The cost of an element in floats of a streaming loop.
enum { COST = 20 };

// The ends of elements' levels, in units of the scale around the mean.
struct level {
    gb_vi first, last; // of all levels, which have one end
    gb_v inverse_scale, lower, upper, width;
};

GB_INLINE struct level level_of(const int *levels, gb_v x, gb_v raw_mean, gb_v log_scale) {
    const float step = 1.0f / (float)*levels;
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

// Mean, log-scale, x. The logarithm of the mass between two ends: sigmoid(upper) - sigmoid(lower),
// which is sigmoid(upper) * sigmoid(-lower) * (1 - e^-width).
GB_INLINE gb_v forward(struct gb_map_context context, gb_v *v) {
    const struct level l = level_of(context.argument, v[2], v[0], v[1]);
    gb_v below = unless(l.first, gb_v_softplus(l.lower));
    gb_v above = unless(l.last, gb_v_softplus(-l.upper));
    gb_v inside = unless(l.first | l.last, gb_v_log_one_minus_exp(l.width));
    return inside - below - above;
}

GB_MAP_ROW(gb_map_row, forward, .in = 3, .sums = true)

void GB_NAME(gb_logistic_forward)(const struct gb_exec *exec, int levels, const struct gb_tensor *x,
                                  const struct gb_tensor *raw, double *log_likelihood) {
    assert(levels >= 2 && raw->c == 2 * x->c);
    assert(exec->scratch_bytes >= gb_row_sums_bytes(x));
    const struct gb_map map = {.in = {gb_channels(raw, 0, x->c), gb_channels(raw, x->c, x->c), *x},
                               .argument = &levels,
                               .row_sums = exec->scratch};
    gb_for_rows(exec, x, COST, forward_row, &map);
    gb_add_row_sums(exec->scratch, x, log_likelihood);
}

// Mean and log-scale to their gradients, x.
GB_INLINE gb_v backward(struct gb_map_context context, gb_v *v) {
    const struct level l = level_of(context.argument, v[2], v[0], v[1]);
    const gb_v d = gb_v_set(-context.d_sum);
    // The derivatives of the log-mass in lower, upper and log(width).
    gb_v d_lower = unless(l.first, -gb_v_sigmoid(l.lower));
    gb_v d_upper = unless(l.last, gb_v_sigmoid(-l.upper));
    gb_v d_log_width =
        unless(l.first | l.last, l.width * gb_v_exp(-l.width) / -gb_v_expm1(-l.width));
    v[0] = d * (d_lower + d_upper) * l.inverse_scale;
    v[1] = d * (d_lower * l.lower + d_upper * l.upper + d_log_width);
    return v[0];
}

GB_MAP_ROW(gb_map_row, backward, .in = 3, .out = 2)

void GB_NAME(gb_logistic_backward)(const struct gb_exec *exec, int levels,
                                   const struct gb_tensor *x, const struct gb_tensor *raw,
                                   const float *d_log_likelihood, const struct gb_tensor *d_raw) {
    assert(levels >= 2 && raw->c == 2 * x->c && gb_same_shape(raw, d_raw));
    const struct gb_map map = {.in = {gb_channels(raw, 0, x->c), gb_channels(raw, x->c, x->c), *x},
                               .out = {gb_channels(d_raw, 0, x->c), gb_channels(d_raw, x->c, x->c)},
                               .argument = &levels,
                               .d_sums = d_log_likelihood};
    gb_for_rows(exec, x, COST, backward_row, &map);
}

struct sampling {
    float levels, temperature;
};

// Uniform numbers to x, mean, log-scale.
GB_INLINE gb_v sample(struct gb_map_context context, gb_v *v) {
    const struct sampling *k = context.argument;
    // The middle of u's interval of 2^-24, so that both logarithms are finite.
    gb_v u = v[0];
    gb_v logit = gb_v_log(u + 0x1p-25f) - gb_v_log((1.0f - u) - 0x1p-25f);
    gb_v scale = gb_v_exp(v[2]) * k->temperature;
    gb_v value = v[1] + 0.5f + scale * logit;
    gb_v level = gb_v_max(gb_v_round(value * k->levels), gb_v_set(0));
    return v[0] = gb_v_min(level, gb_v_set(k->levels - 1)) / k->levels;
}

GB_MAP_ROW(gb_map_row, sample, .in = 3, .out = 1)

void GB_NAME(gb_logistic_sample)(const struct gb_exec *exec, int levels,
                                 const struct gb_tensor *uniform, const struct gb_tensor *raw,
                                 float temperature, const struct gb_tensor *x) {
    assert(levels >= 2 && gb_same_shape(uniform, x) && raw->c == 2 * x->c);
    const struct sampling sampling = {(float)levels, temperature};
    const struct gb_map map = {
        .in = {*uniform, gb_channels(raw, 0, x->c), gb_channels(raw, x->c, x->c)},
        .out = {*x},
        .argument = &sampling};
    gb_for_rows(exec, x, COST, sample_row, &map);
}
