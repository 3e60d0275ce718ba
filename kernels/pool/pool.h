// SPDX-License-Identifier: MIT
// Max-pooling without padding: y[n, i, j, c] = max over the window of
// x[n, i*stride + a, j*stride + b, c], a and b in [0, kernel). Rows and columns after the last
// complete window are left out.
#ifndef GB_POOL_H
#define GB_POOL_H

#include "base/status.h"
#include "kernels/operation.h"
#include "kernels/parallel.h"
#include "kernels/tensor.h"

// Text "n2h64w64c32r2u2".
struct gb_pool_problem {
    int n, h, w, c;     // x
    int kernel, stride; // both ways
};

static inline int gb_pool_out(int size, const struct gb_pool_problem *p) {
    return (size - p->kernel) / p->stride + 1;
}

// GB_BAD_INPUT with a message if a size is below 1 or above 2^20, the window is larger than x, or x
// has 2^31 floats or more.
enum gb_status gb_pool_check(const struct gb_pool_problem *p);

struct gb_pool_plan {
    struct gb_pool_problem problem;
    size_t scratch_bytes; // that gb_exec must provide, for any thread count
    void *library;        // as in struct gb_conv_plan
};

// x and dx have the problem's shape; y and dy are n x gb_pool_out(h) x gb_pool_out(w) x c. Any
// strides; outputs do not overlap inputs. `threads` as for a convolution's plan.
typedef enum gb_status (*gb_max_pool_plan_fn)(const struct gb_pool_problem *problem, int threads,
                                              struct gb_pool_plan *plan);
typedef void (*gb_max_pool_plan_free_fn)(struct gb_pool_plan *plan);

// Exact. NaN if the window has one; a vendor library may miss it.
typedef void (*gb_max_pool_forward_fn)(const struct gb_pool_plan *plan, const struct gb_exec *exec,
                                       const struct gb_tensor *x, const struct gb_tensor *y);

// The gradient of an output goes to the first maximum of its window in row order (to the last NaN if
// there is one), as in PyTorch. The maximum is searched for again in x, which is cheaper than storing
// its position. Overwrites dx; where windows overlap, gradients are added in the outputs' row order
// (vendor libraries: in any order, with a convolution's error bound).
typedef void (*gb_max_pool_backward_fn)(const struct gb_pool_plan *plan, const struct gb_exec *exec,
                                        const struct gb_tensor *x, const struct gb_tensor *dy,
                                        const struct gb_tensor *dx);

// For kernels/registry.h.
#define GB_POOL_PLANS(X, isa) X(max_pool_plan, isa) X(max_pool_plan_free, isa)
#define GB_POOL_KERNELS(X, isa) X(max_pool_forward, isa) X(max_pool_backward, isa)
#define GB_POOL_OPERATIONS(X) X(max_pool)
extern const struct gb_operation gb_max_pool_operation;

#endif
