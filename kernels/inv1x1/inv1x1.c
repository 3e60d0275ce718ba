// SPDX-License-Identifier: MIT
#include "kernels/inv1x1/inv1x1.h"

static enum gb_status inv1x1_check(const void *problem) {
    const struct gb_image_problem *p = problem;
    GB_TRY(gb_image_check(p));
    return gb_floats_check("mix", "the batch of matrices", (double)p->n * p->c * p->c);
}

// Backward reads v, du and the matrices, and writes dv and the matrices' gradient.
static struct gb_cost inv1x1_cost(const void *problem, enum gb_direction direction) {
    const struct gb_image_problem *p = problem;
    double floats = gb_image_floats(p), matrices = (double)p->n * p->c * p->c;
    double product = 2 * floats * p->c;
    if (direction == GB_BACKWARD)
        return (struct gb_cost){2 * product, sizeof(float) * (3 * floats + 2 * matrices)};
    return (struct gb_cost){product, sizeof(float) * (2 * floats + matrices)};
}

const struct gb_operation gb_inv1x1_operation = {
    .name = "mix", // as rows have spelt it since 0.1
    .what = "mix",
    .entries = {[GB_FORWARD] = "inv1x1_forward", [GB_BACKWARD] = "inv1x1_backward"},
    .problem_bytes = sizeof(struct gb_image_problem),
    .sizes = gb_image_problem_sizes,
    .check = inv1x1_check,
    .cost = inv1x1_cost,
};

enum gb_status gb_inv1x1_check(const struct gb_image_problem *p) {
    return gb_problem_check(&gb_inv1x1_operation, p);
}
