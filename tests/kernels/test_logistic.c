// SPDX-License-Identifier: MIT
#include <math.h>

#include "tests/kernels/check.h"
#include "tests/kernels/kernel_check.h"
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
    for (int n = 0; n < x->n; n++)
        for (int i = 0; i < x->h; i++)
            for (int j = 0; j < x->w; j++)
                for (int c = 0; c < x->c; c++, index += 3) {
                    float *pixel = gb_at(raw, n, i, j);
                    pixel[c] = 0.4f * gb_random_normal(&key, index);
                    pixel[x->c + c] = 1.5f * gb_random_normal(&key, index + 1) - 3;
                    float level = rintf(
                        (pixel[c] + 0.5f + 0.1f * gb_random_normal(&key, index + 2)) * levels);
                    gb_at(x, n, i, j)[c] = fminf(fmaxf(level, 0), levels - 1) / levels;
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

// The log-probability of a level in double, by the definition: a difference of two sigmoids, of the
// side on which it has its digits.
static double sigmoid(double x) {
    return 1 / (1 + exp(-x));
}
static double log_probability(int levels, double x, double mean, double scale) {
    const double lower = (x - 0.5 / levels - mean) / scale,
                 upper = (x + 0.5 / levels - mean) / scale;
    const bool first = x<0.5 / levels, last = x> 1 - 1.5 / levels;
    if (lower + upper > 0)
        return log((first ? 1 : sigmoid(-lower)) - (last ? 0 : sigmoid(-upper)));
    return log((last ? 1 : sigmoid(upper)) - (first ? 0 : sigmoid(lower)));
}

// One sample for each level, all of one mean and scale.
enum { LEVELS = 256 };
static void one_distribution(float mean, float log_scale, const struct gb_tensor *x,
                             const struct gb_tensor *raw) {
    for (int level = 0; level < LEVELS; level++) {
        *gb_at(x, level, 0, 0) = (float)level / LEVELS;
        gb_at(raw, level, 0, 0)[0] = mean - 0.5f;
        gb_at(raw, level, 0, 0)[1] = log_scale;
    }
}

static const struct {
    float mean, log_scale;
} distributions[] = {{0.5f, -3},  {0.3f, -6},    {0.7f, -8}, {0, -2},    {1, -1},
                     {-0.4f, -3}, {1.7f, -1.5f}, {0.5f, 4},  {0.21f, 20}};
enum { DISTRIBUTIONS = sizeof distributions / sizeof *distributions };

GB_TEST(probabilities_sum_to_one) {
    GB_CHECK_EACH_BACKEND(backend)
        for (int d = 0; d < DISTRIBUTIONS; d++) {
            struct gb_tensor x = gb_check_view("x", LEVELS, 1, 1, 1, GB_CHECK_FLUSH);
            struct gb_tensor raw = gb_check_view("raw", LEVELS, 1, 1, 2, GB_CHECK_FLUSH);
            double *log_likelihood = gb_check_doubles("log likelihood", LEVELS), sum = 0;
            const struct gb_exec exec = gb_check_exec(1, gb_logistic_scratch_bytes(&x));
            one_distribution(distributions[d].mean, distributions[d].log_scale, &x, &raw);
            backend->logistic_forward(&exec, LEVELS, &x, &raw, log_likelihood);
            for (int level = 0; level < LEVELS; level++)
                sum += exp(log_likelihood[level]);
            assert_true(gb_check_number("sum", sum, 1, 2e-6));
            gb_check_free();
        }
}

// Every uniform number of a grid once: each level as often as its probability says, within its two
// ends.
GB_TEST(samples_have_their_probabilities) {
    enum { DRAWS = 1 << 14 };
    GB_CHECK_EACH_BACKEND(backend)
        for (int d = 0; d < DISTRIBUTIONS; d++) {
            struct gb_tensor x = gb_check_view("x", 1, 1, DRAWS, 1, GB_CHECK_FLUSH);
            struct gb_tensor raw = gb_check_view("raw", 1, 1, DRAWS, 2, GB_CHECK_FLUSH);
            for (int i = 0; i < DRAWS; i++) {
                *gb_at(&x, 0, 0, i) = (float)i / DRAWS;
                gb_at(&raw, 0, 0, i)[0] = distributions[d].mean - 0.5f;
                gb_at(&raw, 0, 0, i)[1] = distributions[d].log_scale;
            }
            backend->logistic_sample(&(struct gb_exec){.threads = 1}, LEVELS, &x, &raw, 1, &x);
            int count[LEVELS] = {0};
            for (int i = 0; i < DRAWS; i++)
                count[(int)(*gb_at(&x, 0, 0, i) * LEVELS)]++;
            for (int level = 0; level < LEVELS; level++) {
                const double p =
                    exp(log_probability(LEVELS, (double)level / LEVELS, distributions[d].mean,
                                        exp(distributions[d].log_scale)));
                assert_true(gb_check_number("count", count[level], p * DRAWS, 2));
            }
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
