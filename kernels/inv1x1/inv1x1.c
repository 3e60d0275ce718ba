// SPDX-License-Identifier: MIT
#include "kernels/inv1x1/inv1x1.h"

#include "kernels/trace.h"

static enum gb_status inv1x1_check(const void *problem) {
    const struct gb_image_problem *p = problem;
    GB_TRY(gb_image_check(p));
    return gb_floats_check("invertible 1x1 convolution", "the batch of matrices",
                           (double)p->n * p->c * p->c);
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

// ---- Operands ----

static struct gb_dims dims_matrices(const struct gb_call *call) {
    const struct gb_image_problem *p = call->problem;
    return (struct gb_dims){p->n, 1, p->c, p->c};
}

enum { FORWARD_V, FORWARD_MATRICES, FORWARD_U };
static const struct gb_operand forward_operands[] = {
    {"v", GB_IN, .dims = gb_dims_image},
    {"matrices", GB_IN, GB_ROW, GB_FILL_SMALL, .dims = dims_matrices},
    {"u", GB_OUT, .dims = gb_dims_image},
    {0},
};

enum { BACKWARD_V, BACKWARD_MATRICES, BACKWARD_DU, BACKWARD_DV, BACKWARD_D_MATRICES };
static const struct gb_operand backward_operands[] = {
    {"v", GB_IN, .dims = gb_dims_image},
    {"matrices", GB_IN, GB_ROW, GB_FILL_SMALL, .dims = dims_matrices},
    {"du", GB_IN, .dims = gb_dims_image},
    {"dv", GB_OUT, .dims = gb_dims_image},
    {"d_matrices", GB_OUT, GB_ROW, .dims = dims_matrices},
    {0},
};

GB_PLAN_FUNCTIONS(inv1x1, struct gb_inv1x1_plan)

GB_CALL(forward, inv1x1_forward, call->plan, call->exec, gb_view(call, FORWARD_V),
        gb_floats(call, FORWARD_MATRICES), gb_view(call, FORWARD_U))
GB_CALL(backward, inv1x1_backward, call->plan, call->exec, gb_view(call, BACKWARD_V),
        gb_floats(call, BACKWARD_MATRICES), gb_view(call, BACKWARD_DU), gb_view(call, BACKWARD_DV),
        gb_floats(call, BACKWARD_D_MATRICES))

// ---- Definition ----

// (terms + 2) * 2^-24 * sum of |products|; exact for integers.
static struct gb_expected expected(const struct gb_call *call, struct gb_sum sum) {
    const bool exact = call->numbers == GB_NUMBERS_INTEGERS;
    const double bound = exact ? 0 : (sum.terms + 2) * GB_ROUNDING * sum.magnitude;
    return (struct gb_expected){sum.value, bound, sum.terms};
}

GB_DEFINITION(forward) {
    const struct gb_tensor *matrices = gb_view(call, FORWARD_MATRICES);
    const float *v = gb_at(gb_view(call, FORWARD_V), at[0], at[1], at[2]);
    struct gb_sum sum = {0};
    for (int k = 0; k < matrices->c; k++)
        gb_sum_add(&sum, gb_at(matrices, at[0], 0, at[3])[k], v[k]);
    return expected(call, sum);
}

GB_DEFINITION(backward) {
    const struct gb_tensor *v = gb_view(call, BACKWARD_V), *du = gb_view(call, BACKWARD_DU);
    const struct gb_tensor *matrices = gb_view(call, BACKWARD_MATRICES);
    struct gb_sum sum = {0};
    if (operand == BACKWARD_DV)
        for (int row = 0; row < v->c; row++)
            gb_sum_add(&sum, gb_at(matrices, at[0], 0, row)[at[3]],
                       gb_at(du, at[0], at[1], at[2])[row]);
    else
        for (int y = 0; y < v->h; y++)
            for (int x = 0; x < v->w; x++)
                gb_sum_add(&sum, gb_at(du, at[0], y, x)[at[2]], gb_at(v, at[0], y, x)[at[3]]);
    return expected(call, sum);
}

// ----

const struct gb_operation gb_inv1x1_operation = {
    .name = "mix", // as rows have spelt it since 0.1
    .what = "invertible 1x1 convolution",
    .kernels =
        {
            GB_KERNEL(GB_FORWARD, inv1x1_forward, forward, .scratch = scratch, .integers = true),
            GB_KERNEL(GB_BACKWARD, inv1x1_backward, backward, .scratch = scratch, .integers = true),
        },
    .product = true,
    .problem_bytes = sizeof(struct gb_image_problem),
    .sizes = gb_image_problem_sizes,
    .check = inv1x1_check,
    .cost = inv1x1_cost,
    // Those of GB_IMAGE_EDGES whose matrices have fewer than a million entries.
    .edges = GB_TEXTS("n1h1w1c1", "n2h3w5c2", "n1h4w4c6", "n3h2w7c12", "n1h5w3c16", "n2h3w4c17",
                      "n1h3w3c33", "n2h2w2c96", "n1h2w3c71", "n2h33w40c13"),
    .gradients = GB_TEXTS("n2h2w3c4"),
    .plan_bytes = sizeof(struct gb_inv1x1_plan),
    .plan = plan,
    .plan_free = plan_free,
};

// ---- Tracing ----

GB_TRACED(inv1x1_forward, inv1x1, GB_FORWARD, plan->problem,
          (const struct gb_inv1x1_plan *plan, const struct gb_exec *exec, const struct gb_tensor *v,
           const float *matrices, const struct gb_tensor *u),
          (plan, exec, v, matrices, u))
GB_TRACED(inv1x1_backward, inv1x1, GB_BACKWARD, plan->problem,
          (const struct gb_inv1x1_plan *plan, const struct gb_exec *exec, const struct gb_tensor *v,
           const float *matrices, const struct gb_tensor *du, const struct gb_tensor *dv,
           float *d_matrices),
          (plan, exec, v, matrices, du, dv, d_matrices))
