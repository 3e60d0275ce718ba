// SPDX-License-Identifier: MIT
#include "kernels/instance_norm/instance_norm.h"

#include "kernels/logarithm.h"
#include "kernels/trace.h"

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
    .kernels = {[GB_FORWARD] = {.entry = "instance_norm_forward"},
                [GB_INVERSE] = {.entry = "instance_norm_inverse"},
                [GB_BACKWARD] = {.entry = "instance_norm_backward"}},
    .problem_bytes = sizeof(struct gb_instance_norm_problem),
    .sizes = gb_image_problem_sizes,
    .words = activations,
    .word = offsetof(struct gb_instance_norm_problem, activation),
    .check = gb_image_check,
    .cost = instance_norm_cost,
};

GB_TRACED(instance_norm_forward, instance_norm, GB_FORWARD,
          ((struct gb_instance_norm_problem){gb_image_of(v), activation}),
          (const struct gb_exec *exec, enum gb_activation activation, const struct gb_tensor *v,
           const struct gb_norm_moments *moments, const struct gb_tensor *y),
          (exec, activation, v, moments, y))
GB_TRACED(instance_norm_inverse, instance_norm, GB_INVERSE,
          ((struct gb_instance_norm_problem){gb_image_of(y), GB_IDENTITY}),
          (const struct gb_exec *exec, const struct gb_tensor *y,
           const struct gb_norm_moments *moments, const struct gb_tensor *v),
          (exec, y, moments, v))
GB_TRACED(instance_norm_backward, instance_norm, GB_BACKWARD,
          ((struct gb_instance_norm_problem){gb_image_of(v), activation}),
          (const struct gb_exec *exec, enum gb_activation activation, const struct gb_tensor *v,
           const struct gb_norm_moments *moments, const struct gb_tensor *dy,
           const float *d_log_det, const struct gb_tensor *dv),
          (exec, activation, v, moments, dy, d_log_det, dv))
