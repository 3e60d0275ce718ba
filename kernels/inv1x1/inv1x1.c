// SPDX-License-Identifier: MIT
#include "kernels/inv1x1/inv1x1.h"

#include "kernels/trace.h"

static enum gb_status inv1x1_check(const void *problem) {
    const struct gb_image_problem *p = problem;
    GB_TRY(gb_image_check(p));
    return gb_floats_check("mix", "the batch of matrices", (double)p->n * p->c * p->c);
}

// Backward reads v, du and the matrices, and writes dv and the matrices' gradient.
static struct gb_cost inv1x1_cost(const void *problem, enum gb_direction direction) {
    const struct gb_image_problem *p = problem;
    double floats = gb_image_floats(p), matrices = (double)p->n * p->c * p->c;
    double product = 2 * floats * p->c;
    if (direction == GB_BACKWARD)
        return (struct gb_cost){2 * product, sizeof(float) * (3 * floats + 2 * matrices)};
    return (struct gb_cost){product, sizeof(float) * (2 * floats + matrices)};
}

const struct gb_operation gb_inv1x1_operation = {
    .name = "mix", // as rows have spelt it since 0.1
    .what = "mix",
    .product = true,
    .kernels =
        {[GB_FORWARD] = {.entry = "inv1x1_forward"}, [GB_BACKWARD] = {.entry = "inv1x1_backward"}},
    .problem_bytes = sizeof(struct gb_image_problem),
    .sizes = gb_image_problem_sizes,
    .check = inv1x1_check,
    .cost = inv1x1_cost,
};

enum gb_status gb_inv1x1_check(const struct gb_image_problem *p) {
    return gb_problem_check(&gb_inv1x1_operation, p);
}

enum gb_status gb_inv1x1_plan_f32__dry(const struct gb_image_problem *problem, int threads,
                                       struct gb_inv1x1_plan *plan) {
    (void)threads;
    *plan = (struct gb_inv1x1_plan){.problem = *problem};
    return gb_inv1x1_check(problem);
}

void gb_inv1x1_plan_free_f32__dry(struct gb_inv1x1_plan *plan) {
    (void)plan;
}

GB_TRACED(inv1x1_forward, inv1x1, GB_FORWARD, plan->problem,
          (const struct gb_inv1x1_plan *plan, const struct gb_exec *exec, const struct gb_tensor *v,
           const float *matrices, const struct gb_tensor *u),
          (plan, exec, v, matrices, u))
GB_TRACED(inv1x1_backward, inv1x1, GB_BACKWARD, plan->problem,
          (const struct gb_inv1x1_plan *plan, const struct gb_exec *exec, const struct gb_tensor *v,
           const float *matrices, const struct gb_tensor *du, const struct gb_tensor *dv,
           float *d_matrices),
          (plan, exec, v, matrices, du, dv, d_matrices))
