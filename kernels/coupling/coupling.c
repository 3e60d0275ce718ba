// SPDX-License-Identifier: MIT
#include "kernels/coupling/coupling.h"
#include "kernels/problem.h"

// One partial sum for each image row.
size_t gb_coupling_scratch_floats(const struct gb_tensor *v) {
    return (size_t)v->n * (size_t)v->h;
}

// An element's own input, output and raw pair; backward reads u, du and the pair, and writes dv and
// the pair's gradient. Shift and scale are two hyperbolic tangents, an addition and a sigmoid.
static struct gb_cost coupling_cost(const void *problem, enum gb_direction direction) {
    enum { SHIFT_AND_SCALE = 2 * GB_TANH_FLOPS + 1 + GB_SIGMOID_FLOPS };
    double floats = gb_image_floats(problem);
    switch (direction) {
    case GB_FORWARD:
        return (struct gb_cost){(SHIFT_AND_SCALE + 2 + GB_LOG_FLOPS + 1) * floats,
                                sizeof(float) * 4 * floats};
    case GB_INVERSE:
        return (struct gb_cost){(SHIFT_AND_SCALE + 2) * floats, sizeof(float) * 4 * floats};
    default:
        return (struct gb_cost){(SHIFT_AND_SCALE + 11) * floats, sizeof(float) * 7 * floats};
    }
}

const struct gb_operation gb_coupling_operation = {
    .name = "coupling",
    .what = "coupling",
    .entries = {[GB_FORWARD] = "coupling_forward",
                [GB_INVERSE] = "coupling_inverse",
                [GB_BACKWARD] = "coupling_backward"},
    .problem_bytes = sizeof(struct gb_image_problem),
    .sizes = gb_image_sizes,
    .check = gb_image_check,
    .cost = coupling_cost,
};
