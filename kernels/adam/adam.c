// SPDX-License-Identifier: MIT
#include "kernels/adam/adam.h"

#include "kernels/trace.h"

#include <assert.h>

static double power(double base, long exponent) {
    double result = 1;
    for (; exponent > 0; exponent >>= 1, base *= base)
        if (exponent & 1)
            result *= base;
    return result;
}

struct gb_adam gb_adam_at_step(struct gb_adam adam, long step) {
    assert(step >= 1);
    adam.correction1 = (float)(1 / (1 - power(adam.beta1, step)));
    adam.correction2 = (float)(1 / (1 - power(adam.beta2, step)));
    adam.step = (uint32_t)step;
    return adam;
}

enum { GRADIENT, WEIGHTS, MOMENT1, MOMENT2 };
static const struct gb_operand adam_operands[] = {
    {"gradient", GB_IN, GB_ROW, .dims = gb_dims_array},
    {"weights", GB_IN_OUT, GB_ROW, .dims = gb_dims_array},
    {"moment1", GB_IN_OUT, GB_ROW, .dims = gb_dims_array},
    {"moment2", GB_IN_OUT, GB_ROW, GB_FILL_POSITIVE, .dims = gb_dims_array},
    {0},
};

static void call_adam(const struct gb_call *call) {
    const struct gb_array_problem *p = call->problem;
    const struct gb_adam_target target = {.adam = call->adam,
                                          .weights = gb_floats(call, WEIGHTS),
                                          .moment1 = gb_floats(call, MOMENT1),
                                          .moment2 = gb_floats(call, MOMENT2)};
    call->backend->adam(call->exec, &target, 0, (size_t)p->count, gb_floats(call, GRADIENT));
}

// Subnormal numbers are flushed to zero, wherever they come up.
GB_DEFINITION(adam) {
    const double e = GB_ROUNDING, flushed = 2 * 0x1p-126;
    const struct gb_adam *adam = call->adam;
    const double beta1 = adam->beta1, beta2 = adam->beta2;
    const double weight = gb_value(call, WEIGHTS, at), moment1 = gb_value(call, MOMENT1, at);
    const double g = fmax(-adam->clip, fmin(adam->clip, gb_value(call, GRADIENT, at)));
    const double m = beta1 * moment1 + (1 - beta1) * g;
    const double m_bound = 2 * e * (fabs(beta1 * moment1) + fabs((1 - beta1) * g)) + flushed;
    const double v = beta2 * gb_value(call, MOMENT2, at) + (1 - beta2) * g * g;
    if (operand == MOMENT1)
        return gb_within(m, m_bound);
    if (operand == MOMENT2)
        return gb_within(v, 3 * e * v + flushed);
    const double rate = (double)adam->learning_rate * adam->correction1 /
                        (sqrt(v * adam->correction2) + adam->epsilon);
    const double w = weight - rate * m;
    return gb_within(w, e * fabs(w) + rate * (8 * e * fabs(m) + m_bound) + flushed);
}

const struct gb_operation gb_adam_operation = {
    .name = "adam",
    .what = "Adam",
    .kernels = {GB_KERNEL(
        GB_FORWARD, adam, adam, .costs = {{GB_ADAM_FLOPS, GB_ADAM_BYTES / sizeof(float) + 1}},
        .traffic = GB_TRAFFIC_UPDATE, .reference_bits = true, .integers = true, .extremes = true)},
    .edges = GB_TEXTS("e1", "e7", "e8", "e9", "e15", "e16", "e17", "e100", "e1000", "e32769"),
    .problem_bytes = sizeof(struct gb_array_problem),
    .sizes = gb_array_problem_sizes,
};

GB_TRACED(adam, adam, GB_FORWARD, ((struct gb_array_problem){(int)count}),
          (const struct gb_exec *exec, const struct gb_adam_target *target, size_t first,
           size_t count, const float *gradient),
          (exec, target, first, count, gradient))
