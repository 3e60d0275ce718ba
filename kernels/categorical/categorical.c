// SPDX-License-Identifier: MIT
#include "kernels/categorical/categorical.h"

// An exponential for each class and, forward, a logarithm for each pixel.
static struct gb_cost categorical_cost(const void *problem, enum gb_direction direction) {
    const struct gb_image_problem *p = problem;
    double floats = gb_image_floats(p), pixels = floats / p->c;
    if (direction == GB_FORWARD)
        return (struct gb_cost){(GB_EXP_FLOPS + 6) * floats + GB_LOG_FLOPS * pixels,
                                sizeof(float) * 2 * floats};
    return (struct gb_cost){(GB_EXP_FLOPS + 7) * floats, sizeof(float) * 3 * floats};
}

static const struct gb_problem_size categorical_sizes[] = {
    {'n', offsetof(struct gb_image_problem, n), 1, GB_SIZE_LIMIT},
    {'h', offsetof(struct gb_image_problem, h), 1, GB_SIZE_LIMIT},
    {'w', offsetof(struct gb_image_problem, w), 1, GB_SIZE_LIMIT},
    {'c', offsetof(struct gb_image_problem, c), 1, GB_MOST_CLASSES},
    {0},
};

const struct gb_operation gb_categorical_operation = {
    .name = "categorical",
    .what = "categorical",
    .entries = {[GB_FORWARD] = "categorical_forward", [GB_BACKWARD] = "categorical_backward"},
    .problem_bytes = sizeof(struct gb_image_problem),
    .sizes = categorical_sizes,
    .check = gb_image_check,
    .cost = categorical_cost,
};
