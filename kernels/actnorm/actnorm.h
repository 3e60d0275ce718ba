// SPDX-License-Identifier: MIT
// Activation normalisation with per-sample parameters: y = (v + bias[n]) * exp(log_scale[n]), per
// channel (Kingma and Dhariwal 2018, "Glow", section 3.1).
#ifndef GB_ACTNORM_H
#define GB_ACTNORM_H

#include "kernels/operation.h"

// log_scale and bias: n rows of c floats, `stride` floats apart (0: one row serves all samples).
// v and y: same shape, any strides; y may be the same view as v. The log-determinant of sample n is
// h*w*sum(log_scale[n]): gb_actnorm_log_det. Error bounds, here and below with e = 2^-24: 6*e*|y|.
struct gb_actnorm_parameters {
    const float *log_scale, *bias;
    ptrdiff_t stride;
};
typedef void (*gb_actnorm_forward_fn)(const struct gb_exec *exec, const struct gb_tensor *v,
                                      const struct gb_actnorm_parameters *parameters,
                                      const struct gb_tensor *y);
// v = y*exp(-log_scale[n]) - bias[n]; v may be the same view as y. Error bound:
// 6*e*(|y*exp(-log_scale[n])| + |bias[n]|).
typedef void (*gb_actnorm_inverse_fn)(const struct gb_exec *exec, const struct gb_tensor *y,
                                      const struct gb_actnorm_parameters *parameters,
                                      const struct gb_tensor *v);
// From the input v, dy and d_log_det[n] (the loss's gradient for each sample's log-determinant;
// NULL: none): dv = dy*exp(log_scale); d_bias = sum of dv; d_log_scale = sum of dy*y, and then
// h*w*d_log_det[n]. Sums are over each sample: the pixels of an image row in order, then the rows
// in order. d_log_scale, d_bias: n rows of c floats, `d_stride` apart (0 sums the samples into one
// row, in order), overwritten. dv may be the same view as dy. Error bounds: 6*e*|dv|, and of a sum
// over r image rows (10 + w + r)*e * sum of |terms|, r larger by one for each d_log_det.
typedef void (*gb_actnorm_backward_fn)(const struct gb_exec *exec, const struct gb_tensor *v,
                                       const struct gb_actnorm_parameters *parameters,
                                       const struct gb_tensor *dy, const float *d_log_det,
                                       const struct gb_tensor *dv, float *d_log_scale,
                                       float *d_bias, ptrdiff_t d_stride);

// h*w*sum(log_scale) of one sample, summed in double in channel order.
double gb_actnorm_log_det(int h, int w, int c, const float *log_scale);

// The parameters that take c channels of these moments (kernels/moments/moments.h) to mean 0 and
// variance 1, to initialise from data: log_scale = -log(sqrt(variance) + 1e-6), bias = -mean. The
// 1e-6 keeps the scale finite where a channel is constant.
void gb_actnorm_start(int c, const float *mean, const float *variance, float *log_scale,
                      float *bias);

#endif
