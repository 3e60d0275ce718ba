// SPDX-License-Identifier: MIT
// Every kernel of every operation, as its description promises (tests/kernels/kernel_check.h), at
// the edges that the operation names: one test per operation. What is an operation's own
// mathematics has a test of its own.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/kernels/check.h"
#include "tests/kernels/kernel_check.h"

static void test_operation(void **state) {
    const struct gb_operation *operation = *state;
    bool right = true;
    for (const char *const *edge = operation->edges; *edge; edge++)
        right = gb_check_problem(operation, *edge) && right;
    for (const char *const *small = operation->gradients; small && *small; small++)
        right = gb_check_gradients(operation, *small) && right;
    assert_true(right);
}

int main(void) {
    enum { MAX_OPERATIONS = 64 };
    struct CMUnitTest tests[MAX_OPERATIONS];
    size_t count = 0;
    gb_flush_denormals();
    for (const struct gb_operation *const *o = gb_operations(); *o && count < MAX_OPERATIONS; o++)
        if ((*o)->edges)
            tests[count++] = (struct CMUnitTest){.name = (*o)->name,
                                                 .test_func = test_operation,
                                                 .initial_state = (void *)(uintptr_t)*o};
    return _cmocka_run_group_tests("kernels", tests, count, NULL, NULL);
}
