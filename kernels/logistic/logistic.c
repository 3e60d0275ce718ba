// SPDX-License-Identifier: MIT
#include "kernels/logistic/logistic.h"

#include "kernels/trace.h"

// Of an inner level: its ends, a softplus each and the mass between; backward two sigmoids, and an
// exponential and an expm1 for the width.
static struct gb_cost logistic_cost(const void *problem, enum gb_direction direction) {
    enum { ENDS = GB_EXP_FLOPS + 7 };
    const struct gb_logistic_problem *p = problem;
    static const struct {
        double flops, floats; // of an element
    } needs[GB_DIRECTIONS] = {
        [GB_FORWARD] = {ENDS + 2 * GB_SOFTPLUS_FLOPS + GB_LOG_ONE_MINUS_EXP_FLOPS + 3, 3},
        [GB_BACKWARD] = {ENDS + 2 * GB_SIGMOID_FLOPS + 2 * GB_EXP_FLOPS + 10, 5},
        [GB_SAMPLE] = {2 * GB_LOG_FLOPS + GB_EXP_FLOPS + 10, 4},
    };
    double floats = gb_image_floats(&p->image);
    return (struct gb_cost){needs[direction].flops * floats,
                            sizeof(float) * needs[direction].floats * floats};
}

static const struct gb_problem_size logistic_sizes[] = {
    {'n', offsetof(struct gb_logistic_problem, image.n), 1, GB_SIZE_LIMIT},
    {'h', offsetof(struct gb_logistic_problem, image.h), 1, GB_SIZE_LIMIT},
    {'w', offsetof(struct gb_logistic_problem, image.w), 1, GB_SIZE_LIMIT},
    {'c', offsetof(struct gb_logistic_problem, image.c), 1, GB_SIZE_LIMIT},
    {'l', offsetof(struct gb_logistic_problem, levels), 2, GB_SIZE_LIMIT},
    {0},
};

const struct gb_operation gb_logistic_operation = {
    .name = "logistic",
    .what = "logistic",
    .kernels = {[GB_FORWARD] = {.entry = "logistic_forward"},
                [GB_SAMPLE] = {.entry = "logistic_sample"},
                [GB_BACKWARD] = {.entry = "logistic_backward"}},
    .problem_bytes = sizeof(struct gb_logistic_problem),
    .sizes = logistic_sizes,
    .check = gb_image_check,
    .cost = logistic_cost,
};

GB_TRACED(logistic_forward, logistic, GB_FORWARD,
          ((struct gb_logistic_problem){gb_image_of(x), levels}),
          (const struct gb_exec *exec, int levels, const struct gb_tensor *x,
           const struct gb_tensor *raw, double *log_likelihood),
          (exec, levels, x, raw, log_likelihood))
GB_TRACED(logistic_backward, logistic, GB_BACKWARD,
          ((struct gb_logistic_problem){gb_image_of(x), levels}),
          (const struct gb_exec *exec, int levels, const struct gb_tensor *x,
           const struct gb_tensor *raw, const float *d_log_likelihood,
           const struct gb_tensor *d_raw),
          (exec, levels, x, raw, d_log_likelihood, d_raw))
GB_TRACED(logistic_sample, logistic, GB_SAMPLE,
          ((struct gb_logistic_problem){gb_image_of(uniform), levels}),
          (const struct gb_exec *exec, int levels, const struct gb_tensor *uniform,
           const struct gb_tensor *raw, float temperature, const struct gb_tensor *x),
          (exec, levels, uniform, raw, temperature, x))
