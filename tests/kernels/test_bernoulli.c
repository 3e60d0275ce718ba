// SPDX-License-Identifier: MIT
// The parameters that the operation's description does not cover; all else is in test_kernels.
#include <math.h>

#include "tests/kernels/check.h"
#include "tests/support/test.h"

// Both masks of a pixel, at one logit.
struct pixel {
    double log_likelihood[2];
    float mean[2], d_logits[2];
};

static struct pixel pixel_at(const struct gb_backend *backend, const struct gb_bernoulli *bernoulli,
                             float logit) {
    struct pixel pixel = {0};
    float y[2] = {0, 1}, logits[2] = {logit, logit}, scratch[2];
    const float ones[2] = {1, 1};
    const struct gb_tensor y_view = gb_dense(y, 2, 1, 1, 1);
    const struct gb_tensor logits_view = gb_dense(logits, 2, 1, 1, 1);
    const struct gb_tensor mean = gb_dense(pixel.mean, 2, 1, 1, 1);
    const struct gb_tensor d_logits = gb_dense(pixel.d_logits, 2, 1, 1, 1);
    const struct gb_exec exec = {.threads = 1, .scratch = scratch, .scratch_bytes = sizeof scratch};
    backend->bernoulli_forward(&exec, bernoulli, &y_view, &logits_view, pixel.log_likelihood);
    backend->bernoulli_mean(&exec, bernoulli, &logits_view, &mean);
    backend->bernoulli_backward(&exec, bernoulli, &y_view, &logits_view, ones, &d_logits);
    return pixel;
}

// Binary cross-entropy: the mean is p, the gradient y - p.
GB_TEST(weights_of_one_give_cross_entropy) {
    const struct gb_bernoulli plain = {1, 1, false};
    GB_CHECK_EACH_BACKEND(backend)
        for (float logit = -30; logit <= 30; logit += 2.5f) {
            const struct pixel pixel = pixel_at(backend, &plain, logit);
            const double p = 1 / (1 + exp(-logit)), q = 1 / (1 + exp(logit));
            const double e = 16 * GB_CHECK_ROUNDING * (1 + fabs(logit));
            assert_number("log q", pixel.log_likelihood[0], log(q), e);
            assert_number("log p", pixel.log_likelihood[1], log(p), e);
            assert_number("mean", pixel.mean[0], p, e * p);
            assert_number("gradient at 0", pixel.d_logits[0], -p, e * p);
            assert_number("gradient at 1", pixel.d_logits[1], q, e * q);
        }
}

// With the normaliser the two masks of a pixel share the probability.
GB_TEST(normalised_probabilities_sum_to_one) {
    static const struct gb_bernoulli normalised[] = {{0.9f, 0.1f, true}, {0.1f, 0.9f, true}};
    GB_CHECK_EACH_BACKEND(backend)
        for (int b = 0; b < 2; b++)
            for (float logit = -30; logit <= 30; logit += 2.5f) {
                const struct pixel pixel = pixel_at(backend, &normalised[b], logit);
                const double zero = exp(pixel.log_likelihood[0]);
                const double one = exp(pixel.log_likelihood[1]);
                assert_number("sum", zero + one, 1, 1e-6);
                assert_number("mean", pixel.mean[0], one, 1e-6);
            }
}
