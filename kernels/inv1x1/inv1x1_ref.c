// SPDX-License-Identifier: MIT
#include "kernels/backend.h"

enum gb_status gb_inv1x1_plan__scalar(const struct gb_image_problem *problem, int threads,
                                      struct gb_inv1x1_plan *plan) {
    (void)threads;
    GB_TRY(gb_problem_check(&gb_inv1x1_operation, problem));
    *plan = (struct gb_inv1x1_plan){.problem = *problem};
    return GB_OK;
}

void gb_inv1x1_plan_free__scalar(struct gb_inv1x1_plan *plan) {
    (void)plan;
}

void gb_inv1x1_forward__scalar(const struct gb_inv1x1_plan *plan, const struct gb_exec *exec,
                               const struct gb_tensor *v, const float *matrices,
                               const struct gb_tensor *u) {
    assert(gb_inv1x1_operands_fit(plan, exec, v, u));
    (void)plan, (void)exec;
    for (int n = 0; n < v->n; n++) {
        const float *matrix = matrices + (size_t)n * v->c * v->c;
        for (int i = 0; i < v->h; i++)
            for (int j = 0; j < v->w; j++)
                for (int o = 0; o < v->c; o++) {
                    float sum = 0;
                    for (int k = 0; k < v->c; k++)
                        sum += matrix[o * v->c + k] * gb_at(v, n, i, j)[k];
                    gb_at(u, n, i, j)[o] = sum;
                }
    }
}

void gb_inv1x1_backward__scalar(const struct gb_inv1x1_plan *plan, const struct gb_exec *exec,
                                const struct gb_tensor *v, const float *matrices,
                                const struct gb_tensor *du, const struct gb_tensor *dv,
                                float *d_matrices) {
    assert(gb_inv1x1_operands_fit(plan, exec, v, du) && gb_inv1x1_operands_fit(plan, exec, dv, du));
    (void)plan, (void)exec;
    for (int n = 0; n < v->n; n++) {
        const float *matrix = matrices + (size_t)n * v->c * v->c;
        float *d_matrix = d_matrices + (size_t)n * v->c * v->c;
        for (int i = 0; i < v->h; i++)
            for (int j = 0; j < v->w; j++)
                for (int k = 0; k < v->c; k++) {
                    float sum = 0;
                    for (int o = 0; o < v->c; o++)
                        sum += matrix[o * v->c + k] * gb_at(du, n, i, j)[o];
                    gb_at(dv, n, i, j)[k] = sum;
                }
        for (int o = 0; o < v->c; o++)
            for (int k = 0; k < v->c; k++) {
                float sum = 0;
                for (int i = 0; i < v->h; i++)
                    for (int j = 0; j < v->w; j++)
                        sum += gb_at(du, n, i, j)[o] * gb_at(v, n, i, j)[k];
                d_matrix[o * v->c + k] = sum;
            }
    }
}
