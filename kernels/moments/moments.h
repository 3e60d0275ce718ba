// SPDX-License-Identifier: MIT
// Mean and variance of every channel, the variance about that mean and divided by the count.
#ifndef GB_MOMENTS_H
#define GB_MOMENTS_H

#include "kernels/operation.h"

// v: n x h x w x c, any strides. mean and variance: n rows of c floats, `stride` floats apart, one
// for each image; stride 0: one row, of all images together (what actnorm starts from,
// gb_actnorm_start). Every image row is summed in float, squares about its own mean, and the rows
// are merged in double, in order, so that a large mean costs the variance no digits. Errors with e
// = (w + 8) * 2^-24 and m the mean of |v|: of the mean e*m, of the variance e*(variance +
// 2*sqrt(variance)*m + e*m*m). Scratch: gb_moments_scratch_bytes(v).
typedef void (*gb_moments_fn)(const struct gb_exec *exec, const struct gb_tensor *v, float *mean,
                              float *variance, ptrdiff_t stride);

// Both of every image row.
static inline size_t gb_moments_scratch_bytes(const struct gb_tensor *v) {
    return 2 * (size_t)v->n * (size_t)v->h * (size_t)v->c * sizeof(float);
}

// The shape of v, and whether all images make one row; text "n2h32w32c12", "n2h32w32c12joint".
struct gb_moments_problem {
    struct gb_image_problem image;
    int joint; // 0 or 1
};

#endif
