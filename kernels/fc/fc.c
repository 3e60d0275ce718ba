// SPDX-License-Identifier: MIT
#include "kernels/fc/fc.h"

#include "kernels/trace.h"

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
    .product = true,
    .kernels = {[GB_FORWARD] = {.entry = "fc_forward"},
                [GB_BACKWARD] = {.entry = "fc_backward"},
                [GB_BACKWARD_UPDATE] = {.entry = "fc_backward"}},
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

enum gb_status gb_fc_plan_f32__dry(const struct gb_fc_problem *problem, int threads,
                                   struct gb_fc_plan *plan) {
    (void)threads;
    *plan = (struct gb_fc_plan){.problem = *problem};
    return gb_fc_check(problem);
}

void gb_fc_plan_free_f32__dry(struct gb_fc_plan *plan) {
    (void)plan;
}

void gb_fc_pack_f32__dry(const struct gb_fc_plan *plan, const float *out_by_in, float *packed) {
    (void)plan, (void)out_by_in, (void)packed;
}

void gb_fc_unpack_f32__dry(const struct gb_fc_plan *plan, const float *packed, float *out_by_in) {
    (void)plan, (void)packed, (void)out_by_in;
}

// Models make matrices of outputs and invert them: outputs of traces must be regular.
static void fill_outputs(const struct gb_tensor *y) {
    const struct gb_random_key key = {.seed = 1, .purpose = GB_RANDOM_TEST};
    for (int n = 0; n < y->n; n++)
        for (int o = 0; o < y->c; o++)
            gb_at(y, n, 0, 0)[o] = gb_random_uniform(&key, (uint32_t)(n * y->c + o)) - 0.5f;
}

static struct gb_fc_problem with_activation(const struct gb_fc_plan *plan,
                                            enum gb_activation activation) {
    struct gb_fc_problem problem = plan->problem;
    problem.activation = activation;
    return problem;
}

GB_TRACED_OR(fc_forward, fc, GB_FORWARD, plan->problem,
             (const struct gb_fc_plan *plan, const struct gb_exec *exec, const struct gb_tensor *x,
              const float *packed, const float *bias, const struct gb_tensor *y),
             (plan, exec, x, packed, bias, y), fill_outputs(y))
GB_TRACED(fc_backward, fc, update ? GB_BACKWARD_UPDATE : GB_BACKWARD,
          with_activation(plan, GB_IDENTITY),
          (const struct gb_fc_plan *plan, const struct gb_exec *exec, const struct gb_tensor *x,
           const struct gb_tensor *dy, float *packed, const struct gb_tensor *dx, float *d_packed,
           const struct gb_adam_target *update),
          (plan, exec, x, dy, packed, dx, d_packed, update))
