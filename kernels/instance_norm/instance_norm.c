// SPDX-License-Identifier: MIT
#include "kernels/instance_norm/instance_norm.h"

#include "kernels/logarithm.h"

double gb_instance_norm_log_det(int h, int w, int c, const float *variance) {
    double sum = 0;
    for (int i = 0; i < c; i++)
        sum += gb_natural_log((double)variance[i] + GB_NORM_EPSILON);
    return -0.5 * h * w * sum;
}

// Backward computes u again, and sums d and d*u before it can use their means.
static struct gb_cost instance_norm_cost(const void *problem, enum gb_direction direction) {
    const struct gb_instance_norm_problem *p = problem;
    double floats = gb_image_floats(&p->image);
    return direction == GB_BACKWARD ? (struct gb_cost){9 * floats, sizeof(float) * 3 * floats}
                                    : (struct gb_cost){2 * floats, sizeof(float) * 2 * floats};
}

static const char *const activations[] = {"", "relu", NULL};

const struct gb_operation gb_instance_norm_operation = {
    .name = "instance_norm",
    .what = "instance normalisation",
    .entries = {[GB_FORWARD] = "instance_norm_forward",
                [GB_INVERSE] = "instance_norm_inverse",
                [GB_BACKWARD] = "instance_norm_backward"},
    .problem_bytes = sizeof(struct gb_instance_norm_problem),
    .sizes = gb_image_problem_sizes,
    .words = activations,
    .word = offsetof(struct gb_instance_norm_problem, activation),
    .check = gb_image_check,
    .cost = instance_norm_cost,
};
