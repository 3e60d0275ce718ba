// SPDX-License-Identifier: MIT
#include <math.h>

#include "tests/kernels/check.h"
#include "tests/support/test.h"

// A NaN is the maximum of its window and takes the gradient; the contract exempts vendor libraries.
GB_TEST(passes_nan_on) {
    const struct gb_pool_problem problem = {1, 2, 2, 1, 2, 2, GB_FLOATS};
    GB_CHECK_EACH_BACKEND(backend)
        for (int at = 0; at < 4 && !backend->fallback; at++) {
            struct gb_pool_plan plan;
            assert_ok(backend->max_pool_plan(&problem, 1, &plan));
            float x[4] = {3, -1, 2, 3}, dx[4], y, dy = 5;
            x[at] = NAN;
            const struct gb_exec exec = {.threads = 1};
            struct gb_tensor in = gb_dense(x, 1, 2, 2, 1), d_in = gb_dense(dx, 1, 2, 2, 1);
            struct gb_tensor out = gb_dense(&y, 1, 1, 1, 1), d_out = gb_dense(&dy, 1, 1, 1, 1);
            backend->max_pool_forward(&plan, &exec, &in, &out);
            backend->max_pool_backward(&plan, &exec, &in, &d_out, &d_in);
            backend->max_pool_plan_free(&plan);
            assert_true(isnan(y));
            for (int i = 0; i < 4; i++)
                assert_true(dx[i] == (i == at ? 5 : 0));
        }
}
