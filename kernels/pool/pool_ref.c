// SPDX-License-Identifier: MIT
#include <math.h>

#include "kernels/backend.h"

// The window's maximum, in x and at the same place of any tensor of x's shape.
struct place {
    int y, x;
};

static struct place maximum(const struct gb_tensor *x, struct gb_pool_window window, int n, int i,
                            int j, int c) {
    struct place best = {i * window.stride, j * window.stride};
    for (int a = 0; a < window.kernel; a++)
        for (int b = 0; b < window.kernel; b++) {
            struct place p = {i * window.stride + a, j * window.stride + b};
            float value = gb_at(x, n, p.y, p.x)[c];
            if (value > gb_at(x, n, best.y, best.x)[c] || isnan(value))
                best = p;
        }
    return best;
}

static void check_shapes(struct gb_pool_window window, const struct gb_tensor *x,
                         const struct gb_tensor *y) {
    (void)window, (void)x, (void)y;
    assert(window.kernel > 0 && window.stride > 0);
    assert(x->h >= window.kernel && x->w >= window.kernel);
    assert(gb_has_shape(y, x->n, gb_pool_out(x->h, window), gb_pool_out(x->w, window), x->c));
}

void gb_max_pool_forward_f32__scalar(const struct gb_exec *exec, struct gb_pool_window window,
                                     const struct gb_tensor *x, const struct gb_tensor *y) {
    (void)exec;
    check_shapes(window, x, y);
    for (int n = 0; n < y->n; n++)
        for (int i = 0; i < y->h; i++)
            for (int j = 0; j < y->w; j++)
                for (int c = 0; c < y->c; c++) {
                    struct place p = maximum(x, window, n, i, j, c);
                    gb_at(y, n, i, j)[c] = gb_at(x, n, p.y, p.x)[c];
                }
}

void gb_max_pool_backward_f32__scalar(const struct gb_exec *exec, struct gb_pool_window window,
                                      const struct gb_tensor *x, const struct gb_tensor *dy,
                                      const struct gb_tensor *dx) {
    (void)exec;
    check_shapes(window, x, dy);
    assert(gb_same_shape(x, dx));
    for (int n = 0; n < x->n; n++)
        for (int i = 0; i < x->h; i++)
            for (int j = 0; j < x->w; j++)
                for (int c = 0; c < x->c; c++)
                    gb_at(dx, n, i, j)[c] = 0;
    for (int n = 0; n < dy->n; n++)
        for (int i = 0; i < dy->h; i++)
            for (int j = 0; j < dy->w; j++)
                for (int c = 0; c < dy->c; c++) {
                    struct place p = maximum(x, window, n, i, j, c);
                    gb_at(dx, n, p.y, p.x)[c] += gb_at(dy, n, i, j)[c];
                }
}
