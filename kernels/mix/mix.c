// SPDX-License-Identifier: MIT
#include "kernels/mix/mix.h"

static enum gb_status mix_check(const void *problem) {
    const struct gb_image_problem *p = problem;
    GB_TRY(gb_image_check(p));
    return gb_floats_check("mix", "the batch of matrices", (double)p->n * p->c * p->c);
}

// Backward reads v, du and the matrices, and writes dv and the matrices' gradient.
static struct gb_cost mix_cost(const void *problem, enum gb_direction direction) {
    const struct gb_image_problem *p = problem;
    double floats = gb_image_floats(p), matrices = (double)p->n * p->c * p->c;
    double product = 2 * floats * p->c;
    if (direction == GB_BACKWARD)
        return (struct gb_cost){2 * product, sizeof(float) * (3 * floats + 2 * matrices)};
    return (struct gb_cost){product, sizeof(float) * (2 * floats + matrices)};
}

const struct gb_operation gb_mix_operation = {
    .name = "mix",
    .what = "mix",
    .entries = {[GB_FORWARD] = "mix_forward", [GB_BACKWARD] = "mix_backward"},
    .problem_bytes = sizeof(struct gb_image_problem),
    .sizes = gb_image_problem_sizes,
    .check = mix_check,
    .cost = mix_cost,
};

enum gb_status gb_mix_check(const struct gb_image_problem *p) {
    return gb_problem_check(&gb_mix_operation, p);
}
