// SPDX-License-Identifier: MIT
#include "kernels/gaussian/gaussian.h"

// One partial sum for each image row.
size_t gb_gaussian_scratch_floats(const struct gb_tensor *z) {
    return (size_t)z->n * (size_t)z->h;
}

// Without a prior mean and log-sigma are zero and what they take part in is not needed.
static struct gb_cost gaussian_cost(const void *problem, enum gb_direction direction) {
    const struct gb_gaussian_problem *p = problem;
    static const struct {
        double flops, floats; // of an element
    } needs[GB_DIRECTIONS][3] = {
        [GB_FORWARD] = {{3, 1}, {GB_EXP_FLOPS + 6, 3}, {GB_SOFTPLUS_FLOPS + GB_LOG_FLOPS + 7, 3}},
        [GB_SAMPLE] = {{1, 2}, {GB_EXP_FLOPS + 3, 4}, {GB_SOFTPLUS_FLOPS + 3, 4}},
        [GB_BACKWARD] = {{1, 2},
                         {GB_EXP_FLOPS + 7, 6},
                         {GB_SOFTPLUS_FLOPS + GB_SIGMOID_FLOPS + 10, 6}},
    };
    double floats = gb_image_floats(&p->image);
    return (struct gb_cost){needs[direction][p->prior].flops * floats,
                            sizeof(float) * needs[direction][p->prior].floats * floats};
}

static const char *const priors[] = {"", "prior", "softplus", NULL};

const struct gb_operation gb_gaussian_operation = {
    .name = "gaussian",
    .what = "Gaussian",
    .entries = {[GB_FORWARD] = "gaussian_forward",
                [GB_SAMPLE] = "gaussian_sample",
                [GB_BACKWARD] = "gaussian_backward"},
    .problem_bytes = sizeof(struct gb_gaussian_problem),
    .sizes = gb_image_problem_sizes,
    .words = priors,
    .word = offsetof(struct gb_gaussian_problem, prior),
    .check = gb_image_check,
    .cost = gaussian_cost,
};
