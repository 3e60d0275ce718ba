// SPDX-License-Identifier: MIT
// Failures of oneDNN at run time. Its results are checked with those of all backends.
#include <string.h>

#include "kernels/backend.h"
#include "kernels/onednn/onednn_call.h"
#include "tests/support/test.h"

GB_TEST(a_failure_is_kept) {
    const struct gb_backend *onednn, *scalar;
    assert_int_equal(gb_backend_find("onednn", &onednn), GB_OK);
    assert_int_equal(gb_backend_find("scalar", &scalar), GB_OK);
    assert_int_equal(gb_backend_check(onednn), GB_OK);
    const struct executor none = {.threads = 1};
    gb_onednn_run(&none, 0, NULL, NULL);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(gb_backend_check(onednn), GB_UNSUPPORTED);
        assert_non_null(strstr(gb_error_message(), "cannot run: a primitive: oneDNN: "));
    }
    assert_int_equal(gb_backend_check(scalar), GB_OK);
}
