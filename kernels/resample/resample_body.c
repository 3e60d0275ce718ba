// SPDX-License-Identifier: MIT
#include "kernels/backend.h"
#include "kernels/resample/contract.h"
#include "kernels/simd/rows.h"

struct upsample {
    int factor;
    const struct gb_tensor *narrow, *wide;
};

enum gb_status GB_NAME(gb_upsample_plan_f32)(const struct gb_upsample_problem *problem, int threads,
                                             struct gb_upsample_plan *plan) {
    (void)threads;
    GB_TRY(gb_upsample_check(problem));
    *plan = (struct gb_upsample_plan){.problem = *problem};
    return GB_OK;
}

void GB_NAME(gb_upsample_plan_free_f32)(struct gb_upsample_plan *plan) {
    (void)plan;
}

static void forward_row(const void *argument, int n, int i) {
    const struct upsample *k = argument;
    for (int j = 0; j < k->wide->w; j++) {
        const float *from = gb_at(k->narrow, n, i / k->factor, j / k->factor);
        float *to = gb_at(k->wide, n, i, j);
        for (int c = 0, left = k->wide->c; left > 0; c += GB_LANES, left -= GB_LANES)
            gb_store_left(to + c, gb_load_left(from + c, left), left);
    }
}

void GB_NAME(gb_upsample_forward_f32)(const struct gb_upsample_plan *plan,
                                      const struct gb_exec *exec, const struct gb_tensor *x,
                                      const struct gb_tensor *y) {
    assert(gb_upsample_operands_fit(plan, exec, x, y));
    struct upsample upsample = {plan->problem.factor, x, y};
    gb_for_rows(exec, y, 1, forward_row, &upsample);
}

static void backward_row(const void *argument, int n, int i) {
    const struct upsample *k = argument;
    for (int j = 0; j < k->narrow->w; j++) {
        const float *corner = gb_at(k->wide, n, i * k->factor, j * k->factor);
        float *to = gb_at(k->narrow, n, i, j);
        for (int c = 0, left = k->narrow->c; left > 0; c += GB_LANES, left -= GB_LANES) {
            gb_v sum = {0};
            for (int a = 0; a < k->factor; a++)
                for (int b = 0; b < k->factor; b++)
                    sum += gb_load_left(corner + a * k->wide->row + b * k->wide->pixel + c, left);
            gb_store_left(to + c, sum, left);
        }
    }
}

void GB_NAME(gb_upsample_backward_f32)(const struct gb_upsample_plan *plan,
                                       const struct gb_exec *exec, const struct gb_tensor *dy,
                                       const struct gb_tensor *dx) {
    assert(gb_upsample_operands_fit(plan, exec, dx, dy));
    struct upsample upsample = {plan->problem.factor, dx, dy};
    gb_for_rows(exec, dx, (size_t)plan->problem.factor * (size_t)plan->problem.factor, backward_row,
                &upsample);
}
