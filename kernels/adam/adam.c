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
    return adam;
}

// With the gradient, which is read.
static struct gb_cost adam_cost(const void *problem, enum gb_direction direction) {
    (void)direction;
    double count = ((const struct gb_array_problem *)problem)->count;
    return (struct gb_cost){GB_ADAM_FLOPS * count, (GB_ADAM_BYTES + sizeof(float)) * count};
}

const struct gb_operation gb_adam_operation = {
    .name = "adam",
    .what = "Adam",
    .kernels = {[GB_FORWARD] = {.entry = "adam"}},
    .problem_bytes = sizeof(struct gb_array_problem),
    .sizes = gb_array_problem_sizes,
    .cost = adam_cost,
};

GB_TRACED(adam, adam, GB_FORWARD, ((struct gb_array_problem){(int)count}),
          (const struct gb_exec *exec, const struct gb_adam *adam, size_t count,
           const float *gradient, float *weights, float *moment1, float *moment2),
          (exec, adam, count, gradient, weights, moment1, moment2))
