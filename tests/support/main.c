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

int main(void) {
    return _cmocka_run_group_tests("tests", tests, count, group_setup, group_teardown);
}
