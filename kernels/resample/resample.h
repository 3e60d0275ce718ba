// SPDX-License-Identifier: MIT
// Changes of resolution.
#ifndef GB_RESAMPLE_H
#define GB_RESAMPLE_H

#include "kernels/parallel.h"
#include "kernels/tensor.h"

// Nearest neighbour, up by a whole factor: y[n, i, j, c] = x[n, i/factor, j/factor, c].
// x: n x h x w x c; y: n x h*factor x w*factor x c; any strides, no overlap. Copies bits.
typedef void (*gb_upsample_forward_fn)(const struct gb_exec *exec, int factor,
                                       const struct gb_tensor *x, const struct gb_tensor *y);
// dx = the sum of dy over each block of factor x factor pixels, in row order. Overwrites dx.
typedef void (*gb_upsample_backward_fn)(const struct gb_exec *exec, int factor,
                                        const struct gb_tensor *dy, const struct gb_tensor *dx);

#endif
