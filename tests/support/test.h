// SPDX-License-Identifier: MIT
// What every test program includes: cmocka with the headers that its own requires, and the
// definition of test cases. tests/support/main.c runs the test cases of a program in the order of
// their definition.
#ifndef GB_TEST_H
#define GB_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
// In this order.
#include <cmocka.h>

#include "base/status.h"

// GB_TEST(name) { ... } defines a test case; GB_TEST_WITH runs setup before it and teardown after
// it.
#define GB_TEST(name) GB_TEST_WITH(name, NULL, NULL)
#define GB_TEST_WITH(name, setup, teardown)                                                        \
    static void name(void **state);                                                                \
    __attribute__((constructor)) static void add_##name(void) {                                    \
        const struct CMUnitTest test = cmocka_unit_test_setup_teardown(name, setup, teardown);     \
        gb_test_add(&test);                                                                        \
    }                                                                                              \
    static void name(__attribute__((unused)) void **state)

// Runs setup before the program's first test case and teardown after its last.
#define GB_TEST_GROUP(setup, teardown)                                                             \
    __attribute__((constructor)) static void add_##setup(void) {                                   \
        gb_test_group(setup, teardown);                                                            \
    }

// The call succeeds; otherwise its error message is printed.
#define assert_ok(call) gb_assert_status(call, GB_OK, "", #call, __FILE__, __LINE__)
// The call fails with this status and an error message that contains `text`.
#define assert_error(call, status, text)                                                           \
    gb_assert_status(call, status, text, #call, __FILE__, __LINE__)
// The last error message contains both texts: where the error is, and what it is.
#define assert_message(where, reason) gb_assert_message(where, reason, __FILE__, __LINE__)

void gb_assert_status(enum gb_status status, enum gb_status expected, const char *text,
                      const char *call, const char *file, int line);
void gb_assert_message(const char *where, const char *reason, const char *file, int line);

void gb_test_add(const struct CMUnitTest *test);
void gb_test_group(CMFixtureFunction setup, CMFixtureFunction teardown);

#endif
