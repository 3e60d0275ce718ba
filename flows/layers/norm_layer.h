// SPDX-License-Identifier: MIT
// Instance normalisation as an invertible layer (CNF, section 5.2), per channel:
// y = (v - mean) / sqrt(variance + GB_NORM_EPSILON).
//
// By an image's own moments this is shift-invariant: it has no inverse and no density. A layer that
// trains takes them all the same, as the paper's does, counts the log-determinant as if they were
// constants, lets gradients through them, and keeps running means of them over the batches. A
// layer that does not train takes these running moments as constants: it is an affine map then,
// with an exact inverse and log-determinant.
#ifndef GB_NORM_LAYER_H
#define GB_NORM_LAYER_H

#include "flows/networks/network.h"

struct gb_norm_layer {
    int batch, c, mean, variance; // indices of parameters
    bool training;
    float *own_mean, *own_variance; // batch x c: of the last forward, with training
};

// Parameters "norm.mean" and "norm.variance", 0 and 1 at first.
enum gb_status gb_norm_layer_plan(struct gb_norm_layer *layer, struct gb_builder *builder,
                                  int batch, int h, int w, int c);
void gb_norm_layer_bind(struct gb_norm_layer *layer, struct gb_arena *arena, bool training);

// Takes the moments that forward, inverse and backward use, if the layer trains.
void gb_norm_layer_measure(struct gb_norm_layer *layer, const struct gb_pass *pass,
                           const struct gb_tensor *v);

// y may be v. Adds to log_det[n], unless it is NULL.
void gb_norm_layer_forward(const struct gb_norm_layer *layer, const struct gb_pass *pass,
                           const struct gb_tensor *v, const struct gb_tensor *y, double *log_det);
void gb_norm_layer_inverse(const struct gb_norm_layer *layer, const struct gb_pass *pass,
                           const struct gb_tensor *y, const struct gb_tensor *v);
// With training. dv may be dy. In a training pass the running moments move as well.
void gb_norm_layer_backward(struct gb_norm_layer *layer, const struct gb_pass *pass,
                            const struct gb_tensor *v, const struct gb_tensor *dy,
                            const float *d_log_det, const struct gb_tensor *dv);

#endif
