// SPDX-License-Identifier: MIT
#include <math.h>

#include "tests/kernels/check.h"
#include "tests/support/test.h"

// Moves v to about 1000, where the square of the mean would drown the variance.
static void move_far_from_zero(const struct gb_call *call) {
    const struct gb_tensor *v = &call->operand[0];
    GB_EACH_ELEMENT(v, at)
        if (*gb_element(v, at) < 500)
            *gb_element(v, at) += 1000;
}

GB_TEST(keep_their_digits_far_from_zero) {
    struct gb_operation far = gb_moments_operation;
    far.kernels[GB_FORWARD].prepare = move_far_from_zero;
    for (const char *const *edge = far.edges; *edge; edge++)
        assert_true(gb_check_problem(&far, *edge));
}

GB_TEST(constant_channels_have_no_variance) {
    GB_CHECK_EACH_BACKEND(backend) {
        const struct gb_tensor v = gb_check_view("v", 2, 3, 4, 5, GB_CHECK_SLICE);
        GB_EACH_ELEMENT(&v, at)
            *gb_element(&v, at) = (float)at[3] - 2;
        const struct gb_exec exec = gb_check_exec(1, gb_moments_scratch_bytes(&v));
        float mean[5], variance[5];
        backend->moments(&exec, &v, mean, variance, 0);
        for (int c = 0; c < 5; c++) {
            assert_true(mean[c] == (float)c - 2);
            assert_true(variance[c] == 0);
        }
        gb_check_free();
    }
}
