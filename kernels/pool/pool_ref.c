// SPDX-License-Identifier: MIT
#include <math.h>

#include "kernels/backend.h"
#include "kernels/pool/contract.h"

// The position of the window's maximum in x, applied to any tensor of x's shape.
struct place {
    int y, x;
};

static struct place maximum(const struct gb_tensor *x, const struct gb_pool_problem *p, int n,
                            int i, int j, int c) {
    struct place best = {i * p->stride, j * p->stride};
    for (int a = 0; a < p->kernel; a++)
        for (int b = 0; b < p->kernel; b++) {
            struct place here = {i * p->stride + a, j * p->stride + b};
            float value = gb_at(x, n, here.y, here.x)[c];
            if (value > gb_at(x, n, best.y, best.x)[c] || isnan(value))
                best = here;
        }
    return best;
}

enum gb_status gb_max_pool_plan_f32__scalar(const struct gb_pool_problem *problem, int threads,
                                            struct gb_pool_plan *plan) {
    (void)threads;
    GB_TRY(gb_pool_check(problem));
    *plan = (struct gb_pool_plan){.problem = *problem};
    return GB_OK;
}

void gb_max_pool_plan_free_f32__scalar(struct gb_pool_plan *plan) {
    (void)plan;
}

void gb_max_pool_forward_f32__scalar(const struct gb_pool_plan *plan, const struct gb_exec *exec,
                                     const struct gb_tensor *x, const struct gb_tensor *y) {
    assert(gb_pool_operands_fit(plan, exec, x, y));
    (void)exec;
    for (int n = 0; n < y->n; n++)
        for (int i = 0; i < y->h; i++)
            for (int j = 0; j < y->w; j++)
                for (int c = 0; c < y->c; c++) {
                    struct place p = maximum(x, &plan->problem, n, i, j, c);
                    gb_at(y, n, i, j)[c] = gb_at(x, n, p.y, p.x)[c];
                }
}

void gb_max_pool_backward_f32__scalar(const struct gb_pool_plan *plan, const struct gb_exec *exec,
                                      const struct gb_tensor *x, const struct gb_tensor *dy,
                                      const struct gb_tensor *dx) {
    assert(gb_pool_operands_fit(plan, exec, x, dy) && gb_same_shape(x, dx));
    (void)exec;
    for (int n = 0; n < x->n; n++)
        for (int i = 0; i < x->h; i++)
            for (int j = 0; j < x->w; j++)
                for (int c = 0; c < x->c; c++)
                    gb_at(dx, n, i, j)[c] = 0;
    for (int n = 0; n < dy->n; n++)
        for (int i = 0; i < dy->h; i++)
            for (int j = 0; j < dy->w; j++)
                for (int c = 0; c < dy->c; c++) {
                    struct place p = maximum(x, &plan->problem, n, i, j, c);
                    gb_at(dx, n, p.y, p.x)[c] += gb_at(dy, n, i, j)[c];
                }
}
