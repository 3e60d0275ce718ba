// SPDX-License-Identifier: MIT
#include <math.h>
#include <string.h>

#include "tests/kernels/check.h"
#include "tests/support/test.h"

static const struct gb_adam settings = {
    .learning_rate = 1e-3f, .beta1 = 0.9f, .beta2 = 0.999f, .epsilon = 1e-8f, .clip = 0.25f};

enum { GRADIENT, WEIGHTS, MOMENT1, MOMENT2, ARRAYS };
static const char *const names[ARRAYS] = {"gradient", "weights", "moment 1", "moment 2"};
struct arrays {
    float *of[ARRAYS];
};

static struct arrays make_arrays(size_t count, enum gb_check_fill fill) {
    struct arrays a;
    for (uint32_t i = 0; i < ARRAYS; i++) {
        a.of[i] = gb_check_floats(names[i], count, GB_CHECK_FLUSH);
        gb_check_fill_floats(a.of[i], count, fill, i + 1);
    }
    for (size_t i = 0; i < count; i++)
        a.of[MOMENT2][i] = fabsf(a.of[MOMENT2][i]);
    return a;
}

// Moments of zero.
static struct arrays first_step(size_t count, const float *gradients) {
    struct arrays a = make_arrays(count, GB_CHECK_INTEGERS);
    memcpy(a.of[GRADIENT], gradients, count * sizeof *gradients);
    memset(a.of[MOMENT1], 0, count * sizeof *gradients);
    memset(a.of[MOMENT2], 0, count * sizeof *gradients);
    return a;
}

static void step(const struct gb_backend *backend, const struct gb_adam *adam, size_t first,
                 size_t count, const struct arrays *a) {
    const struct gb_exec exec = {.threads = 1};
    const struct gb_adam_target target = {.adam = adam,
                                          .weights = a->of[WEIGHTS],
                                          .moment1 = a->of[MOMENT1],
                                          .moment2 = a->of[MOMENT2]};
    backend->adam(&exec, &target, first, count, a->of[GRADIENT] + first);
}

GB_TEST(bias_corrections_are_those_of_the_step) {
    const struct gb_adam adam = gb_adam_at_step(settings, 10);
    const double beta1 = adam.beta1, beta2 = adam.beta2;
    assert_number("correction 1", adam.correction1, 1 / (1 - pow(beta1, 10)), 1e-7);
    assert_number("correction 2", adam.correction2, 1 / (1 - pow(beta2, 10)), 1e-5);
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
            step(backend, &adam, 0, count, &want);
            step(backend, &adam, 0, cut, &a);
            step(backend, &adam, cut, count - cut, &a);
            for (int i = 0; i < ARRAYS; i++)
                assert_true(gb_check_same_floats(names[i], count, want.of[i], a.of[i]));
        }
        assert_true(gb_check_guards());
        gb_check_free();
    }
}

// Split weights come out as the float ones, whole and in pieces, at any alignment.
GB_TEST(split_weights_have_the_bits_of_floats) {
    static const size_t counts[] = {1, 7, 16, 17, 100, 255, 257, 32769};
    const struct gb_adam adam = gb_adam_at_step(settings, 3);
    for (size_t c = 0; c < sizeof counts / sizeof counts[0]; c++) {
        const size_t count = counts[c], cut = count / 3;
        GB_CHECK_EACH_BACKEND(backend) {
            const struct gb_exec exec = {.threads = 2};
            const struct arrays want = make_arrays(count, GB_CHECK_PATHOLOGICAL);
            const struct arrays a = make_arrays(count, GB_CHECK_PATHOLOGICAL);
            float *halves = gb_check_floats("halves", count, GB_CHECK_FLUSH);
            gb_bf16_split_array(count, a.of[WEIGHTS], halves);
            const struct gb_adam_target target = {.adam = &adam,
                                                  .weights = halves,
                                                  .moment1 = a.of[MOMENT1],
                                                  .moment2 = a.of[MOMENT2],
                                                  .split = count};
            step(backend, &adam, 0, count, &want);
            backend->adam(&exec, &target, 0, cut, a.of[GRADIENT]);
            backend->adam(&exec, &target, cut, count - cut, a.of[GRADIENT] + cut);
            gb_bf16_join_array(count, halves, a.of[WEIGHTS]);
            for (int i = 0; i < ARRAYS; i++)
                assert_true(gb_check_same_floats(names[i], count, want.of[i], a.of[i]));
        }
        assert_true(gb_check_guards());
        gb_check_free();
    }
}

// bf16 moments: one of the two neighbours of the float moment, by the element's own random number,
// so that pieces and backends agree, and with its mean.
GB_TEST(bf16_moments_are_rounded_without_bias) {
    enum { COUNT = 40001, FIRST = 5 };
    struct gb_adam adam = gb_adam_at_step(settings, 3);
    adam.seed = 11;
    gb_bf16 *reference = NULL;
    GB_CHECK_EACH_BACKEND(backend) {
        const struct gb_exec exec = {.threads = 2};
        const struct arrays want = make_arrays(COUNT, GB_CHECK_NORMAL);
        const struct arrays a = make_arrays(COUNT, GB_CHECK_NORMAL);
        gb_bf16 *halves[2];
        double error = 0, spacing = 0;
        for (int m = 0; m < 2; m++) {
            halves[m] = (gb_bf16 *)gb_check_floats("halves", COUNT, GB_CHECK_FLUSH);
            for (size_t i = 0; i < COUNT; i++) {
                halves[m][i] = gb_bf16_round(want.of[MOMENT1 + m][i]);
                want.of[MOMENT1 + m][i] = gb_bf16_value(halves[m][i]);
            }
        }
        const struct gb_adam_target target = {.adam = &adam,
                                              .weights = a.of[WEIGHTS],
                                              .moment1 = (float *)halves[0],
                                              .moment2 = (float *)halves[1],
                                              .bf16_moments = true,
                                              .element = 3};
        step(backend, &adam, 0, COUNT, &want);
        backend->adam(&exec, &target, 0, FIRST, a.of[GRADIENT]);
        backend->adam(&exec, &target, FIRST, COUNT - FIRST, a.of[GRADIENT] + FIRST);
        assert_true(gb_check_same_floats("weights", COUNT, want.of[WEIGHTS], a.of[WEIGHTS]));
        for (int m = 0; m < 2; m++)
            for (size_t i = 0; i < COUNT; i++) {
                const float exact = want.of[MOMENT1 + m][i], got = gb_bf16_value(halves[m][i]);
                assert_true(fabsf(got - exact) <= 0x1p-7f * fabsf(exact));
                error += (double)(got - exact);
                spacing += (double)fabsf(exact) * 0x1p-8;
            }
        assert_true(fabs(error) < 0.02 * spacing); // about four standard deviations
        if (reference)
            assert_memory_equal(reference, halves[0], COUNT * sizeof *reference);
        else
            reference = halves[0];
    }
    assert_true(gb_check_guards());
    gb_check_free();
}

GB_TEST(clips_only_where_asked) {
    struct gb_adam adam = settings;
    adam.clip = INFINITY;
    adam = gb_adam_at_step(adam, 1);
    GB_CHECK_EACH_BACKEND(backend) {
        const struct arrays a = first_step(3, (const float[]){1e6f, -1e6f, NAN});
        step(backend, &adam, 0, 3, &a);
        assert_number("unclipped", a.of[MOMENT1][0], (1 - adam.beta1) * 1e6f, 0);
        assert_number("unclipped", a.of[MOMENT1][1], -(1 - adam.beta1) * 1e6f, 0);
        // Clipping keeps a NaN.
        assert_true(isnan(a.of[WEIGHTS][2]));
    }
    gb_check_free();
}

// Weights that never had a gradient, such as padding, stay as they are; a gradient whose square
// underflows still moves the first moment.
GB_TEST(takes_moments_of_zero) {
    const struct gb_adam adam = gb_adam_at_step(settings, 1);
    GB_CHECK_EACH_BACKEND(backend) {
        const struct arrays a = first_step(2, (const float[]){0, 1e-25f});
        a.of[WEIGHTS][0] = a.of[WEIGHTS][1] = 0.5f;
        step(backend, &adam, 0, 2, &a);
        assert_number("no gradient", a.of[WEIGHTS][0], 0.5, 0);
        assert_number("tiny gradient", a.of[WEIGHTS][1], 0.5, 1e-7);
    }
    gb_check_free();
}
