// SPDX-License-Identifier: MIT
// Changes of resolution. Upsampling by nearest neighbour, by an integer factor:
// y[n, i, j, c] = x[n, i/factor, j/factor, c].
#ifndef GB_RESAMPLE_H
#define GB_RESAMPLE_H

#include "kernels/operation.h"

// Text "n2h32w32c128f2", "n2h32w32c128f2_bf16".
struct gb_upsample_problem {
    int n, h, w, c; // x
    int factor;
    enum gb_format format; // GB_FLOATS or GB_BF16_OPERANDS: all tensors
};

struct gb_upsample_plan {
    struct gb_upsample_problem problem;
    size_t scratch_bytes; // that gb_exec must provide, for any thread count
    void *backend_data;   // as in struct gb_conv_plan
};

// x and dx have the problem's shape; y and dy are n x h*factor x w*factor x c. Any strides, no
// overlap. `threads` as for a convolution's plan. GB_BAD_INPUT with a message if a size is below 1
// or above 2^20, or if y has 2^31 floats or more.
typedef enum gb_status (*gb_upsample_plan_fn)(const struct gb_upsample_problem *problem,
                                              int threads, struct gb_upsample_plan *plan);
typedef void (*gb_upsample_plan_free_fn)(struct gb_upsample_plan *plan);

// Copies bits.
typedef void (*gb_upsample_forward_fn)(const struct gb_upsample_plan *plan,
                                       const struct gb_exec *exec, const struct gb_tensor *x,
                                       const struct gb_tensor *y);
// dx = the sum of dy over each block of factor x factor pixels, in row order (vendor
// libraries: in any order, with a convolution's error bound), in fp32. Overwrites dx.
typedef void (*gb_upsample_backward_fn)(const struct gb_upsample_plan *plan,
                                        const struct gb_exec *exec, const struct gb_tensor *dy,
                                        const struct gb_tensor *dx);

// Images to any size. Both filters are antialiased: a kernel around each output pixel's centre in
// the input, widened by 1/scale where the scale is below 1, weights normalised to a sum of 1. Rows
// are combined first, then columns. Values are not rounded or clamped.
//   GB_BILINEAR  a triangle; pixels outside are dropped: what Pillow and PyTorch (antialias) do
//   GB_BICUBIC   Keys' kernel with a = -1/2; border pixels are repeated: MATLAB's imresize when it
//                made the low-resolution images of Set5 and Set14 (it mirrors today; on Set5 up to
//                7 of 255 apart, at borders alone). Results may leave the range of the input
enum gb_resample_filter { GB_BILINEAR, GB_BICUBIC };

struct gb_resample_axis {
    int in, out, taps;
    int *index;    // out rows of `taps` input positions
    float *weight; // and their weights, computed in double
};
struct gb_resample_plan {
    struct gb_resample_axis rows, columns;
};
// To a given size, each axis scaled by the quotient of its sizes. GB_BAD_INPUT with a message if a
// size is below 1 or above 2^20 or a scale is outside [2^-10, 2^10]; GB_OUT_OF_MEMORY. The caller
// frees the plan.
enum gb_status gb_resample_plan_size(enum gb_resample_filter filter, int h, int w, int out_h,
                                     int out_w, struct gb_resample_plan *plan);
void gb_resample_plan_free(struct gb_resample_plan *plan);

// x and y: views of the plan's two sizes, of the same n and c, any strides, no overlap. Error bound
// (taps of rows + taps of columns + 8) * 2^-24 * sum |products|. Scratch:
// gb_resample_scratch_bytes(x, threads).
typedef void (*gb_resample_fn)(const struct gb_exec *exec, const struct gb_resample_plan *plan,
                               const struct gb_tensor *x, const struct gb_tensor *y);

// A row of x for each thread.
static inline size_t gb_resample_scratch_bytes(const struct gb_tensor *x, int threads) {
    return (size_t)threads * gb_round_up((size_t)x->w * (size_t)x->c, GB_CHANNEL_PAD) *
           sizeof(float);
}

// ---- What runs assert ----

// x (or dx) and y (or dy) have the plan's shapes, and exec brings the plan's scratch.
static inline bool gb_upsample_operands_fit(const struct gb_upsample_plan *plan,
                                            const struct gb_exec *exec, const struct gb_tensor *x,
                                            const struct gb_tensor *y) {
    const struct gb_upsample_problem *p = &plan->problem;
    return gb_has_shape(x, p->n, p->h, p->w, p->c) && x->type == gb_x_type(p->format) &&
           y->type == x->type && gb_has_shape(y, p->n, p->h * p->factor, p->w * p->factor, p->c) &&
           exec->scratch_bytes >= plan->scratch_bytes;
}

#endif
