// SPDX-License-Identifier: MIT
// Invertible 1x1 convolution with a matrix per sample: u[n, i, j, :] = W[n] v[n, i, j, :], where
// W[n] is c x c, row-major, rows = outputs (Kingma and Dhariwal 2018, "Glow", section 3.2, with one
// matrix for all samples). To share one matrix among all samples (CNF's unconditional layer), pass
// the batch as one tall image (gb_stack_images): the gradient is then summed over the samples in
// order.
#ifndef GB_INV1X1_H
#define GB_INV1X1_H

#include "kernels/operation.h"

struct gb_inv1x1_plan {
    struct gb_image_problem problem; // v, with a matrix for each of its images
    size_t scratch_bytes;            // that gb_exec must provide, for any thread count
    void *backend_data;              // as in struct gb_conv_plan
};

// `threads` as for a convolution's plan. GB_BAD_INPUT with a message if a size is below 1 or above
// 2^20, or if v or the matrices have 2^31 floats or more.
typedef enum gb_status (*gb_inv1x1_plan_fn)(const struct gb_image_problem *problem, int threads,
                                            struct gb_inv1x1_plan *plan);
typedef void (*gb_inv1x1_plan_free_fn)(struct gb_inv1x1_plan *plan);

// u and v: the problem's shape, any strides, no overlap. `matrices`: n matrices of c*c floats.
// Error bound (c + 2) * 2^-24 * sum |products|.
typedef void (*gb_inv1x1_forward_fn)(const struct gb_inv1x1_plan *plan, const struct gb_exec *exec,
                                     const struct gb_tensor *v, const float *matrices,
                                     const struct gb_tensor *u);

// dv = W^T du; d_matrices[n] = sum over pixels of du v^T (overwritten; the log-determinant's own
// gradient, h*w*W^-T, is added by the caller). dv may not overlap du or v. Pixels are summed in
// order (vendor libraries: in any order), within the bound above with h*w for c.
typedef void (*gb_inv1x1_backward_fn)(const struct gb_inv1x1_plan *plan, const struct gb_exec *exec,
                                      const struct gb_tensor *v, const float *matrices,
                                      const struct gb_tensor *du, const struct gb_tensor *dv,
                                      float *d_matrices);

// For each of `count` c x c matrices: log|det| and the inverse, by LU with partial pivoting in
// double; the same code on every backend, no LAPACK. log_abs_det: count doubles; inverses:
// count*c*c floats, or NULL. `workspace`: gb_inv1x1_invert_workspace(c) doubles.
// GB_CHECK_FAILED, naming the matrix, if one is singular or has a value that is not finite.
enum gb_status gb_inv1x1_invert(int count, int c, const float *matrices, double *log_abs_det,
                                float *inverses, double *workspace);
size_t gb_inv1x1_invert_workspace(int c);

// ---- What runs assert ----

// v (or dv) and u (or du) have the plan's shape, and exec brings the plan's scratch.
static inline bool gb_inv1x1_operands_fit(const struct gb_inv1x1_plan *plan,
                                          const struct gb_exec *exec, const struct gb_tensor *v,
                                          const struct gb_tensor *u) {
    const struct gb_image_problem *p = &plan->problem;
    return gb_has_shape(v, p->n, p->h, p->w, p->c) && gb_has_shape(u, p->n, p->h, p->w, p->c) &&
           exec->scratch_bytes >= plan->scratch_bytes;
}

#endif
