// SPDX-License-Identifier: MIT
#include "kernels/backend.h"
#include "kernels/simd/rows.h"

struct pool {
    struct gb_pool_problem problem;
    const struct gb_tensor *x, *y;
    const struct gb_tensor *dx; // backward, where y is dy
};

enum gb_status GB_NAME(gb_max_pool_plan)(const struct gb_pool_problem *problem, int threads,
                                         struct gb_pool_plan *plan) {
    (void)threads;
    GB_TRY(gb_problem_check(&gb_max_pool_operation, problem));
    *plan = (struct gb_pool_plan){.problem = *problem};
    return GB_OK;
}

void GB_NAME(gb_max_pool_plan_free)(struct gb_pool_plan *plan) {
    (void)plan;
}

// A window's maximum in one vector of channels, and its position a*kernel + b.
struct maximum {
    gb_v value;
    gb_vi position;
};

GB_INLINE struct maximum maximum_of(const struct pool *k, int n, int i, int j, int c, int left,
                                    bool bf16) {
    const int kernel = k->problem.kernel, stride = k->problem.stride;
    const void *corner = gb_pixel_of(k->x, n, i * stride, j * stride, bf16);
    struct maximum best = {gb_load_typed(corner, c, left, bf16), gb_vi_set(0)};
    for (int a = 0; a < kernel; a++)
        for (int b = 0; b < kernel; b++) {
            const ptrdiff_t at = a * k->x->row + b * k->x->pixel + c;
            gb_v value = gb_load_typed(corner, at, left, bf16);
            gb_vi better = (value > best.value) | (value != value);
            best.value = gb_v_select(better, value, best.value);
            best.position = (better & gb_vi_set(a * kernel + b)) | (~better & best.position);
        }
    return best;
}

GB_INLINE void maxima_of_row(const struct pool *k, int n, int i, bool bf16) {
    for (int j = 0; j < k->y->w; j++)
        for (int c = 0, left = k->y->c; left > 0; c += GB_LANES, left -= GB_LANES)
            gb_store_typed(gb_pixel_of(k->y, n, i, j, bf16), c,
                           maximum_of(k, n, i, j, c, left, bf16).value, left, bf16);
}

static void forward_row(const void *argument, int n, int i) {
    maxima_of_row(argument, n, i, false);
}

static void forward_bf16_row(const void *argument, int n, int i) {
    maxima_of_row(argument, n, i, true);
}

void GB_NAME(gb_max_pool_forward)(const struct gb_pool_plan *plan, const struct gb_exec *exec,
                                  const struct gb_tensor *x, const struct gb_tensor *y) {
    assert(gb_pool_operands_fit(plan, exec, x, y));
    struct pool pool = {plan->problem, x, y, NULL};
    const size_t window = (size_t)plan->problem.kernel * (size_t)plan->problem.kernel;
    gb_for_rows(exec, y, window, y->type == GB_BF16 ? forward_bf16_row : forward_row, &pool);
}

static void clear_rows(const struct gb_tensor *t, int n, int first, int end) {
    for (int i = first; i < end; i++)
        for (int j = 0; j < t->w; j++)
            memset(gb_advance(t, n * t->image + i * t->row + j * t->pixel), 0,
                   (size_t)t->c * gb_type_bytes(t->type));
}

// True if the windows cover each pixel of dx once.
static bool tile_dx(const struct pool *k) {
    const int kernel = k->problem.kernel;
    return k->problem.stride == kernel && k->dx->h == k->y->h * kernel &&
           k->dx->w == k->y->w * kernel;
}

// The gradients of one row of outputs: added to dx, or written if the windows tile it.
GB_INLINE void backward_row(const struct pool *k, int n, int i, bool tiled, bool bf16) {
    const int kernel = k->problem.kernel, stride = k->problem.stride;
    for (int j = 0; j < k->y->w; j++)
        for (int c = 0, left = k->y->c; left > 0; c += GB_LANES, left -= GB_LANES) {
            gb_vi position = maximum_of(k, n, i, j, c, left, bf16).position;
            gb_v dy = gb_load_typed(gb_pixel_of(k->y, n, i, j, bf16), c, left, bf16);
            void *corner = gb_pixel_of(k->dx, n, i * stride, j * stride, bf16);
            for (int a = 0; a < kernel; a++)
                for (int b = 0; b < kernel; b++) {
                    const ptrdiff_t at = a * k->dx->row + b * k->dx->pixel + c;
                    gb_vi here = position == gb_vi_set(a * kernel + b);
                    gb_v value = tiled ? (gb_v){0} : gb_load_typed(corner, at, left, bf16);
                    gb_store_typed(corner, at, gb_v_select(here, value + dy, value), left, bf16);
                }
        }
}

// If windows do not overlap, each row of outputs owns rows of dx; otherwise only each image does.
static void backward_share(void *argument, int rank, int size) {
    const struct pool *k = argument;
    const int stride = k->problem.stride, rows = k->y->h;
    const int bands = stride >= k->problem.kernel ? rows : 1;
    const bool tiled = tile_dx(k), bf16 = k->dx->type == GB_BF16;
    struct gb_range share = gb_partition((size_t)k->y->n * (size_t)bands, rank, size);
    for (size_t unit = share.begin; unit < share.end; unit++) {
        const int n = (int)(unit / (size_t)bands), band = (int)(unit % (size_t)bands);
        const int first = band * rows / bands, end = (band + 1) * rows / bands;
        if (!tiled)
            clear_rows(k->dx, n, first * stride, end == rows ? k->dx->h : end * stride);
        for (int i = first; i < end; i++)
            if (bf16)
                tiled ? backward_row(k, n, i, true, true) : backward_row(k, n, i, false, true);
            else
                tiled ? backward_row(k, n, i, true, false) : backward_row(k, n, i, false, false);
    }
}

void GB_NAME(gb_max_pool_backward)(const struct gb_pool_plan *plan, const struct gb_exec *exec,
                                   const struct gb_tensor *x, const struct gb_tensor *dy,
                                   const struct gb_tensor *dx) {
    assert(gb_pool_operands_fit(plan, exec, x, dy) && gb_pool_operands_fit(plan, exec, dx, dy));
    struct pool pool = {plan->problem, x, dy, dx};
    gb_parallel(gb_threads_for(exec, 2 * gb_elements(x)), backward_share, &pool);
}
