// SPDX-License-Identifier: MIT
#include "kernels/categorical/categorical.h"

#include "kernels/trace.h"

// An exponential for each class and, forward, a logarithm for each pixel.
static struct gb_cost categorical_cost(const void *problem, enum gb_direction direction) {
    const struct gb_image_problem *p = problem;
    double floats = gb_image_floats(p), pixels = floats / p->c;
    if (direction == GB_FORWARD)
        return (struct gb_cost){(GB_EXP_FLOPS + 6) * floats + GB_LOG_FLOPS * pixels,
                                sizeof(float) * 2 * floats};
    return (struct gb_cost){(GB_EXP_FLOPS + 7) * floats, sizeof(float) * 3 * floats};
}

static const struct gb_problem_size categorical_sizes[] = {
    {'n', offsetof(struct gb_image_problem, n), 1, GB_SIZE_LIMIT},
    {'h', offsetof(struct gb_image_problem, h), 1, GB_SIZE_LIMIT},
    {'w', offsetof(struct gb_image_problem, w), 1, GB_SIZE_LIMIT},
    {'c', offsetof(struct gb_image_problem, c), 1, GB_MOST_CLASSES},
    {0},
};

const struct gb_operation gb_categorical_operation = {
    .name = "categorical",
    .what = "categorical",
    .kernels = {[GB_FORWARD] = {.entry = "categorical_forward"},
                [GB_BACKWARD] = {.entry = "categorical_backward"}},
    .problem_bytes = sizeof(struct gb_image_problem),
    .sizes = categorical_sizes,
    .check = gb_image_check,
    .cost = categorical_cost,
};

GB_TRACED(categorical_forward, categorical, GB_FORWARD, gb_image_of(y),
          (const struct gb_exec *exec, const struct gb_tensor *y, const struct gb_tensor *logits,
           double *log_likelihood),
          (exec, y, logits, log_likelihood))
GB_TRACED(categorical_backward, categorical, GB_BACKWARD, gb_image_of(y),
          (const struct gb_exec *exec, const struct gb_tensor *y, const struct gb_tensor *logits,
           const float *d_log_likelihood, const struct gb_tensor *d_logits),
          (exec, y, logits, d_log_likelihood, d_logits))
// For predictions.
GB_UNTRACED(categorical_mean,
            (const struct gb_exec *exec, const struct gb_tensor *logits,
             const struct gb_tensor *mean),
            (exec, logits, mean))
