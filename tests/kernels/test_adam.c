// SPDX-License-Identifier: MIT
#include <math.h>
#include <string.h>

#include "tests/kernels/check.h"
#include "tests/support/test.h"

static const struct gb_adam settings = {
    .learning_rate = 1e-3f, .beta1 = 0.9f, .beta2 = 0.999f, .epsilon = 1e-8f, .clip = 0.25f};

struct arrays {
    float *gradient, *weights, *moment1, *moment2;
};

static struct arrays make_arrays(size_t count, enum gb_check_fill fill) {
    struct arrays a = {gb_check_floats("gradient", count, GB_CHECK_FLUSH),
                       gb_check_floats("weights", count, GB_CHECK_FLUSH),
                       gb_check_floats("moment 1", count, GB_CHECK_FLUSH),
                       gb_check_floats("moment 2", count, GB_CHECK_FLUSH)};
    gb_check_fill_floats(a.gradient, count, fill, 1);
    gb_check_fill_floats(a.weights, count, fill, 2);
    gb_check_fill_floats(a.moment1, count, fill, 3);
    gb_check_fill_floats(a.moment2, count, fill, 4);
    for (size_t i = 0; i < count; i++)
        a.moment2[i] = fabsf(a.moment2[i]);
    return a;
}

static void assert_same_arrays(size_t count, const struct arrays *a, const struct arrays *b) {
    assert_true(gb_check_same_floats("gradient", count, a->gradient, b->gradient));
    assert_true(gb_check_same_floats("weights", count, a->weights, b->weights));
    assert_true(gb_check_same_floats("moment 1", count, a->moment1, b->moment1));
    assert_true(gb_check_same_floats("moment 2", count, a->moment2, b->moment2));
}

static void step(const struct gb_backend *backend, int threads, const struct gb_adam *adam,
                 size_t first, size_t count, const struct arrays *a) {
    const struct gb_exec exec = {.threads = threads};
    backend->adam(&exec, adam, count, a->gradient + first, a->weights + first, a->moment1 + first,
                  a->moment2 + first);
}

GB_TEST(bias_corrections_are_those_of_the_step) {
    const struct gb_adam adam = gb_adam_at_step(settings, 10);
    const double beta1 = adam.beta1, beta2 = adam.beta2;
    assert_true(gb_check_number("correction 1", adam.correction1, 1 / (1 - pow(beta1, 10)), 1e-7));
    assert_true(gb_check_number("correction 2", adam.correction2, 1 / (1 - pow(beta2, 10)), 1e-5));
}

// Arrays that are updated in two pieces have the bits of one call, at any alignment.
GB_TEST(bits_do_not_depend_on_the_position) {
    static const size_t counts[] = {1, 7, 8, 9, 15, 16, 17, 100, 32769};
    const struct gb_adam adam = gb_adam_at_step(settings, 3);
    for (size_t c = 0; c < sizeof counts / sizeof counts[0]; c++) {
        const size_t count = counts[c], cut = count / 3;
        GB_CHECK_EACH_BACKEND(backend) {
            const struct arrays want = make_arrays(count, GB_CHECK_PATHOLOGICAL);
            const struct arrays a = make_arrays(count, GB_CHECK_PATHOLOGICAL);
            step(backend, 1, &adam, 0, count, &want);
            step(backend, 1, &adam, 0, cut, &a);
            step(backend, 1, &adam, cut, count - cut, &a);
            assert_same_arrays(count, &want, &a);
        }
        assert_true(gb_check_guards());
        gb_check_free();
    }
}

GB_TEST(clips_only_where_asked) {
    struct gb_adam adam = settings;
    adam.clip = INFINITY;
    adam = gb_adam_at_step(adam, 1);
    GB_CHECK_EACH_BACKEND(backend) {
        struct arrays a = make_arrays(3, GB_CHECK_INTEGERS);
        memcpy(a.gradient, (const float[]){1e6f, -1e6f, NAN}, 3 * sizeof(float));
        memset(a.moment1, 0, 3 * sizeof(float));
        memset(a.moment2, 0, 3 * sizeof(float));
        step(backend, 1, &adam, 0, 3, &a);
        assert_true(gb_check_number("unclipped", a.moment1[0], (1 - adam.beta1) * 1e6f, 0));
        assert_true(gb_check_number("unclipped", a.moment1[1], -(1 - adam.beta1) * 1e6f, 0));
        // Clipping keeps a NaN.
        assert_true(isnan(a.weights[2]));
    }
    gb_check_free();
}

// Weights that never had a gradient, such as padding, stay as they are; a gradient whose square
// underflows still moves the first moment.
GB_TEST(takes_moments_of_zero) {
    const struct gb_adam adam = gb_adam_at_step(settings, 1);
    GB_CHECK_EACH_BACKEND(backend) {
        struct arrays a = make_arrays(2, GB_CHECK_INTEGERS);
        const float gradients[] = {0, 1e-25f}, weights[] = {0.5f, 0.5f};
        memcpy(a.gradient, gradients, sizeof gradients);
        memcpy(a.weights, weights, sizeof weights);
        memset(a.moment1, 0, 2 * sizeof(float));
        memset(a.moment2, 0, 2 * sizeof(float));
        step(backend, 1, &adam, 0, 2, &a);
        assert_true(gb_check_number("no gradient", a.weights[0], 0.5, 0));
        assert_true(gb_check_number("tiny gradient", a.weights[1], 0.5, 1e-7));
    }
    gb_check_free();
}
