// SPDX-License-Identifier: MIT
#include "tests/kernels/check.h"
#include "tests/support/test.h"

// The signs of zeros and subnormal numbers too, which the definition's comparison cannot see.
GB_TEST(unsqueeze_restores_the_bits) {
    GB_CHECK_EACH_BACKEND(backend)
        for (int c = 1; c <= 19; c++) {
            const struct gb_exec exec = {.threads = 1};
            struct gb_tensor wide = gb_check_view("wide", 2, 4, 6, c, GB_CHECK_DENSE);
            struct gb_tensor deep = gb_check_view("deep", 2, 2, 3, 4 * c, GB_CHECK_DENSE);
            struct gb_tensor back = gb_check_view("back", 2, 4, 6, c, GB_CHECK_DENSE);
            gb_check_fill(&wide, GB_CHECK_PATHOLOGICAL, 1);
            backend->squeeze(&exec, &wide, &deep);
            backend->unsqueeze(&exec, &deep, &back);
            assert_true(gb_check_same_bits("unsqueeze", &wide, &back));
            gb_check_free();
        }
}
