// SPDX-License-Identifier: MIT
#include "tests/support/test.h"

#include <stdlib.h>

enum { MAX_TESTS = 128 };
static struct CMUnitTest tests[MAX_TESTS];
static size_t count;
static CMFixtureFunction group_setup, group_teardown;

void gb_test_add(const struct CMUnitTest *test) {
    if (count == MAX_TESTS)
        abort();
    tests[count++] = *test;
}

void gb_test_group(CMFixtureFunction setup, CMFixtureFunction teardown) {
    group_setup = setup;
    group_teardown = teardown;
}

// $GB_TEST_FILTER, a pattern of * and ?, chooses among the tests by name.
int main(void) {
    const char *pattern = getenv("GB_TEST_FILTER");
    if (pattern)
        cmocka_set_test_filter(pattern);
    return _cmocka_run_group_tests("tests", tests, count, group_setup, group_teardown);
}
