// SPDX-License-Identifier: MIT
#include "kernels/pool/pool.h"

#include "kernels/trace.h"

static enum gb_status pool_check(const void *problem) {
    const struct gb_pool_problem *p = problem;
    if (p->kernel > p->h || p->kernel > p->w)
        return gb_fail(GB_BAD_INPUT, "invalid problem size", "max-pooling",
                       "the window of %d is larger than the %dx%d image", p->kernel, p->h, p->w);
    return gb_floats_check("max-pooling", "input", (double)p->n * p->h * p->w * p->c);
}

// The place of a maximum is found by comparisons; backward reads x for it.
static struct gb_cost pool_cost(const void *problem, enum gb_direction direction) {
    const struct gb_pool_problem *p = problem;
    double images = (double)p->n * p->c;
    double x = images * p->h * p->w, y = images * gb_pool_out(p->h, p) * gb_pool_out(p->w, p);
    return (struct gb_cost){0, sizeof(float) * (direction == GB_BACKWARD ? 2 * x + y : x + y)};
}

static const struct gb_problem_size pool_sizes[] = {
    {'n', offsetof(struct gb_pool_problem, n), 1, GB_SIZE_LIMIT},
    {'h', offsetof(struct gb_pool_problem, h), 1, GB_SIZE_LIMIT},
    {'w', offsetof(struct gb_pool_problem, w), 1, GB_SIZE_LIMIT},
    {'c', offsetof(struct gb_pool_problem, c), 1, GB_SIZE_LIMIT},
    {'r', offsetof(struct gb_pool_problem, kernel), 1, GB_SIZE_LIMIT},
    {'u', offsetof(struct gb_pool_problem, stride), 1, GB_SIZE_LIMIT},
    {0},
};

const struct gb_operation gb_max_pool_operation = {
    .name = "max_pool",
    .what = "max-pooling",
    .kernels = {[GB_FORWARD] = {.entry = "max_pool_forward"},
                [GB_BACKWARD] = {.entry = "max_pool_backward"}},
    .problem_bytes = sizeof(struct gb_pool_problem),
    .sizes = pool_sizes,
    .check = pool_check,
    .cost = pool_cost,
};

enum gb_status gb_pool_check(const struct gb_pool_problem *p) {
    return gb_problem_check(&gb_max_pool_operation, p);
}

enum gb_status gb_max_pool_plan_f32__dry(const struct gb_pool_problem *problem, int threads,
                                         struct gb_pool_plan *plan) {
    (void)threads;
    *plan = (struct gb_pool_plan){.problem = *problem};
    return gb_pool_check(problem);
}

void gb_max_pool_plan_free_f32__dry(struct gb_pool_plan *plan) {
    (void)plan;
}

GB_TRACED(max_pool_forward, max_pool, GB_FORWARD, plan->problem,
          (const struct gb_pool_plan *plan, const struct gb_exec *exec, const struct gb_tensor *x,
           const struct gb_tensor *y),
          (plan, exec, x, y))
GB_TRACED(max_pool_backward, max_pool, GB_BACKWARD, plan->problem,
          (const struct gb_pool_plan *plan, const struct gb_exec *exec, const struct gb_tensor *x,
           const struct gb_tensor *dy, const struct gb_tensor *dx),
          (plan, exec, x, dy, dx))
