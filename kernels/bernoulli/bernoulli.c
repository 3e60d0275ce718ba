// SPDX-License-Identifier: MIT
#include "kernels/bernoulli/bernoulli.h"

#include "kernels/trace.h"

// The normaliser takes both logarithms, and a function of their difference.
static struct gb_cost bernoulli_cost(const void *problem, enum gb_direction direction) {
    enum { DIFFERENCE = 2 * GB_SOFTPLUS_FLOPS + 3 };
    const struct gb_bernoulli_problem *p = problem;
    static const struct {
        double flops[2], floats; // of an element; flops without and with the normaliser
    } needs[GB_DIRECTIONS] = {
        [GB_FORWARD] = {{GB_SOFTPLUS_FLOPS + 2, DIFFERENCE + GB_SOFTPLUS_FLOPS + 1}, 2},
        [GB_BACKWARD] = {{GB_SIGMOID_FLOPS + 2, DIFFERENCE + 3 * GB_SIGMOID_FLOPS + 5}, 3},
        [GB_SAMPLE] = {{GB_SIGMOID_FLOPS, DIFFERENCE + GB_SIGMOID_FLOPS}, 3},
    };
    double floats = gb_image_floats(&p->image);
    return (struct gb_cost){needs[direction].flops[p->normalised] * floats,
                            sizeof(float) * needs[direction].floats * floats};
}

static const char *const kinds[] = {"", "normalised", NULL};

const struct gb_operation gb_bernoulli_operation = {
    .name = "bernoulli",
    .what = "Bernoulli",
    .kernels = {[GB_FORWARD] = {.entry = "bernoulli_forward"},
                [GB_SAMPLE] = {.entry = "bernoulli_sample"},
                [GB_BACKWARD] = {.entry = "bernoulli_backward"}},
    .problem_bytes = sizeof(struct gb_bernoulli_problem),
    .sizes = gb_image_problem_sizes,
    .words = kinds,
    .word = offsetof(struct gb_bernoulli_problem, normalised),
    .check = gb_image_check,
    .cost = bernoulli_cost,
};

GB_TRACED(bernoulli_forward, bernoulli, GB_FORWARD,
          ((struct gb_bernoulli_problem){gb_image_of(y), bernoulli->normalised}),
          (const struct gb_exec *exec, const struct gb_bernoulli *bernoulli,
           const struct gb_tensor *y, const struct gb_tensor *logits, double *log_likelihood),
          (exec, bernoulli, y, logits, log_likelihood))
GB_TRACED(bernoulli_backward, bernoulli, GB_BACKWARD,
          ((struct gb_bernoulli_problem){gb_image_of(y), bernoulli->normalised}),
          (const struct gb_exec *exec, const struct gb_bernoulli *bernoulli,
           const struct gb_tensor *y, const struct gb_tensor *logits, const float *d_log_likelihood,
           const struct gb_tensor *d_logits),
          (exec, bernoulli, y, logits, d_log_likelihood, d_logits))
GB_TRACED(bernoulli_sample, bernoulli, GB_SAMPLE,
          ((struct gb_bernoulli_problem){gb_image_of(uniform), bernoulli->normalised}),
          (const struct gb_exec *exec, const struct gb_bernoulli *bernoulli,
           const struct gb_tensor *uniform, const struct gb_tensor *logits,
           const struct gb_tensor *y),
          (exec, bernoulli, uniform, logits, y))
// For predictions.
GB_UNTRACED(bernoulli_mean,
            (const struct gb_exec *exec, const struct gb_bernoulli *bernoulli,
             const struct gb_tensor *logits, const struct gb_tensor *mean),
            (exec, bernoulli, logits, mean))
