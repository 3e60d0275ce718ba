// SPDX-License-Identifier: MIT
// Instance normalisation followed by a fused activation, and its use as an invertible layer:
//   y = act((v - mean) / sqrt(variance + GB_NORM_EPSILON))
// per channel. Training takes an image's own moments (gb_moments_fn with a stride). The map is then
// shift-invariant: it has no inverse and no density, but the layer's log-determinant is counted as
// if the moments were constants, and gradients go through them. Evaluation and sampling take stored
// moments as constants, one row for all images: an affine layer.
#ifndef GB_INSTANCE_NORM_H
#define GB_INSTANCE_NORM_H

#include "kernels/epilogue/epilogue.h"

#define GB_NORM_EPSILON 1e-5f

// mean and variance: n rows of c floats, `stride` floats apart (0: one row serves all images).
struct gb_norm_moments {
    const float *mean, *variance;
    ptrdiff_t stride;
};

// `activation`, here and below: GB_IDENTITY or GB_RELU.
// v and y: same shape, any strides; y may be the same view as v. The log-determinant of an image,
// before the activation, is gb_instance_norm_log_det of its row. Error bound, with e = 2^-24 here
// and below: 8*e*|y|.
typedef void (*gb_instance_norm_forward_fn)(const struct gb_exec *exec,
                                            enum gb_activation activation,
                                            const struct gb_tensor *v,
                                            const struct gb_norm_moments *moments,
                                            const struct gb_tensor *y);
// v = y * sqrt(variance + GB_NORM_EPSILON) + mean; of GB_IDENTITY. v may be the same view as y.
// Error bound: 8*e*(|y * sqrt(variance + GB_NORM_EPSILON)| + |mean|).
typedef void (*gb_instance_norm_inverse_fn)(const struct gb_exec *exec, const struct gb_tensor *y,
                                            const struct gb_norm_moments *moments,
                                            const struct gb_tensor *v);
// From the input v, its own moments (stride >= c) and dy: dv, with d = dy * act'(u) for
// u = (v - mean) / sqrt(variance + GB_NORM_EPSILON),
//   dv = (d - mean(d) - u * (mean(d * u) + d_log_det[n])) / sqrt(variance + GB_NORM_EPSILON),
// means over the image's pixels. d_log_det[n]: the loss's gradient for each image's
// log-determinant; NULL where the layer's is not counted. dv may be the same view as dy. Sums: a
// row's pixels in float, then the rows in double, in order; error bound of dv, with m(x) for the
// mean of |x|: ((8 + w)*e*(m(d) + |u|*m(d*u)) + 16*e*(|d| + |u*d_log_det|)) /
// sqrt(variance + GB_NORM_EPSILON). Scratch: gb_instance_norm_scratch_bytes(v).
typedef void (*gb_instance_norm_backward_fn)(const struct gb_exec *exec,
                                             enum gb_activation activation,
                                             const struct gb_tensor *v,
                                             const struct gb_norm_moments *moments,
                                             const struct gb_tensor *dy, const float *d_log_det,
                                             const struct gb_tensor *dv);

// Two sums of every image row, and two means of every image.
static inline size_t gb_instance_norm_scratch_bytes(const struct gb_tensor *v) {
    return 2 * (size_t)v->n * ((size_t)v->h + 1) * (size_t)v->c * sizeof(float);
}

// -h*w/2 * sum of log(variance + GB_NORM_EPSILON) over c channels, in double, in order.
double gb_instance_norm_log_det(int h, int w, int c, const float *variance);

// The shape of v, and the activation; text "n2h32w32c12", "n2h32w32c12relu".
struct gb_instance_norm_problem {
    struct gb_image_problem image;
    enum gb_activation activation;
};

#endif
