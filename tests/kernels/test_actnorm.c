// SPDX-License-Identifier: MIT
#include <math.h>

#include "tests/kernels/check.h"
#include "tests/support/test.h"

// A stride of 0, which no problem's text names.
GB_TEST(one_row_serves_all_samples) {
    const struct gb_operation *actnorm = &gb_actnorm_operation;
    for (const char *const *edge = actnorm->edges; *edge; edge++)
        assert_true(gb_check_shared_rows(actnorm, *edge, gb_check_problem));
    assert_true(gb_check_shared_rows(actnorm, actnorm->gradients[0], gb_check_gradients));
}

GB_TEST(log_determinant_is_the_scaled_sum) {
    assert_number("log det", gb_actnorm_log_det(3, 5, 3, (const float[]){0.5f, -2, 0.25f}),
                  15 * -1.25, 0);
}

// Parameters from the moments of data take that data to mean 0 and variance 1.
GB_TEST(starts_from_data) {
    GB_CHECK_EACH_BACKEND(backend) {
        const struct gb_exec exec = gb_check_exec(1, 4096);
        struct gb_tensor v = gb_check_view("v", 3, 8, 9, 7, GB_CHECK_SLICE);
        float mean[7], variance[7], log_scale[7], bias[7];
        gb_check_fill(&v, GB_CHECK_NORMAL, 1);
        GB_EACH_ELEMENT(&v, at) {
            float *value = gb_element(&v, at);
            *value = *value * 0.03f * (float)(at[3] + 1) + 5 - (float)at[3];
        }
        backend->moments(&exec, &v, mean, variance, 0);
        gb_actnorm_start(v.c, mean, variance, log_scale, bias);
        const struct gb_actnorm_parameters parameters = {log_scale, bias, 0};
        backend->actnorm_forward(&exec, &v, &parameters, &v);
        backend->moments(&exec, &v, mean, variance, 0);
        for (int c = 0; c < v.c; c++) {
            assert_number("mean", mean[c], 0, 1e-4);
            assert_number("variance", variance[c], 1, 1e-3);
        }
        gb_check_free();
    }
}

GB_TEST(a_constant_channel_starts_finite) {
    float log_scale, bias;
    gb_actnorm_start(1, (const float[]){3}, (const float[]){0}, &log_scale, &bias);
    assert_number("log scale", log_scale, log(1e6), 1e-5);
    assert_true(bias == -3);
}
