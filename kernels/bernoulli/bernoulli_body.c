// SPDX-License-Identifier: MIT
#include "kernels/backend.h"
#include "kernels/simd/math.h"
#include "kernels/simd/rows.h"

// The cost of an element in floats of a streaming loop.
enum { COST = 16 };

// The logarithms of both numerators, and the derivative of their difference in the logit.
struct numerators {
    gb_v one, zero, slope;
};

GB_INLINE struct numerators numerators_of(const struct gb_bernoulli *b, gb_v logit) {
    return (struct numerators){.one = -b->weight_one * gb_v_softplus(-logit),
                               .zero = -b->weight_zero * gb_v_softplus(logit),
                               .slope = b->weight_one * gb_v_sigmoid(-logit) +
                                        b->weight_zero * gb_v_sigmoid(logit)};
}

// Logits, y.
GB_INLINE gb_v forward(struct gb_map_context context, gb_v *v) {
    const struct gb_bernoulli *b = context.argument;
    const struct numerators m = numerators_of(b, v[0]);
    const gb_vi is_one = v[1] > gb_v_set(0.5f);
    gb_v numerator = gb_v_select(is_one, m.one, m.zero);
    gb_v other = gb_v_select(is_one, m.zero, m.one);
    return b->normalised ? (gb_v)-gb_v_softplus(other - numerator) : numerator;
}

GB_MAP_ROW(gb_map_row, forward, .in = 2, .sums = true)

void GB_NAME(gb_bernoulli_forward)(const struct gb_exec *exec, const struct gb_bernoulli *b,
                                   const struct gb_tensor *y, const struct gb_tensor *logits,
                                   double *log_likelihood) {
    assert(gb_same_shape(y, logits));
    assert(exec->scratch_bytes >= gb_row_sums_bytes(y));
    const struct gb_map map = {.in = {*logits, *y}, .argument = b, .row_sums = exec->scratch};
    gb_for_rows(exec, y, COST, forward_row, &map);
    gb_add_row_sums(exec->scratch, y, log_likelihood);
}

// Logits to their gradients, y.
GB_INLINE gb_v backward(struct gb_map_context context, gb_v *v) {
    const struct gb_bernoulli *b = context.argument;
    const gb_v logit = v[0];
    gb_v one = b->weight_one * gb_v_sigmoid(-logit);
    gb_v zero = -b->weight_zero * gb_v_sigmoid(logit);
    if (b->normalised) {
        const struct numerators m = numerators_of(b, logit);
        one = m.slope * gb_v_sigmoid(m.zero - m.one);
        zero = -m.slope * gb_v_sigmoid(m.one - m.zero);
    }
    v[0] = context.d_sum * gb_v_select(v[1] > gb_v_set(0.5f), one, zero);
    return v[0];
}

GB_MAP_ROW(gb_map_row, backward, .in = 2, .out = 1)

void GB_NAME(gb_bernoulli_backward)(const struct gb_exec *exec, const struct gb_bernoulli *b,
                                    const struct gb_tensor *y, const struct gb_tensor *logits,
                                    const float *d_log_likelihood,
                                    const struct gb_tensor *d_logits) {
    assert(gb_same_shape(y, logits) && gb_same_shape(y, d_logits));
    const struct gb_map map = {
        .in = {*logits, *y}, .out = {*d_logits}, .argument = b, .d_sums = d_log_likelihood};
    gb_for_rows(exec, y, COST, backward_row, &map);
}

// Logits to means.
GB_INLINE gb_v mean(struct gb_map_context context, gb_v *v) {
    const struct gb_bernoulli *b = context.argument;
    if (b->normalised) {
        const struct numerators m = numerators_of(b, v[0]);
        v[0] = m.one - m.zero;
    }
    return v[0] = gb_v_sigmoid(v[0]);
}

GB_MAP_ROW(gb_map_row, mean, .in = 1, .out = 1)

void GB_NAME(gb_bernoulli_mean)(const struct gb_exec *exec, const struct gb_bernoulli *b,
                                const struct gb_tensor *logits, const struct gb_tensor *mean) {
    assert(gb_same_shape(logits, mean));
    const struct gb_map map = {.in = {*logits}, .out = {*mean}, .argument = b};
    gb_for_rows(exec, mean, COST, mean_row, &map);
}

// Uniform numbers to y, logits.
GB_INLINE gb_v sample(struct gb_map_context context, gb_v *v) {
    const gb_vi is_one = v[0] < mean(context, &v[1]);
    return v[0] = gb_v_select(is_one, gb_v_set(1.0f), gb_v_set(0.0f));
}

GB_MAP_ROW(gb_map_row, sample, .in = 2, .out = 1)

void GB_NAME(gb_bernoulli_sample)(const struct gb_exec *exec, const struct gb_bernoulli *b,
                                  const struct gb_tensor *uniform, const struct gb_tensor *logits,
                                  const struct gb_tensor *y) {
    assert(gb_same_shape(uniform, y) && gb_same_shape(logits, y));
    const struct gb_map map = {.in = {*uniform, *logits}, .out = {*y}, .argument = b};
    gb_for_rows(exec, y, COST, sample_row, &map);
}
