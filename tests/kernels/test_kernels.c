// SPDX-License-Identifier: MIT
// Every kernel of every operation, as its description promises (tests/kernels/check.h), at the
// edges that the operation names: one test per operation. What is an operation's own
// mathematics has a test of its own.
#include "tests/kernels/check.h"
#include "tests/support/test.h"

static void test_operation(void **state) {
    const struct gb_operation *operation = *state;
    bool right = true;
    for (const char *const *edge = operation->edges; *edge; edge++)
        right = gb_check_problem(operation, *edge) && right;
    for (const char *const *small = operation->gradients; small && *small; small++)
        right = gb_check_gradients(operation, *small) && right;
    assert_true(right);
}

// Plans of every backend.
GB_TEST(test_bad_problems) {
    enum { MANY = 1 << 20 };
    const struct {
        const struct gb_operation *operation;
        const void *problem;
    } bad[] = {
#define FC &gb_fc_operation, &(struct gb_fc_problem)
        {FC{0, 1, 1, 8, 8, GB_IDENTITY, 0}},
        {FC{1, 1, 1, 8, -8, GB_IDENTITY, 0}},
        {FC{1, 1, 1, MANY + 1, 8, GB_IDENTITY, 0}},
        {FC{1, 1 << 10, 1 << 10, 1 << 10, 2, GB_IDENTITY, 0}}, // weights
        {FC{1 << 11, 1 << 10, 1 << 10, 1, 1, GB_IDENTITY, 0}}, // input
        {FC{MANY, 1, 1, 1, 1 << 11, GB_IDENTITY, 0}},          // output
        {FC{MANY, MANY, MANY, MANY, MANY, GB_IDENTITY, 0}},    // all
#define INV1X1 &gb_inv1x1_operation, &(struct gb_image_problem)
        {INV1X1{0, 4, 4, 3}},
        {INV1X1{1, 4, 4, MANY + 1}},
        {INV1X1{MANY, 64, 64, 1}},
        {INV1X1{1, 1, 1, 1 << 16}}, // the matrix
#define POOL &gb_max_pool_operation, &(struct gb_pool_problem)
        {POOL{1, 4, 4, 0, 2, 2, GB_FLOATS}},
        {POOL{1, 4, 4, 1, 2, 0, GB_FLOATS}},
        {POOL{1, 4, 2, 1, 3, 1, GB_FLOATS}},
        {POOL{MANY, 64, 64, 1, 2, 2, GB_FLOATS}},
#define UPSAMPLE &gb_upsample_operation, &(struct gb_upsample_problem)
        {UPSAMPLE{0, 4, 4, 1, 2, GB_FLOATS}},
        {UPSAMPLE{1, 4, 4, 1, -1, GB_FLOATS}},
        {UPSAMPLE{1, 1 << 10, 1 << 10, 1, 1 << 6, GB_FLOATS}},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        GB_CHECK_EACH_BACKEND(backend) {
            union {
                struct gb_fc_plan fc;
                struct gb_inv1x1_plan inv1x1;
                struct gb_pool_plan pool;
                struct gb_upsample_plan upsample;
            } plan;
            const struct gb_call call = {.backend = backend,
                                         .operation = bad[i].operation,
                                         .problem = bad[i].problem,
                                         .plan = &plan};
            assert_int_equal(call.operation->plan(&call, 1), GB_BAD_INPUT);
        }
}

__attribute__((constructor)) static void add_operations(void) {
    for (const struct gb_operation *const *o = gb_operations(); *o; o++)
        if ((*o)->edges)
            gb_test_add(&(struct CMUnitTest){.name = (*o)->name,
                                             .test_func = test_operation,
                                             .initial_state = (void *)(uintptr_t)*o});
}
