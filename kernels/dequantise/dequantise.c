// SPDX-License-Identifier: MIT
#include "kernels/dequantise/dequantise.h"

#include "kernels/problem.h"

// Forward takes a softplus for v and one for the log-determinant, backward two sigmoids.
static struct gb_cost dequantise_cost(const void *problem, enum gb_direction direction) {
    static const struct {
        double flops, floats; // of an element
    } needs[GB_DIRECTIONS] = {
        [GB_FORWARD] = {2 * GB_SOFTPLUS_FLOPS + 2, 3},
        [GB_INVERSE] = {GB_LOG_ONE_MINUS_EXP_FLOPS + 2, 3},
        [GB_BACKWARD] = {2 * GB_SIGMOID_FLOPS + 3, 4},
    };
    double floats = gb_image_floats(problem);
    return (struct gb_cost){needs[direction].flops * floats,
                            sizeof(float) * needs[direction].floats * floats};
}

const struct gb_operation gb_dequantise_operation = {
    .name = "dequantise",
    .what = "dequantisation",
    .entries = {[GB_FORWARD] = "dequantise_forward",
                [GB_INVERSE] = "dequantise_inverse",
                [GB_BACKWARD] = "dequantise_backward"},
    .problem_bytes = sizeof(struct gb_image_problem),
    .sizes = gb_image_problem_sizes,
    .check = gb_image_check,
    .cost = dequantise_cost,
};
