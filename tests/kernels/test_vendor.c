// SPDX-License-Identifier: MIT
// Vendor libraries that cannot be loaded: the message names the library and the reason.
#include <sys/resource.h>

#include "kernels/vendor.h"
#include "tests/support/test.h"

static void *address;
static const struct gb_vendor_function functions[] = {{"cos", &address},
                                                      {"no_such_function", &address}};

GB_TEST(a_missing_library_is_named) {
    const struct gb_vendor_library missing = {
        "Missing", "libmissing.so.7", "/nowhere/libmissing.so.7", functions, 1, false};
    assert_error(gb_vendor_load(&missing), GB_UNSUPPORTED, "cannot load library: Missing: ");
    assert_message("libmissing.so.7", "No such file");
}

GB_TEST(a_missing_function_is_named) {
    struct gb_vendor_library library = {"libm", "libm.so.6", "libm.so.6", functions, 1, false};
    assert_ok(gb_vendor_load(&library));
    assert_non_null(address);
    library.count = 2;
    assert_error(gb_vendor_load(&library), GB_UNSUPPORTED, "has no function 'no_such_function'");
    library.file = "libmissing.so.7"; // the path is tried next
    library.count = 1;
    assert_ok(gb_vendor_load(&library));
}

GB_TEST(room_is_what_the_limit_leaves) {
    struct rlimit limit, small;
    assert_ok(gb_vendor_check_space("Library", 1 << 20));
    assert_int_equal(getrlimit(RLIMIT_AS, &limit), 0);
    small = limit;
    small.rlim_cur = (rlim_t)4 << 40;
    assert_int_equal(setrlimit(RLIMIT_AS, &small), 0);
    const enum gb_status status = gb_vendor_check_space("Library", (size_t)8 << 40);
    setrlimit(RLIMIT_AS, &limit);
    assert_error(status, GB_OUT_OF_MEMORY, "Library: 8388608 MB of address space are not free");
}
