// SPDX-License-Identifier: MIT
#include "kernels/moments/moments.h"

#include "kernels/trace.h"

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
    .kernels = {[GB_FORWARD] = {.entry = "moments"}},
    .problem_bytes = sizeof(struct gb_moments_problem),
    .sizes = gb_image_problem_sizes,
    .words = rows,
    .word = offsetof(struct gb_moments_problem, joint),
    .check = gb_image_check,
    .cost = moments_cost,
};

GB_TRACED(moments, moments, GB_FORWARD, ((struct gb_moments_problem){gb_image_of(v), stride == 0}),
          (const struct gb_exec *exec, const struct gb_tensor *v, float *mean, float *variance,
           ptrdiff_t stride),
          (exec, v, mean, variance, stride))
