// SPDX-License-Identifier: MIT
#include <math.h>

#include "tests/kernels/check.h"
#include "tests/kernels/kernel_check.h"
#include "tests/support/test.h"

enum { MASK, U }; // operands in all directions; of the inverse v instead of u

// u from -12 to 12, in no order.
static float wide(int n, int y, int x, int c) {
    const int step = (n * 41 + y * 13 + x * 29 + c * 37) % 97;
    return -12 + 0.25f * (float)step;
}

static void widen(const struct gb_call *call, bool inverse) {
    const struct gb_tensor *to = &call->operand[U];
    for (int n = 0; n < to->n; n++)
        for (int y = 0; y < to->h; y++)
            for (int x = 0; x < to->w; x++)
                for (int c = 0; c < to->c; c++) {
                    const float u = wide(n, y, x, c);
                    const double sign = gb_at(&call->operand[MASK], n, y, x)[c] == 1 ? 1 : -1;
                    gb_at(to, n, y, x)[c] = inverse ? (float)(0.5 + sign * log1p(exp(u))) : u;
                }
}

static void widen_u(const struct gb_call *call) {
    widen(call, false);
}

static void widen_v(const struct gb_call *call) {
    widen(call, true);
}

// Where softplus is nearly exponential, and where it is nearly u itself.
GB_TEST(holds_for_a_wide_range) {
    struct gb_operation operation = gb_dequantise_operation;
    operation.kernels[GB_FORWARD].prepare = widen_u;
    operation.kernels[GB_INVERSE].prepare = widen_v;
    operation.kernels[GB_BACKWARD].prepare = widen_u;
    for (const char *const *edge = operation.edges; *edge; edge++)
        assert_true(gb_check_problem(&operation, *edge));
}

// v is above 1/2 where the mask is 1, and inverse(forward) is u within the bounds of both.
GB_TEST(v_has_the_mask_and_u) {
    GB_CHECK_EACH_BACKEND(backend) {
        struct gb_tensor mask = gb_check_view("mask", 2, 3, 11, 19, GB_CHECK_SLICE);
        struct gb_tensor v = gb_check_view("v", 2, 3, 11, 19, GB_CHECK_SLICE);
        struct gb_tensor u = gb_check_view("u", 2, 3, 11, 19, GB_CHECK_SLICE);
        double *log_det = gb_check_doubles("log det", 2);
        const struct gb_exec exec = gb_check_exec(1, gb_dequantise_scratch_bytes(&u));
        gb_check_fill(&mask, GB_CHECK_INTEGERS, 1);
        for (int i = 0; i < 2 * 3 * 11 * 19; i++) {
            const int at[] = {i / 19 / 33, i / 19 / 11 % 3, i / 19 % 11, i % 19};
            float *m = gb_at(&mask, at[0], at[1], at[2]) + at[3];
            *m = *m > 0;
            gb_at(&u, at[0], at[1], at[2])[at[3]] = wide(at[0], at[1], at[2], at[3]);
        }
        backend->dequantise_forward(&exec, &mask, &u, &v, log_det);
        backend->dequantise_inverse(&exec, &mask, &v, &u);
        for (int i = 0; i < 2 * 3 * 11 * 19; i++) {
            const int at[] = {i / 19 / 33, i / 19 / 11 % 3, i / 19 % 11, i % 19};
            const double want = wide(at[0], at[1], at[2], at[3]), slope = 1 / (1 + exp(-want));
            const float v_at = gb_at(&v, at[0], at[1], at[2])[at[3]];
            assert_int_equal(v_at > 0.5f, gb_at(&mask, at[0], at[1], at[2])[at[3]] == 1);
            assert_true(gb_check_number("u", gb_at(&u, at[0], at[1], at[2])[at[3]], want,
                                        10 * GB_CHECK_ROUNDING *
                                            ((1 + fabs((double)v_at)) / slope + fabs(want))));
        }
        gb_check_free();
    }
}
