// SPDX-License-Identifier: MIT
#include "kernels/backend.h"
#include "kernels/simd/rows.h"

struct upsample {
    int factor;
    const struct gb_tensor *narrow, *wide;
};

enum gb_status GB_NAME(gb_upsample_plan)(const struct gb_upsample_problem *problem, int threads,
                                         struct gb_upsample_plan *plan) {
    (void)threads;
    GB_TRY(gb_problem_check(&gb_upsample_operation, problem));
    *plan = (struct gb_upsample_plan){.problem = *problem};
    return GB_OK;
}

void GB_NAME(gb_upsample_plan_free)(struct gb_upsample_plan *plan) {
    (void)plan;
}

GB_INLINE void repeat_row(const struct upsample *k, int n, int i, bool bf16) {
    for (int j = 0; j < k->wide->w; j++) {
        const void *from = gb_pixel_of(k->narrow, n, i / k->factor, j / k->factor, bf16);
        void *to = gb_pixel_of(k->wide, n, i, j, bf16);
        for (int c = 0, left = k->wide->c; left > 0; c += GB_LANES, left -= GB_LANES)
            gb_store_typed(to, c, gb_load_typed(from, c, left, bf16), left, bf16);
    }
}

static void forward_row(const void *argument, int n, int i) {
    repeat_row(argument, n, i, false);
}

static void forward_bf16_row(const void *argument, int n, int i) {
    repeat_row(argument, n, i, true);
}

void GB_NAME(gb_upsample_forward)(const struct gb_upsample_plan *plan, const struct gb_exec *exec,
                                  const struct gb_tensor *x, const struct gb_tensor *y) {
    assert(gb_upsample_operands_fit(plan, exec, x, y));
    struct upsample upsample = {plan->problem.factor, x, y};
    gb_for_rows(exec, y, 1, y->type == GB_BF16 ? forward_bf16_row : forward_row, &upsample);
}

GB_INLINE void sum_row(const struct upsample *k, int n, int i, bool bf16) {
    for (int j = 0; j < k->narrow->w; j++) {
        const void *corner = gb_pixel_of(k->wide, n, i * k->factor, j * k->factor, bf16);
        void *to = gb_pixel_of(k->narrow, n, i, j, bf16);
        for (int c = 0, left = k->narrow->c; left > 0; c += GB_LANES, left -= GB_LANES) {
            gb_v sum = {0};
            for (int a = 0; a < k->factor; a++)
                for (int b = 0; b < k->factor; b++)
                    sum += gb_load_typed(corner, a * k->wide->row + b * k->wide->pixel + c, left,
                                         bf16);
            gb_store_typed(to, c, sum, left, bf16);
        }
    }
}

static void backward_row(const void *argument, int n, int i) {
    sum_row(argument, n, i, false);
}

static void backward_bf16_row(const void *argument, int n, int i) {
    sum_row(argument, n, i, true);
}

void GB_NAME(gb_upsample_backward)(const struct gb_upsample_plan *plan, const struct gb_exec *exec,
                                   const struct gb_tensor *dy, const struct gb_tensor *dx) {
    assert(gb_upsample_operands_fit(plan, exec, dx, dy));
    struct upsample upsample = {plan->problem.factor, dx, dy};
    gb_for_rows(exec, dx, (size_t)plan->problem.factor * (size_t)plan->problem.factor,
                dx->type == GB_BF16 ? backward_bf16_row : backward_row, &upsample);
}

struct resample {
    const struct gb_resample_plan *plan;
    const struct gb_tensor *x, *y;
    float *rows; // one for each thread
};

// Row i of an output image before columns are combined: as one run of floats if the input's pixels
// are contiguous, otherwise pixel by pixel.
static void combine_rows(const struct resample *k, int n, int i, float *row) {
    const struct gb_resample_axis *axis = &k->plan->rows;
    const int *index = axis->index + (size_t)i * (size_t)axis->taps;
    const float *weight = axis->weight + (size_t)i * (size_t)axis->taps;
    const bool dense = k->x->pixel == k->x->c;
    const int runs = dense ? 1 : k->x->w, run = dense ? k->x->w * k->x->c : k->x->c;
    for (int r = 0; r < runs; r++)
        for (int c = 0, left = run; left > 0; c += GB_LANES, left -= GB_LANES) {
            gb_v sum = {0};
            for (int t = 0; t < axis->taps; t++)
                sum = gb_v_fma(gb_v_set(weight[t]),
                               gb_load_left(gb_at(k->x, n, index[t], r) + c, left), sum);
            gb_store_left(row + (size_t)r * (size_t)run + c, sum, left);
        }
}

static void combine_columns(const struct resample *k, int n, int i, const float *row) {
    const struct gb_resample_axis *axis = &k->plan->columns;
    const int channels = k->x->c;
    for (int j = 0; j < k->y->w; j++) {
        const int *index = axis->index + (size_t)j * (size_t)axis->taps;
        const float *weight = axis->weight + (size_t)j * (size_t)axis->taps;
        for (int c = 0, left = channels; left > 0; c += GB_LANES, left -= GB_LANES) {
            gb_v sum = {0};
            for (int t = 0; t < axis->taps; t++)
                sum = gb_v_fma(gb_v_set(weight[t]),
                               gb_load_left(row + (size_t)index[t] * (size_t)channels + c, left),
                               sum);
            gb_store_left(gb_at(k->y, n, i, j) + c, sum, left);
        }
    }
}

static void resample_share(void *argument, int rank, int size) {
    const struct resample *k = argument;
    float *row = (float *)((char *)k->rows + gb_resample_scratch_bytes(k->x, rank));
    const size_t h = (size_t)k->y->h;
    struct gb_range share = gb_partition((size_t)k->y->n * h, rank, size);
    for (size_t r = share.begin; r < share.end; r++) {
        combine_rows(k, (int)(r / h), (int)(r % h), row);
        combine_columns(k, (int)(r / h), (int)(r % h), row);
    }
}

void GB_NAME(gb_resample)(const struct gb_exec *exec, const struct gb_resample_plan *plan,
                          const struct gb_tensor *x, const struct gb_tensor *y) {
    assert(gb_has_shape(x, x->n, plan->rows.in, plan->columns.in, x->c));
    assert(gb_has_shape(y, x->n, plan->rows.out, plan->columns.out, x->c));
    assert(exec->scratch_bytes >= gb_resample_scratch_bytes(x, exec->threads));
    struct resample resample = {plan, x, y, exec->scratch};
    const size_t taps = (size_t)(plan->rows.taps + plan->columns.taps);
    gb_parallel(gb_threads_for(exec, gb_elements(y) * taps), resample_share, &resample);
}
