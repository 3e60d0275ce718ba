// SPDX-License-Identifier: MIT
// Invertible 1x1 convolution (Kingma and Dhariwal 2018): u = W v at every pixel, W one c x c matrix
// that starts as a random rotation; log-determinant h*w*log|det W|.
#ifndef GB_INV1X1_LAYER_H
#define GB_INV1X1_LAYER_H

#include "flows/networks/network.h"

struct gb_inv1x1_layer {
    struct gb_inv1x1_plan plan; // of the batch as one tall image
    int c, weight;
    float *inverse, *d_weight;
    double log_abs_det, *workspace;
};

// Parameter "mix.weight", c x c x 1 x 1.
enum gb_status gb_inv1x1_layer_plan(struct gb_inv1x1_layer *layer, struct gb_builder *builder,
                                    int batch, int h, int w, int c);
void gb_inv1x1_layer_bind(struct gb_inv1x1_layer *layer, struct gb_arena *arena);
void gb_inv1x1_layer_free(struct gb_inv1x1_layer *layer, const struct gb_backend *backend);

// log|det W| and the inverse of the matrix as it is now, in double: before the other functions,
// whenever the parameters have changed. GB_CHECK_FAILED where it is singular.
enum gb_status gb_inv1x1_layer_prepare(struct gb_inv1x1_layer *layer, const struct gb_pass *pass);

// v and u: images one below the other (gb_stack_images), no overlap. Adds to log_det[n].
void gb_inv1x1_layer_forward(const struct gb_inv1x1_layer *layer, const struct gb_pass *pass,
                             const struct gb_tensor *v, const struct gb_tensor *u, double *log_det);
void gb_inv1x1_layer_inverse(const struct gb_inv1x1_layer *layer, const struct gb_pass *pass,
                             const struct gb_tensor *u, const struct gb_tensor *v);
// dv may not overlap du or v.
void gb_inv1x1_layer_backward(struct gb_inv1x1_layer *layer, const struct gb_pass *pass,
                              const struct gb_tensor *v, const struct gb_tensor *du,
                              const float *d_log_det, const struct gb_tensor *dv);

#endif
