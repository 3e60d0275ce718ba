// SPDX-License-Identifier: MIT
#include "kernels/backend.h"
#include "kernels/simd/rows.h"

struct pool {
    struct gb_pool_window window;
    const struct gb_tensor *x, *y;
    const struct gb_tensor *dx; // backward, where y is dy
};

static void check_shapes(const struct pool *k) {
    (void)k;
    assert(k->window.kernel > 0 && k->window.stride > 0);
    assert(k->x->h >= k->window.kernel && k->x->w >= k->window.kernel);
    assert(gb_has_shape(k->y, k->x->n, gb_pool_out(k->x->h, k->window),
                        gb_pool_out(k->x->w, k->window), k->x->c));
}

// A window's maximum in one vector of channels, and its position a*kernel + b.
struct maximum {
    gb_v value;
    gb_vi position;
};

GB_INLINE struct maximum maximum_of(const struct pool *k, int n, int i, int j, int c, int left) {
    const int kernel = k->window.kernel, stride = k->window.stride;
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

void GB_NAME(gb_max_pool_forward_f32)(const struct gb_exec *exec, struct gb_pool_window window,
                                      const struct gb_tensor *x, const struct gb_tensor *y) {
    struct pool pool = {window, x, y, NULL};
    check_shapes(&pool);
    gb_for_rows(exec, y, (size_t)window.kernel * (size_t)window.kernel, forward_row, &pool);
}

static void clear_rows(const struct gb_tensor *t, int n, int first, int end) {
    for (int i = first; i < end; i++)
        for (int j = 0; j < t->w; j++)
            memset(gb_at(t, n, i, j), 0, (size_t)t->c * sizeof(float));
}

// Adds the gradients of one row of outputs.
static void backward_row(const struct pool *k, int n, int i) {
    const int kernel = k->window.kernel, stride = k->window.stride;
    for (int j = 0; j < k->y->w; j++)
        for (int c = 0, left = k->y->c; left > 0; c += GB_LANES, left -= GB_LANES) {
            gb_vi position = maximum_of(k, n, i, j, c, left).position;
            gb_v dy = gb_load_left(gb_at(k->y, n, i, j) + c, left);
            float *corner = gb_at(k->dx, n, i * stride, j * stride) + c;
            for (int a = 0; a < kernel; a++)
                for (int b = 0; b < kernel; b++) {
                    float *dx = corner + a * k->dx->row + b * k->dx->pixel;
                    gb_vi here = position == gb_vi_set(a * kernel + b);
                    gb_v value = gb_load_left(dx, left);
                    gb_store_left(dx, gb_v_select(here, value + dy, value), left);
                }
        }
}

// Where windows do not overlap, a row of outputs has rows of dx of its own; else only an image has.
static void backward_share(void *argument, int rank, int size) {
    const struct pool *k = argument;
    const int stride = k->window.stride, rows = k->y->h;
    const int bands = stride >= k->window.kernel ? rows : 1;
    struct gb_share share = gb_share_of((size_t)k->y->n * (size_t)bands, rank, size);
    for (size_t unit = share.begin; unit < share.end; unit++) {
        const int n = (int)(unit / (size_t)bands), band = (int)(unit % (size_t)bands);
        const int first = band * rows / bands, end = (band + 1) * rows / bands;
        clear_rows(k->dx, n, first * stride, end == rows ? k->dx->h : end * stride);
        for (int i = first; i < end; i++)
            backward_row(k, n, i);
    }
}

void GB_NAME(gb_max_pool_backward_f32)(const struct gb_exec *exec, struct gb_pool_window window,
                                       const struct gb_tensor *x, const struct gb_tensor *dy,
                                       const struct gb_tensor *dx) {
    struct pool pool = {window, x, dy, dx};
    check_shapes(&pool);
    assert(gb_same_shape(x, dx));
    gb_parallel(gb_threads_for(exec, 2 * gb_elements(x)), backward_share, &pool);
}
