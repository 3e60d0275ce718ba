// SPDX-License-Identifier: MIT
#include <math.h>

#include "tests/kernels/check.h"
#include "tests/support/test.h"

enum { X, RAW }; // operands of forward and backward

// Levels around the means, among them the first and the last; scales from a tenth of a level to
// the whole range.
static void spread_raw(const struct gb_call *call) {
    const struct gb_tensor *x = &call->operand[X], *raw = &call->operand[RAW];
    const struct gb_logistic_problem *problem = call->problem;
    const float levels = (float)problem->levels;
    const struct gb_random_key key = {.seed = gb_check_seed(), .purpose = GB_RANDOM_TEST};
    uint32_t index = 0;
    GB_EACH_ELEMENT(x, at) {
        float *pixel = gb_at(raw, at[0], at[1], at[2]), *mean = pixel + at[3];
        *mean = 0.4f * gb_random_normal(&key, index);
        pixel[x->c + at[3]] = 1.5f * gb_random_normal(&key, index + 1) - 3;
        float level = rintf((*mean + 0.5f + 0.1f * gb_random_normal(&key, index + 2)) * levels);
        *gb_element(x, at) = fminf(fmaxf(level, 0), levels - 1) / levels;
        index += 3;
    }
}

GB_TEST(holds_for_narrow_and_wide_scales) {
    struct gb_operation operation = gb_logistic_operation;
    operation.kernels[GB_FORWARD].prepare = spread_raw;
    operation.kernels[GB_BACKWARD].prepare = spread_raw;
    operation.kernels[GB_SAMPLE].call = NULL;
    for (const char *const *edge = operation.edges; *edge; edge++)
        assert_true(gb_check_problem(&operation, *edge));
}

enum { LEVELS = 256 };
static const struct distribution {
    float mean, log_scale;
} distributions[] = {{0.5f, -3},  {0.3f, -6},    {0.7f, -8}, {0, -2},    {1, -1},
                     {-0.4f, -3}, {1.7f, -1.5f}, {0.5f, 4},  {0.21f, 20}};
enum { DISTRIBUTIONS = sizeof distributions / sizeof *distributions };

// x = 0, 1/count, ... in `count` images, all of one mean and scale.
static void one_distribution(const struct distribution *d, int count, struct gb_tensor *x,
                             struct gb_tensor *raw) {
    *x = gb_check_view("x", count, 1, 1, 1, GB_CHECK_FLUSH);
    *raw = gb_check_view("raw", count, 1, 1, 2, GB_CHECK_FLUSH);
    for (int i = 0; i < count; i++) {
        *gb_at(x, i, 0, 0) = (float)i / (float)count;
        gb_at(raw, i, 0, 0)[0] = d->mean - 0.5f;
        gb_at(raw, i, 0, 0)[1] = d->log_scale;
    }
}

// The levels' probabilities sum to 1, and of every uniform number of a grid each level is drawn as
// often as its probability says, within its two ends.
GB_TEST(samples_have_their_probabilities) {
    enum { DRAWS = 1 << 14 };
    GB_CHECK_EACH_BACKEND(backend)
        for (int d = 0; d < DISTRIBUTIONS; d++) {
            struct gb_tensor x, raw;
            double *log_likelihood = gb_check_doubles("log likelihood", LEVELS), sum = 0;
            one_distribution(&distributions[d], LEVELS, &x, &raw);
            const struct gb_exec exec = gb_check_exec(1, gb_row_sums_bytes(&x));
            backend->logistic_forward(&exec, LEVELS, &x, &raw, log_likelihood);
            one_distribution(&distributions[d], DRAWS, &x, &raw);
            backend->logistic_sample(&exec, LEVELS, &x, &raw, 1, &x);
            int count[LEVELS] = {0};
            for (int i = 0; i < DRAWS; i++)
                count[(int)(*gb_at(&x, i, 0, 0) * LEVELS)]++;
            for (int level = 0; level < LEVELS; level++) {
                const double p = exp(log_likelihood[level]);
                assert_number("count", count[level], p * DRAWS, 2);
                sum += p;
            }
            assert_number("sum", sum, 1, 2e-6);
            gb_check_free();
        }
}

GB_TEST(temperature_zero_gives_the_mean) {
    GB_CHECK_EACH_BACKEND(backend) {
        float u[4] = {0, 0.1f, 0.9f, 1 - 0x1p-24f}, out[4];
        float raw[8] = {-0.25f, 1, 0, 9, 0.3f, -2, 3, 1};
        struct gb_tensor uniform = gb_dense(u, 1, 1, 4, 1), x = gb_dense(out, 1, 1, 4, 1);
        struct gb_tensor raw_view = gb_dense(raw, 1, 1, 4, 2);
        backend->logistic_sample(&(struct gb_exec){.threads = 1}, LEVELS, &uniform, &raw_view, 0,
                                 &x);
        assert_true(out[0] == 0.25f && out[1] == 0.5f);
        assert_true(out[2] == 205.0f / 256 && out[3] == 255.0f / 256);
    }
}
