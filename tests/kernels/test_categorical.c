// SPDX-License-Identifier: MIT
#include "tests/kernels/check.h"
#include "tests/support/test.h"

// However far apart the logits are.
GB_TEST(probabilities_sum_to_one) {
    float logits[3] = {-1e4f, 3e4f, 3e4f}, p[3];
    const struct gb_tensor from = gb_dense(logits, 1, 1, 1, 3), to = gb_dense(p, 1, 1, 1, 3);
    const struct gb_exec exec = {.threads = 1};
    GB_CHECK_EACH_BACKEND(backend) {
        backend->categorical_mean(&exec, &from, &to);
        assert_true(p[0] == 0 && p[1] == 0.5f && p[2] == 0.5f);
    }
}
