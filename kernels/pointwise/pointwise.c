// SPDX-License-Identifier: MIT
#include "kernels/problem.h"

static struct gb_cost add_cost(const void *problem, enum gb_direction direction) {
    (void)direction;
    double floats = gb_image_floats(problem);
    return (struct gb_cost){floats, sizeof(float) * 3 * floats};
}

const struct gb_operation gb_add_operation = {
    .name = "add",
    .what = "addition",
    .entries = {[GB_FORWARD] = "add"},
    .problem_bytes = sizeof(struct gb_image_problem),
    .sizes = gb_image_sizes,
    .check = gb_image_check,
    .cost = add_cost,
};

static struct gb_cost exp_cost(const void *problem, enum gb_direction direction) {
    (void)direction;
    double count = ((const struct gb_array_problem *)problem)->count;
    return (struct gb_cost){(1 + GB_EXP_FLOPS) * count, 2 * sizeof(float) * count};
}

const struct gb_operation gb_exp_operation = {
    .name = "exp",
    .what = "exponential",
    .entries = {[GB_FORWARD] = "exp"},
    .problem_bytes = sizeof(struct gb_array_problem),
    .sizes = gb_array_sizes,
    .cost = exp_cost,
};
