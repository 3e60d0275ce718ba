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

GB_INLINE struct maximum maximum_of(const struct pool *k, int n, int i, int j, int c, int left) {
    const int kernel = k->problem.kernel, stride = k->problem.stride;
    const float *corner = gb_at(k->x, n, i * stride, j * stride) + c;
    struct maximum best = {gb_load_left(corner, left), gb_vi_set(0)};
    for (int a = 0; a < kernel; a++)
        for (int b = 0; b < kernel; b++) {
            gb_v value = gb_load_left(corner + a * k->x->row + b * k->x->pixel, left);
            gb_vi better = (value > best.value) | (value != value);
            best.value = gb_v_select(better, value, best.value);
            best.position = (better & gb_vi_set(a * kernel + b)) | (~better & best.position);
        }
    return best;
}

static void forward_row(const void *argument, int n, int i) {
    const struct pool *k = argument;
    for (int j = 0; j < k->y->w; j++)
        for (int c = 0, left = k->y->c; left > 0; c += GB_LANES, left -= GB_LANES)
            gb_store_left(gb_at(k->y, n, i, j) + c, maximum_of(k, n, i, j, c, left).value, left);
}

void GB_NAME(gb_max_pool_forward)(const struct gb_pool_plan *plan, const struct gb_exec *exec,
                                  const struct gb_tensor *x, const struct gb_tensor *y) {
    assert(gb_pool_operands_fit(plan, exec, x, y));
    struct pool pool = {plan->problem, x, y, NULL};
    const size_t window = (size_t)plan->problem.kernel * (size_t)plan->problem.kernel;
    gb_for_rows(exec, y, window, forward_row, &pool);
}

static void clear_rows(const struct gb_tensor *t, int n, int first, int end) {
    for (int i = first; i < end; i++)
        for (int j = 0; j < t->w; j++)
            memset(gb_at(t, n, i, j), 0, (size_t)t->c * sizeof(float));
}

// True if the windows cover each pixel of dx once.
static bool tile_dx(const struct pool *k) {
    const int kernel = k->problem.kernel;
    return k->problem.stride == kernel && k->dx->h == k->y->h * kernel &&
           k->dx->w == k->y->w * kernel;
}

// The gradients of one row of outputs: added to dx, or written if the windows tile it.
GB_INLINE void backward_row(const struct pool *k, int n, int i, bool tiled) {
    const int kernel = k->problem.kernel, stride = k->problem.stride;
    for (int j = 0; j < k->y->w; j++)
        for (int c = 0, left = k->y->c; left > 0; c += GB_LANES, left -= GB_LANES) {
            gb_vi position = maximum_of(k, n, i, j, c, left).position;
            gb_v dy = gb_load_left(gb_at(k->y, n, i, j) + c, left);
            float *corner = gb_at(k->dx, n, i * stride, j * stride) + c;
            for (int a = 0; a < kernel; a++)
                for (int b = 0; b < kernel; b++) {
                    float *dx = corner + a * k->dx->row + b * k->dx->pixel;
                    gb_vi here = position == gb_vi_set(a * kernel + b);
                    gb_v value = tiled ? (gb_v){0} : gb_load_left(dx, left);
                    gb_store_left(dx, gb_v_select(here, value + dy, value), left);
                }
        }
}

// If windows do not overlap, each row of outputs owns rows of dx; otherwise only each image does.
static void backward_share(void *argument, int rank, int size) {
    const struct pool *k = argument;
    const int stride = k->problem.stride, rows = k->y->h;
    const int bands = stride >= k->problem.kernel ? rows : 1;
    const bool tiled = tile_dx(k);
    struct gb_range share = gb_partition((size_t)k->y->n * (size_t)bands, rank, size);
    for (size_t unit = share.begin; unit < share.end; unit++) {
        const int n = (int)(unit / (size_t)bands), band = (int)(unit % (size_t)bands);
        const int first = band * rows / bands, end = (band + 1) * rows / bands;
        if (!tiled)
            clear_rows(k->dx, n, first * stride, end == rows ? k->dx->h : end * stride);
        for (int i = first; i < end; i++)
            tiled ? backward_row(k, n, i, true) : backward_row(k, n, i, false);
    }
}

void GB_NAME(gb_max_pool_backward)(const struct gb_pool_plan *plan, const struct gb_exec *exec,
                                   const struct gb_tensor *x, const struct gb_tensor *dy,
                                   const struct gb_tensor *dx) {
    assert(gb_pool_operands_fit(plan, exec, x, dy) && gb_same_shape(x, dx));
    struct pool pool = {plan->problem, x, dy, dx};
    gb_parallel(gb_threads_for(exec, 2 * gb_elements(x)), backward_share, &pool);
}
