// SPDX-License-Identifier: MIT
// Linked into every test program: $GB_TEST_FILTER, a pattern of * and ?, chooses among its tests by
// name, as cmocka 1 has only a function for that.
#include "tests/support/test.h"

#include <stdlib.h>

__attribute__((constructor)) static void choose_tests(void) {
    const char *pattern = getenv("GB_TEST_FILTER");
    if (pattern)
        cmocka_set_test_filter(pattern);
}
