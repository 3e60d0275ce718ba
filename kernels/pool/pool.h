// SPDX-License-Identifier: MIT
// Max-pooling without padding: y[n, i, j, c] = max over the window of
// x[n, i*stride + a, j*stride + b, c], a and b in [0, kernel). Rows and columns after the last
// complete window are left out.
#ifndef GB_POOL_H
#define GB_POOL_H

#include "kernels/operation.h"

// Text "n2h64w64c32r2u2", "n2h64w64c32r2u2_bf16".
struct gb_pool_problem {
    int n, h, w, c;        // x
    int kernel, stride;    // both ways
    enum gb_format format; // GB_FLOATS or GB_BF16_OPERANDS: all tensors
};

static inline int gb_pool_out(int size, const struct gb_pool_problem *p) {
    return (size - p->kernel) / p->stride + 1;
}

struct gb_pool_plan {
    struct gb_pool_problem problem;
    size_t scratch_bytes; // that gb_exec must provide, for any thread count
    void *backend_data;   // as in struct gb_conv_plan
};

// x and dx have the problem's shape; y and dy are n x gb_pool_out(h) x gb_pool_out(w) x c. Any
// strides; outputs do not overlap inputs. `threads` as for a convolution's plan. GB_BAD_INPUT with
// a message if a size is below 1 or above 2^20, the window is larger than x, or x has 2^31 floats
// or more.
typedef enum gb_status (*gb_max_pool_plan_fn)(const struct gb_pool_problem *problem, int threads,
                                              struct gb_pool_plan *plan);
typedef void (*gb_max_pool_plan_free_fn)(struct gb_pool_plan *plan);

// Exact. NaN if the window has one; a vendor library may miss it.
typedef void (*gb_max_pool_forward_fn)(const struct gb_pool_plan *plan, const struct gb_exec *exec,
                                       const struct gb_tensor *x, const struct gb_tensor *y);

// The gradient of an output goes to the first maximum of its window in row order (to the last NaN
// if there is one), as in PyTorch. The maximum is searched for again in x, which is cheaper than
// storing its position. Overwrites dx; where windows overlap, gradients are added in the outputs'
// row order and, in bf16, rounded at each addition (vendor libraries: in any order, with a
// convolution's error bound).
typedef void (*gb_max_pool_backward_fn)(const struct gb_pool_plan *plan, const struct gb_exec *exec,
                                        const struct gb_tensor *x, const struct gb_tensor *dy,
                                        const struct gb_tensor *dx);

// ---- What runs assert ----

// x (or dx) and y (or dy) have the plan's shapes, and exec brings the plan's scratch.
static inline bool gb_pool_operands_fit(const struct gb_pool_plan *plan, const struct gb_exec *exec,
                                        const struct gb_tensor *x, const struct gb_tensor *y) {
    const struct gb_pool_problem *p = &plan->problem;
    return gb_has_shape(x, p->n, p->h, p->w, p->c) && x->type == gb_x_type(p->format) &&
           y->type == x->type &&
           gb_has_shape(y, p->n, gb_pool_out(p->h, p), gb_pool_out(p->w, p), p->c) &&
           exec->scratch_bytes >= plan->scratch_bytes;
}

#endif
