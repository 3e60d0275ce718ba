// SPDX-License-Identifier: MIT
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "kernels/natives.h"
#include "tests/kernels/check.h"
#include "tests/kernels/math_body.h"
#include "tests/support/test.h"

enum { BATCH = 4096 };

static double sigmoid(double x) {
    return 1 / (1 + exp(-x));
}
static double softplus(double x) {
    return fmax(x, 0) + log1p(exp(-fabs(x)));
}
static double log_one_minus_exp(double y) {
    return log(-expm1(-y));
}
static double softplus_inverse(double y) {
    return y + log_one_minus_exp(y);
}

// Reduced by hand: the quarters exactly, the rest within an eighth of a turn.
static double sine(double u) {
    const double TWO_PI = 6.283185307179586;
    double quarter = rint(4 * u), r = TWO_PI * (u - quarter / 4);
    const double values[4] = {sin(r), cos(r), -sin(r), -cos(r)};
    return values[(int)quarter & 3];
}
static double cosine(double u) {
    return sine(u + 0.25);
}

static const struct function {
    const char *name;
    enum gb_check_function function;
    double (*oracle)(double);
    double ulps;     // the error that math.h states
    float low, high; // where it holds
    bool near_one;   // in units of the last place of 1 + |result|
} functions[] = {
    {"exp", GB_CHECK_EXP, exp, 1.01, -87.3f, 88.7f, false},
    {"log", GB_CHECK_LOG, log, 0.86, 0x1p-126f, INFINITY, false},
    {"tanh", GB_CHECK_TANH, tanh, 1.34, -INFINITY, INFINITY, false},
    {"sigmoid", GB_CHECK_SIGMOID, sigmoid, 2.49, -87.3f, INFINITY, false},
    {"expm1", GB_CHECK_EXPM1, expm1, 1.50, -INFINITY, 87.0f, false},
    {"softplus", GB_CHECK_SOFTPLUS, softplus, 1.75, -87.3f, INFINITY, false},
    {"log(1 - exp)", GB_CHECK_LOG_ONE_MINUS_EXP, log_one_minus_exp, 0.95, 0x1p-126f, INFINITY,
     true},
    {"softplus inverse", GB_CHECK_SOFTPLUS_INVERSE, softplus_inverse, 1.65, 0x1p-126f, INFINITY,
     true},
    {"sine", GB_CHECK_SINE, sine, 0.99, 0, 1, false},
    {"cosine", GB_CHECK_COSINE, cosine, 0.99, 0, 1, false},
};
enum { FUNCTIONS = sizeof functions / sizeof functions[0] };

// Best first; the last is scalar, which the others must agree with.
static const struct instance {
    const struct gb_backend *backend;
    gb_check_math_fn *run;
} instances[] = {
#define INSTANCE(isa) {&gb_backend__##isa, gb_check_math__##isa},
    GB_ISAS(INSTANCE)
#undef INSTANCE
};
enum { INSTANCES = sizeof instances / sizeof instances[0], SCALAR = INSTANCES - 1 };

static double error_in_ulps(float got, double want, bool near_one) {
    if (got == want)
        return 0;
    int exponent;
    frexp(near_one ? 1 + fabs(want) : want, &exponent);
    return fabs(got - want) / ldexp(1, (exponent < -125 ? -125 : exponent) - 24);
}

static float float_of(uint32_t bits) {
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

// Every 1009th float in the function's domain, and for the sine and cosine every 13th multiple of
// 2^-24: the primes meet all bit patterns in time.
static size_t next_batch(const struct function *f, uint64_t *position, float *x) {
    size_t count = 0;
    if (f->function == GB_CHECK_SINE || f->function == GB_CHECK_COSINE) {
        for (; count < BATCH && *position <= 1 << 24; *position += 13)
            x[count++] = (float)*position * 0x1p-24f;
        return count;
    }
    for (; count < BATCH && *position < (uint64_t)1 << 32; *position += 1009) {
        float value = float_of((uint32_t)*position);
        if (value >= f->low && value <= f->high && fabsf(value) >= 0x1p-126f)
            x[count++] = value;
    }
    return count;
}

GB_TEST(stays_within_its_error) {
    static float x[BATCH], y[INSTANCES][BATCH];
    for (const struct function *f = functions; f < functions + FUNCTIONS; f++) {
        double worst = 0;
        uint64_t position = 0;
        for (size_t count; (count = next_batch(f, &position, x)) > 0;) {
            memset(x + count, 0, (BATCH - count) * sizeof *x);
            instances[SCALAR].run(f->function, BATCH, x, y[SCALAR]);
            for (size_t i = 0; i < count; i++)
                worst = fmax(worst, error_in_ulps(y[SCALAR][i], f->oracle(x[i]), f->near_one));
            for (int k = 0; k < SCALAR; k++) {
                if (!gb_backend_supported(instances[k].backend))
                    continue;
                instances[k].run(f->function, BATCH, x, y[k]);
                assert_true(
                    gb_check_same_floats(instances[k].backend->name, count, y[SCALAR], y[k]));
            }
        }
        print_message("%s: %.3f ulp\n", f->name, worst);
        assert_true(worst > 0.4 && worst <= f->ulps);
    }
}

// One value through every instance; they must agree.
static float value_of(enum gb_check_function function, float argument) {
    float x[16], y[16];
    for (int i = 0; i < 16; i++)
        x[i] = argument;
    instances[SCALAR].run(function, 16, x, y);
    const float result = y[0];
    for (int k = 0; k < INSTANCES; k++) {
        if (!gb_backend_supported(instances[k].backend))
            continue;
        instances[k].run(function, 16, x, y);
        for (int i = 0; i < 16; i++)
            assert_true(y[i] == result || (isnan(y[i]) && isnan(result)));
    }
    return result;
}

GB_TEST(has_the_right_limits) {
    assert_true(value_of(GB_CHECK_EXP, INFINITY) == INFINITY);
    assert_true(value_of(GB_CHECK_EXP, 88.8f) == INFINITY);
    assert_true(isfinite(value_of(GB_CHECK_EXP, 88.7f)));
    assert_true(value_of(GB_CHECK_EXP, -104) == 0);
    assert_true(value_of(GB_CHECK_EXP, -INFINITY) == 0);
    assert_true(value_of(GB_CHECK_EXP, 0) == 1);
    assert_true(value_of(GB_CHECK_LOG, 0) == -INFINITY);
    assert_true(value_of(GB_CHECK_LOG, -0.0f) == -INFINITY);
    assert_true(value_of(GB_CHECK_LOG, 1) == 0);
    assert_true(value_of(GB_CHECK_LOG, INFINITY) == INFINITY);
    assert_true(isnan(value_of(GB_CHECK_LOG, -1)));
    assert_true(isnan(value_of(GB_CHECK_LOG, -INFINITY)));
    assert_true(value_of(GB_CHECK_TANH, 9.02f) == 1);
    assert_true(value_of(GB_CHECK_TANH, INFINITY) == 1);
    assert_true(value_of(GB_CHECK_TANH, -INFINITY) == -1);
    assert_true(signbit(value_of(GB_CHECK_TANH, -0.0f)));
    assert_true(value_of(GB_CHECK_SIGMOID, 0) == 0.5f);
    assert_true(value_of(GB_CHECK_SIGMOID, INFINITY) == 1);
    assert_true(value_of(GB_CHECK_SIGMOID, -INFINITY) == 0);
    assert_true(value_of(GB_CHECK_EXPM1, -INFINITY) == -1);
    assert_true(value_of(GB_CHECK_EXPM1, 0) == 0);
    assert_true(value_of(GB_CHECK_SOFTPLUS, -INFINITY) == 0);
    assert_true(value_of(GB_CHECK_SOFTPLUS, INFINITY) == INFINITY);
    assert_true(value_of(GB_CHECK_LOG_ONE_MINUS_EXP, INFINITY) == 0);
    assert_true(value_of(GB_CHECK_LOG_ONE_MINUS_EXP, 0) == -INFINITY);
    assert_true(value_of(GB_CHECK_SOFTPLUS_INVERSE, INFINITY) == INFINITY);
    assert_true(value_of(GB_CHECK_SOFTPLUS_INVERSE, 0) == -INFINITY);
    const float quarters[5][3] = {
        {0, 0, 1}, {0.25f, 1, 0}, {0.5f, 0, -1}, {0.75f, -1, 0}, {1, 0, 1}};
    for (int i = 0; i < 5; i++) {
        assert_true(value_of(GB_CHECK_SINE, quarters[i][0]) == quarters[i][1]);
        assert_true(value_of(GB_CHECK_COSINE, quarters[i][0]) == quarters[i][2]);
    }
    for (int f = GB_CHECK_EXP; f <= GB_CHECK_SOFTPLUS_INVERSE; f++)
        assert_true(isnan(value_of((enum gb_check_function)f, NAN)));
}
