// SPDX-License-Identifier: MIT
// Failures of oneDNN at run time, and which problems it takes. Its results are checked with those
// of all backends.

#include "kernels/backend.h"
#include "kernels/onednn/onednn_call.h"
#include "tests/support/test.h"

// bf16 operands are oneDNN's own where the backend says so, in every format; elsewhere a unit of
// the fallback takes them.
GB_TEST(bf16_operands_run_where_it_says) {
    const struct gb_backend *onednn;
    assert_ok(gb_backend_find("onednn", &onednn));
    const bool own = onednn->precisions & 1u << GB_BF16;
    struct gb_conv_problem conv = {2, 8, 8, 12, 20, 3, 3, 1, 1, 1, 1, GB_RELU, GB_FLOATS};
    for (conv.format = GB_FLOATS; conv.format <= GB_BF16_XY32; conv.format++) {
        struct gb_conv_plan plan;
        assert_ok(onednn->conv_plan(onednn, &conv, 2, &plan));
        assert_int_equal(plan.unit == NULL, own || conv.format == GB_FLOATS);
        onednn->conv_plan_free(&plan);
    }
    struct gb_fc_problem fc = {.n = 2, .h = 1, .w = 1, .c = 33, .k = 9, .bf16 = 1};
    struct gb_fc_plan plan;
    assert_ok(onednn->fc_plan(onednn, &fc, 2, &plan));
    assert_int_equal(plan.unit == NULL, own);
    onednn->fc_plan_free(&plan);
}

GB_TEST(a_failure_is_kept) {
    const struct gb_backend *onednn, *scalar;
    assert_ok(gb_backend_find("onednn", &onednn));
    assert_ok(gb_backend_find("scalar", &scalar));
    assert_ok(gb_backend_check(onednn));
    const struct executor none = {.threads = 1};
    gb_onednn_run(&none, 0, NULL, NULL);
    for (int i = 0; i < 2; i++) {
        assert_error(gb_backend_check(onednn), GB_UNSUPPORTED, "cannot run: a primitive: oneDNN: ");
    }
    assert_ok(gb_backend_check(scalar));
}
