// SPDX-License-Identifier: MIT
// Changes of resolution. Upsampling by nearest neighbour, up by a whole factor:
// y[n, i, j, c] = x[n, i/factor, j/factor, c].
#ifndef GB_RESAMPLE_H
#define GB_RESAMPLE_H

#include "kernels/parallel.h"
#include "kernels/status.h"
#include "kernels/tensor.h"

struct gb_upsample_problem {
    int n, h, w, c; // x
    int factor;
};

// GB_BAD_INPUT with a message where a size is below 1 or beyond 2^20, or where y reaches 2^31
// floats.
enum gb_status gb_upsample_check(const struct gb_upsample_problem *p);

struct gb_upsample_plan {
    struct gb_upsample_problem problem;
    size_t scratch_floats; // that gb_exec must bring, however many threads it has
    void *library;         // as in struct gb_conv_plan
};

// x and dx have the problem's shape; y and dy are n x h*factor x w*factor x c. Any strides, no
// overlap. `threads` as for a convolution's plan.
typedef enum gb_status (*gb_upsample_plan_fn)(const struct gb_upsample_problem *problem,
                                              int threads, struct gb_upsample_plan *plan);
typedef void (*gb_upsample_plan_free_fn)(struct gb_upsample_plan *plan);

// Copies bits.
typedef void (*gb_upsample_forward_fn)(const struct gb_upsample_plan *plan,
                                       const struct gb_exec *exec, const struct gb_tensor *x,
                                       const struct gb_tensor *y);
// dx = the sum of dy over each block of factor x factor pixels, in row order (a foreign library's
// order is its own, with a convolution's error bound). Overwrites dx.
typedef void (*gb_upsample_backward_fn)(const struct gb_upsample_plan *plan,
                                        const struct gb_exec *exec, const struct gb_tensor *dy,
                                        const struct gb_tensor *dx);

#endif
