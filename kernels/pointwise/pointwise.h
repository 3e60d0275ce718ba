// SPDX-License-Identifier: MIT
// Elementwise operations that are not fused into another kernel.
#ifndef GB_POINTWISE_H
#define GB_POINTWISE_H

#include "kernels/operation.h"

// y += x; views of one shape, any strides, no overlap.
typedef void (*gb_add_fn)(const struct gb_exec *exec, const struct gb_tensor *x,
                          const struct gb_tensor *y);

// y = x + factor * r, rounded once to float: the scaled residuals of an RRDB. Views of one shape
// and type, floats or bf16 (y is then rounded once more), any strides; y may be the same view as x
// or r. x NULL: y = factor * r, the gradient of r.
typedef void (*gb_add_scaled_fn)(const struct gb_exec *exec, const struct gb_tensor *x,
                                 float factor, const struct gb_tensor *r,
                                 const struct gb_tensor *y);

// The shape, whether x is NULL, and the type; text "n2h32w32c128", "n2h32w32c128alone_bf16".
struct gb_add_scaled_problem {
    struct gb_image_problem image;
    int alone;             // 0 or 1
    enum gb_format format; // GB_FLOATS or GB_BF16_OPERANDS
};

// out[i] = exp(factor * in[i]) for `count` floats; within 2 ulp of the exponential of the rounded
// product. out may be in.
typedef void (*gb_exp_fn)(const struct gb_exec *exec, size_t count, float factor, const float *in,
                          float *out);

// *sum = the sum of x[i]^2 over `count` floats, in double, e.g. for the norm of a gradient. The
// array is cut into GB_SQUARE_CHUNKS parts by gb_partition; a chunk has GB_SQUARE_LANES partial
// sums, of every GB_SQUARE_LANES-th element. The lanes of a chunk, then the chunks, are added in
// order. A square of a float is exact in double, so the bits are the same for any thread count and
// on every instruction set. Error: at most (count / 2048 + 265) * 2^-53 of the sum.
enum { GB_SQUARE_CHUNKS = 256, GB_SQUARE_LANES = 8 };
typedef void (*gb_sum_squares_fn)(const struct gb_exec *exec, size_t count, const float *x,
                                  double *sum);

#endif
