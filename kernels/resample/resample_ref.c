// SPDX-License-Identifier: MIT
#include <math.h>

#include "kernels/backend.h"
#include "kernels/resample/contract.h"

enum gb_status gb_upsample_plan_f32__scalar(const struct gb_upsample_problem *problem, int threads,
                                            struct gb_upsample_plan *plan) {
    (void)threads;
    GB_TRY(gb_upsample_check(problem));
    *plan = (struct gb_upsample_plan){.problem = *problem};
    return GB_OK;
}

void gb_upsample_plan_free_f32__scalar(struct gb_upsample_plan *plan) {
    (void)plan;
}

void gb_upsample_forward_f32__scalar(const struct gb_upsample_plan *plan,
                                     const struct gb_exec *exec, const struct gb_tensor *x,
                                     const struct gb_tensor *y) {
    assert(gb_upsample_operands_fit(plan, exec, x, y));
    (void)exec;
    const int factor = plan->problem.factor;
    for (int n = 0; n < y->n; n++)
        for (int i = 0; i < y->h; i++)
            for (int j = 0; j < y->w; j++)
                for (int c = 0; c < y->c; c++)
                    gb_at(y, n, i, j)[c] = gb_at(x, n, i / factor, j / factor)[c];
}

void gb_upsample_backward_f32__scalar(const struct gb_upsample_plan *plan,
                                      const struct gb_exec *exec, const struct gb_tensor *dy,
                                      const struct gb_tensor *dx) {
    assert(gb_upsample_operands_fit(plan, exec, dx, dy));
    (void)exec;
    const int factor = plan->problem.factor;
    for (int n = 0; n < dx->n; n++)
        for (int i = 0; i < dx->h; i++)
            for (int j = 0; j < dx->w; j++)
                for (int c = 0; c < dx->c; c++) {
                    float sum = 0;
                    for (int a = 0; a < factor; a++)
                        for (int b = 0; b < factor; b++)
                            sum += gb_at(dy, n, i * factor + a, j * factor + b)[c];
                    gb_at(dx, n, i, j)[c] = sum;
                }
}

void gb_resample_f32__scalar(const struct gb_exec *exec, const struct gb_resample_plan *plan,
                             const struct gb_tensor *x, const struct gb_tensor *y) {
    (void)exec;
    assert(gb_has_shape(x, x->n, plan->rows.in, plan->columns.in, x->c));
    assert(gb_has_shape(y, x->n, plan->rows.out, plan->columns.out, x->c));
    const struct gb_resample_axis *rows = &plan->rows, *columns = &plan->columns;
    for (int n = 0; n < y->n; n++)
        for (int i = 0; i < y->h; i++)
            for (int j = 0; j < y->w; j++)
                for (int c = 0; c < y->c; c++) {
                    float sum = 0;
                    for (int b = 0; b < columns->taps; b++) {
                        int column = columns->index[j * columns->taps + b];
                        float combined = 0;
                        for (int a = 0; a < rows->taps; a++)
                            combined = fmaf(rows->weight[i * rows->taps + a],
                                            gb_at(x, n, rows->index[i * rows->taps + a], column)[c],
                                            combined);
                        sum = fmaf(columns->weight[j * columns->taps + b], combined, sum);
                    }
                    gb_at(y, n, i, j)[c] = sum;
                }
}
