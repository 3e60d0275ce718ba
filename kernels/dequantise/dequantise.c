// SPDX-License-Identifier: MIT
#include "kernels/dequantise/dequantise.h"

#include "kernels/trace.h"

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
    .kernels = {[GB_FORWARD] = {.entry = "dequantise_forward"},
                [GB_INVERSE] = {.entry = "dequantise_inverse"},
                [GB_BACKWARD] = {.entry = "dequantise_backward"}},
    .problem_bytes = sizeof(struct gb_image_problem),
    .sizes = gb_image_problem_sizes,
    .check = gb_image_check,
    .cost = dequantise_cost,
};

GB_TRACED(dequantise_forward, dequantise, GB_FORWARD, gb_image_of(u),
          (const struct gb_exec *exec, const struct gb_tensor *y, const struct gb_tensor *u,
           const struct gb_tensor *v, double *log_det),
          (exec, y, u, v, log_det))
GB_TRACED(dequantise_inverse, dequantise, GB_INVERSE, gb_image_of(v),
          (const struct gb_exec *exec, const struct gb_tensor *y, const struct gb_tensor *v,
           const struct gb_tensor *u),
          (exec, y, v, u))
GB_TRACED(dequantise_backward, dequantise, GB_BACKWARD, gb_image_of(u),
          (const struct gb_exec *exec, const struct gb_tensor *y, const struct gb_tensor *u,
           const struct gb_tensor *dv, const float *d_log_det, const struct gb_tensor *du),
          (exec, y, u, dv, d_log_det, du))
