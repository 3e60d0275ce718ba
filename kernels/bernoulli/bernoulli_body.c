// SPDX-License-Identifier: MIT
#include "kernels/backend.h"
#include "kernels/simd/math.h"
#include "kernels/simd/rows.h"

// The cost of an element in floats of a streaming loop.
enum { COST = 16 };

struct bernoulli {
    const struct gb_bernoulli *b;
    const struct gb_tensor *y, *logits; // y: the uniform numbers, when sampling
    float *row_log_likelihood;          // forward
    const float *d_log_likelihood;      // backward
    const struct gb_tensor *out;        // the others
};

// For a vector of logits: the logarithms of both numerators, and the derivative of their difference.
struct numerators {
    gb_v one, zero, slope;
};

GB_INLINE struct numerators numerators_of(const struct gb_bernoulli *b, gb_v logit) {
    return (struct numerators){.one = -b->weight_one * gb_v_softplus(-logit),
                               .zero = -b->weight_zero * gb_v_softplus(logit),
                               .slope = b->weight_one * gb_v_sigmoid(-logit) +
                                        b->weight_zero * gb_v_sigmoid(logit)};
}

GB_INLINE gb_vi is_one(const struct gb_dense_piece *y, int i) {
    return gb_v_load(y->at + i) > gb_v_set(0.5f);
}

static void forward_row(const void *argument, int n, int row) {
    const struct bernoulli *k = argument;
    struct gb_dense_piece y, logits;
    gb_v sum = {0};
    for (struct gb_piece p = gb_first_piece(k->y, n, row); p.pixels; p = gb_next_piece(k->y, p)) {
        gb_gather(k->y, &p, 0, &y);
        gb_gather(k->logits, &p, 0, &logits);
        const int count = p.pixels * p.channels;
        for (int i = 0; i < count; i += GB_LANES) {
            const struct numerators m = numerators_of(k->b, gb_v_load(logits.at + i));
            gb_v numerator = gb_v_select(is_one(&y, i), m.one, m.zero);
            gb_v other = gb_v_select(is_one(&y, i), m.zero, m.one);
            gb_v term = k->b->normalised ? (gb_v)-gb_v_softplus(other - numerator) : numerator;
            sum += gb_v_keep(term, gb_smaller(count - i, GB_LANES));
        }
    }
    k->row_log_likelihood[n * k->y->h + row] = gb_v_sum(sum);
}

void GB_NAME(gb_bernoulli_forward_f32)(const struct gb_exec *exec, const struct gb_bernoulli *b,
                                       const struct gb_tensor *y, const struct gb_tensor *logits,
                                       double *log_likelihood) {
    assert(gb_same_shape(y, logits));
    assert(exec->scratch_bytes >= gb_bernoulli_scratch_bytes(y));
    struct bernoulli bernoulli = {
        .b = b, .y = y, .logits = logits, .row_log_likelihood = exec->scratch};
    gb_for_rows(exec, y, COST, forward_row, &bernoulli);
    for (int row = 0; row < y->n * y->h; row++)
        log_likelihood[row / y->h] += bernoulli.row_log_likelihood[row];
}

static void backward_row(const void *argument, int n, int row) {
    const struct bernoulli *k = argument;
    struct gb_dense_piece y, logits;
    for (struct gb_piece p = gb_first_piece(k->y, n, row); p.pixels; p = gb_next_piece(k->y, p)) {
        gb_gather(k->y, &p, 0, &y);
        gb_gather(k->logits, &p, 0, &logits);
        for (int i = 0; i < p.pixels * p.channels; i += GB_LANES) {
            gb_v logit = gb_v_load(logits.at + i);
            gb_v one = k->b->weight_one * gb_v_sigmoid(-logit);
            gb_v zero = -k->b->weight_zero * gb_v_sigmoid(logit);
            if (k->b->normalised) {
                const struct numerators m = numerators_of(k->b, logit);
                one = m.slope * gb_v_sigmoid(m.zero - m.one);
                zero = -m.slope * gb_v_sigmoid(m.one - m.zero);
            }
            gb_v_store(logits.at + i,
                       k->d_log_likelihood[n] * gb_v_select(is_one(&y, i), one, zero));
        }
        gb_scatter(k->out, &p, 0, &logits);
    }
}

void GB_NAME(gb_bernoulli_backward_f32)(const struct gb_exec *exec, const struct gb_bernoulli *b,
                                        const struct gb_tensor *y, const struct gb_tensor *logits,
                                        const float *d_log_likelihood,
                                        const struct gb_tensor *d_logits) {
    assert(gb_same_shape(y, logits) && gb_same_shape(y, d_logits));
    struct bernoulli bernoulli = {
        .b = b, .y = y, .logits = logits, .d_log_likelihood = d_log_likelihood, .out = d_logits};
    gb_for_rows(exec, y, COST, backward_row, &bernoulli);
}

GB_INLINE gb_v mean_of(const struct gb_bernoulli *b, gb_v logit) {
    if (b->normalised) {
        const struct numerators m = numerators_of(b, logit);
        logit = m.one - m.zero;
    }
    return gb_v_sigmoid(logit);
}

static void mean_row(const void *argument, int n, int row) {
    const struct bernoulli *k = argument;
    struct gb_dense_piece mean;
    for (struct gb_piece p = gb_first_piece(k->out, n, row); p.pixels;
         p = gb_next_piece(k->out, p)) {
        gb_gather(k->logits, &p, 0, &mean);
        for (int i = 0; i < p.pixels * p.channels; i += GB_LANES)
            gb_v_store(mean.at + i, mean_of(k->b, gb_v_load(mean.at + i)));
        gb_scatter(k->out, &p, 0, &mean);
    }
}

void GB_NAME(gb_bernoulli_mean_f32)(const struct gb_exec *exec, const struct gb_bernoulli *b,
                                    const struct gb_tensor *logits, const struct gb_tensor *mean) {
    assert(gb_same_shape(logits, mean));
    struct bernoulli bernoulli = {.b = b, .logits = logits, .out = mean};
    gb_for_rows(exec, mean, COST, mean_row, &bernoulli);
}

static void sample_row(const void *argument, int n, int row) {
    const struct bernoulli *k = argument;
    struct gb_dense_piece uniform, logits;
    for (struct gb_piece p = gb_first_piece(k->y, n, row); p.pixels; p = gb_next_piece(k->y, p)) {
        gb_gather(k->y, &p, 0, &uniform);
        gb_gather(k->logits, &p, 0, &logits);
        for (int i = 0; i < p.pixels * p.channels; i += GB_LANES) {
            gb_vi one = gb_v_load(uniform.at + i) < mean_of(k->b, gb_v_load(logits.at + i));
            gb_v_store(uniform.at + i, gb_v_select(one, gb_v_set(1.0f), gb_v_set(0.0f)));
        }
        gb_scatter(k->out, &p, 0, &uniform);
    }
}

void GB_NAME(gb_bernoulli_sample_f32)(const struct gb_exec *exec, const struct gb_bernoulli *b,
                                      const struct gb_tensor *uniform,
                                      const struct gb_tensor *logits, const struct gb_tensor *y) {
    assert(gb_same_shape(uniform, y) && gb_same_shape(logits, y));
    struct bernoulli bernoulli = {.b = b, .y = uniform, .logits = logits, .out = y};
    gb_for_rows(exec, y, COST, sample_row, &bernoulli);
}
