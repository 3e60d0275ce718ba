// SPDX-License-Identifier: MIT
#include "kernels/pointwise/pointwise.h"

#include "kernels/trace.h"

static struct gb_cost add_cost(const void *problem, enum gb_direction direction) {
    (void)direction;
    double floats = gb_image_floats(problem);
    return (struct gb_cost){floats, sizeof(float) * 3 * floats};
}

const struct gb_operation gb_add_operation = {
    .name = "add",
    .what = "addition",
    .kernels = {[GB_FORWARD] = {.entry = "add"}},
    .problem_bytes = sizeof(struct gb_image_problem),
    .sizes = gb_image_problem_sizes,
    .check = gb_image_check,
    .cost = add_cost,
};

static struct gb_cost add_scaled_cost(const void *problem, enum gb_direction direction) {
    (void)direction;
    const struct gb_add_scaled_problem *p = problem;
    double floats = gb_image_floats(&p->image);
    return p->alone ? (struct gb_cost){floats, sizeof(float) * 2 * floats}
                    : (struct gb_cost){2 * floats, sizeof(float) * 3 * floats};
}

static const char *const terms[] = {"", "alone", NULL};

const struct gb_operation gb_add_scaled_operation = {
    .name = "add_scaled",
    .what = "scaled addition",
    .kernels = {[GB_FORWARD] = {.entry = "add_scaled"}},
    .problem_bytes = sizeof(struct gb_add_scaled_problem),
    .sizes = gb_image_problem_sizes,
    .words = terms,
    .word = offsetof(struct gb_add_scaled_problem, alone),
    .check = gb_image_check,
    .cost = add_scaled_cost,
};

static struct gb_cost exp_cost(const void *problem, enum gb_direction direction) {
    (void)direction;
    double count = ((const struct gb_array_problem *)problem)->count;
    return (struct gb_cost){(1 + GB_EXP_FLOPS) * count, 2 * sizeof(float) * count};
}

const struct gb_operation gb_exp_operation = {
    .name = "exp",
    .what = "exponential",
    .kernels = {[GB_FORWARD] = {.entry = "exp"}},
    .problem_bytes = sizeof(struct gb_array_problem),
    .sizes = gb_array_problem_sizes,
    .cost = exp_cost,
};

GB_TRACED(add, add, GB_FORWARD, gb_image_of(x),
          (const struct gb_exec *exec, const struct gb_tensor *x, const struct gb_tensor *y),
          (exec, x, y))
GB_TRACED(add_scaled, add_scaled, GB_FORWARD,
          ((struct gb_add_scaled_problem){gb_image_of(r), x == NULL}),
          (const struct gb_exec *exec, const struct gb_tensor *x, float factor,
           const struct gb_tensor *r, const struct gb_tensor *y),
          (exec, x, factor, r, y))
GB_TRACED(exp, exp, GB_FORWARD, ((struct gb_array_problem){(int)count}),
          (const struct gb_exec *exec, size_t count, float factor, const float *in, float *out),
          (exec, count, factor, in, out))
