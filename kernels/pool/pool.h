// SPDX-License-Identifier: MIT
// Max-pooling without padding: y[n, i, j, c] = max over the window of
// x[n, i*stride + a, j*stride + b, c], a and b in [0, kernel). Rows and columns behind the last
// whole window are left out.
#ifndef GB_POOL_H
#define GB_POOL_H

#include "kernels/parallel.h"
#include "kernels/tensor.h"

struct gb_pool_window {
    int kernel, stride; // both ways
};

static inline int gb_pool_out(int size, struct gb_pool_window window) {
    return (size - window.kernel) / window.stride + 1;
}

// x: n x h x w x c, no smaller than the window; y: n x gb_pool_out(h) x gb_pool_out(w) x c. Any
// strides, no overlap. Exact; NaN where the window holds one.
typedef void (*gb_max_pool_forward_fn)(const struct gb_exec *exec, struct gb_pool_window window,
                                       const struct gb_tensor *x, const struct gb_tensor *y);

// Every output's gradient goes to its maximum, the first one in row order where several are equal
// (the last NaN where there is one), as PyTorch has it. The place is found anew in x: that is cheaper
// than to store it. Overwrites dx, of x's shape; where windows overlap, gradients are added in the
// outputs' row order. dx overlaps neither x nor dy.
typedef void (*gb_max_pool_backward_fn)(const struct gb_exec *exec, struct gb_pool_window window,
                                        const struct gb_tensor *x, const struct gb_tensor *dy,
                                        const struct gb_tensor *dx);

#endif
