// SPDX-License-Identifier: MIT
#include "kernels/backend.h"
#include "kernels/simd/math.h"

// For one logit: the logarithms of both numerators, and the derivative of their difference.
struct numerators {
    float one, zero, slope;
};

static struct numerators numerators_of(const struct gb_bernoulli *b, float logit) {
    return (struct numerators){.one = -b->weight_one * gb_softplusf(-logit),
                               .zero = -b->weight_zero * gb_softplusf(logit),
                               .slope = b->weight_one * gb_sigmoidf(-logit) +
                                        b->weight_zero * gb_sigmoidf(logit)};
}

void gb_bernoulli_forward_f32__scalar(const struct gb_exec *exec, const struct gb_bernoulli *b,
                                      const struct gb_tensor *y, const struct gb_tensor *logits,
                                      double *log_likelihood) {
    (void)exec;
    assert(gb_same_shape(y, logits));
    for (int n = 0; n < y->n; n++)
        for (int i = 0; i < y->h; i++) {
            float row = 0;
            for (int j = 0; j < y->w; j++)
                for (int c = 0; c < y->c; c++) {
                    struct numerators k = numerators_of(b, gb_at(logits, n, i, j)[c]);
                    bool one = gb_at(y, n, i, j)[c] > 0.5f;
                    float numerator = one ? k.one : k.zero, other = one ? k.zero : k.one;
                    row += b->normalised ? -gb_softplusf(other - numerator) : numerator;
                }
            log_likelihood[n] += row;
        }
}

void gb_bernoulli_backward_f32__scalar(const struct gb_exec *exec, const struct gb_bernoulli *b,
                                       const struct gb_tensor *y, const struct gb_tensor *logits,
                                       const float *d_log_likelihood,
                                       const struct gb_tensor *d_logits) {
    (void)exec;
    assert(gb_same_shape(y, logits) && gb_same_shape(y, d_logits));
    for (int n = 0; n < y->n; n++)
        for (int i = 0; i < y->h; i++)
            for (int j = 0; j < y->w; j++)
                for (int c = 0; c < y->c; c++) {
                    float logit = gb_at(logits, n, i, j)[c];
                    struct numerators k = numerators_of(b, logit);
                    bool one = gb_at(y, n, i, j)[c] > 0.5f;
                    float slope = one ? b->weight_one * gb_sigmoidf(-logit)
                                      : -b->weight_zero * gb_sigmoidf(logit);
                    if (b->normalised)
                        slope = one ? k.slope * gb_sigmoidf(k.zero - k.one)
                                    : -k.slope * gb_sigmoidf(k.one - k.zero);
                    gb_at(d_logits, n, i, j)[c] = d_log_likelihood[n] * slope;
                }
}

static float mean_of(const struct gb_bernoulli *b, float logit) {
    struct numerators k = numerators_of(b, logit);
    return gb_sigmoidf(b->normalised ? k.one - k.zero : logit);
}

void gb_bernoulli_mean_f32__scalar(const struct gb_exec *exec, const struct gb_bernoulli *b,
                                   const struct gb_tensor *logits, const struct gb_tensor *mean) {
    (void)exec;
    assert(gb_same_shape(logits, mean));
    for (int n = 0; n < mean->n; n++)
        for (int i = 0; i < mean->h; i++)
            for (int j = 0; j < mean->w; j++)
                for (int c = 0; c < mean->c; c++)
                    gb_at(mean, n, i, j)[c] = mean_of(b, gb_at(logits, n, i, j)[c]);
}

void gb_bernoulli_sample_f32__scalar(const struct gb_exec *exec, const struct gb_bernoulli *b,
                                     const struct gb_tensor *uniform,
                                     const struct gb_tensor *logits, const struct gb_tensor *y) {
    (void)exec;
    assert(gb_same_shape(uniform, y) && gb_same_shape(logits, y));
    for (int n = 0; n < y->n; n++)
        for (int i = 0; i < y->h; i++)
            for (int j = 0; j < y->w; j++)
                for (int c = 0; c < y->c; c++)
                    gb_at(y, n, i, j)[c] =
                        gb_at(uniform, n, i, j)[c] < mean_of(b, gb_at(logits, n, i, j)[c]);
}
