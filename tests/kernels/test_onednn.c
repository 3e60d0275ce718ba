// SPDX-License-Identifier: MIT
// Failures of oneDNN at run time. Its results are checked with those of all backends.

#include "kernels/backend.h"
#include "kernels/onednn/onednn_call.h"
#include "tests/support/test.h"

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
