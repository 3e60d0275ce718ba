// SPDX-License-Identifier: MIT
// Per-sample channel mixing, the invertible 1x1 convolution: u[n, i, j, :] = W[n] v[n, i, j, :],
// with W[n] a c x c matrix, row-major, rows = outputs. Where one matrix serves all samples (CNF's
// unconditional mixing), the batch is mixed as one tall image, gb_stack_images: its gradient is
// then summed over the samples in order.
#ifndef GB_MIX_H
#define GB_MIX_H

#include "kernels/parallel.h"
#include "kernels/status.h"
#include "kernels/tensor.h"

// u and v: same shape, any strides, no overlap. `matrices`: n matrices of c*c floats.
// Error bound (c + 2) * 2^-24 * sum |products|. Scratch, here and in the backward:
// gb_mix_scratch_floats(v).
typedef void (*gb_mix_forward_fn)(const struct gb_exec *exec, const struct gb_tensor *v,
                                  const float *matrices, const struct gb_tensor *u);

// dv = W^T du; d_matrices[n] = sum over pixels of du v^T (overwritten; the log-determinant's own
// gradient, h*w*W^-T, is added by the caller). dv may not overlap du or v. Pixels are summed in
// order.
typedef void (*gb_mix_backward_fn)(const struct gb_exec *exec, const struct gb_tensor *v,
                                   const float *matrices, const struct gb_tensor *du,
                                   const struct gb_tensor *dv, float *d_matrices);

// The matrices, packed.
static inline size_t gb_mix_scratch_floats(const struct gb_tensor *v) {
    return (size_t)v->n * (size_t)v->c * gb_round_up((size_t)v->c, GB_CHANNEL_PAD);
}

// For each of `count` c x c matrices: log|det| and the inverse, by LU with partial pivoting in
// double; the same code on every backend, no LAPACK. log_abs_det: count doubles; inverses:
// count*c*c floats, NULL if not wanted. `workspace`: gb_mix_invert_workspace(c) doubles.
// GB_CHECK_FAILED, naming the matrix, where one is singular or holds a value that is not finite.
enum gb_status gb_mix_invert(int count, int c, const float *matrices, double *log_abs_det,
                             float *inverses, double *workspace);
size_t gb_mix_invert_workspace(int c);

#endif
