// SPDX-License-Identifier: MIT
#include "kernels/fc/fc.h"

static enum gb_status fc_check(const void *problem) {
    const struct gb_fc_problem *p = problem;
    double inputs = (double)p->h * p->w * p->c;
    GB_TRY(gb_floats_check("fully connected layer", "input", p->n * inputs));
    GB_TRY(gb_floats_check("fully connected layer", "output", (double)p->n * p->k));
    return gb_floats_check("fully connected layer", "weights", inputs * p->k);
}

// Both gradients: the weights are read for one and written for the other.
static struct gb_cost fc_cost(const void *problem, enum gb_direction direction) {
    const struct gb_fc_problem *p = problem;
    double inputs = (double)p->n * (double)gb_fc_inputs(p), outputs = (double)p->n * p->k;
    double weights = (double)gb_fc_inputs(p) * p->k, product = 2 * p->n * weights;
    switch (direction) {
    case GB_FORWARD:
        return (struct gb_cost){product, sizeof(float) * (inputs + weights + outputs)};
    case GB_BACKWARD_UPDATE:
        return (struct gb_cost){2 * product + GB_ADAM_FLOPS * weights,
                                sizeof(float) * (2 * inputs + outputs) + GB_ADAM_BYTES * weights};
    default:
        return (struct gb_cost){2 * product, sizeof(float) * (2 * inputs + outputs + 2 * weights)};
    }
}

static const struct gb_problem_size fc_sizes[] = {
    {'n', offsetof(struct gb_fc_problem, n), 1, GB_SIZE_LIMIT},
    {'h', offsetof(struct gb_fc_problem, h), 1, GB_SIZE_LIMIT},
    {'w', offsetof(struct gb_fc_problem, w), 1, GB_SIZE_LIMIT},
    {'c', offsetof(struct gb_fc_problem, c), 1, GB_SIZE_LIMIT},
    {'k', offsetof(struct gb_fc_problem, k), 1, GB_SIZE_LIMIT},
    {0},
};

const struct gb_operation gb_fc_operation = {
    .name = "fc",
    .what = "fully connected layer",
    .entries = {[GB_FORWARD] = "fc_forward",
                [GB_BACKWARD] = "fc_backward",
                [GB_BACKWARD_UPDATE] = "fc_backward"},
    .problem_bytes = sizeof(struct gb_fc_problem),
    .sizes = fc_sizes,
    .words = gb_activation_names,
    .word = offsetof(struct gb_fc_problem, activation),
    .check = fc_check,
    .cost = fc_cost,
};

enum gb_status gb_fc_check(const struct gb_fc_problem *p) {
    return gb_problem_check(&gb_fc_operation, p);
}
