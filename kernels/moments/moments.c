// SPDX-License-Identifier: MIT
#include "kernels/moments/moments.h"

// A sum for the mean; a difference, a square and a sum for the variance.
static struct gb_cost moments_cost(const void *problem, enum gb_direction direction) {
    (void)direction;
    const struct gb_moments_problem *p = problem;
    double floats = gb_image_floats(&p->image);
    return (struct gb_cost){4 * floats, sizeof(float) * floats};
}

static const char *const rows[] = {"", "joint", NULL};

const struct gb_operation gb_moments_operation = {
    .name = "moments",
    .what = "moments",
    .entries = {[GB_FORWARD] = "moments"},
    .problem_bytes = sizeof(struct gb_moments_problem),
    .sizes = gb_image_problem_sizes,
    .words = rows,
    .word = offsetof(struct gb_moments_problem, joint),
    .check = gb_image_check,
    .cost = moments_cost,
};
