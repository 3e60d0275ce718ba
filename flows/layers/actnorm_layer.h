// SPDX-License-Identifier: MIT
// Actnorm (Kingma and Dhariwal 2018): y = (v + bias) * exp(log_scale) per channel, with learnt
// parameters that are initialised so that a first batch has mean 0 and variance 1.
#ifndef GB_ACTNORM_LAYER_H
#define GB_ACTNORM_LAYER_H

#include "flows/networks/network.h"

struct gb_actnorm_layer {
    int c, bias, log_scale; // channels; indices of parameters
    float *d_bias, *d_log_scale;
};

// Parameters "actnorm.bias" and "actnorm.log_scale", zero at first.
enum gb_status gb_actnorm_layer_plan(struct gb_actnorm_layer *layer, struct gb_builder *builder,
                                     int batch, int h, int w, int c);
void gb_actnorm_layer_bind(struct gb_actnorm_layer *layer, struct gb_arena *arena);

// Initialises the parameters from the batch v.
void gb_actnorm_layer_init(struct gb_actnorm_layer *layer, const struct gb_pass *pass,
                           const struct gb_tensor *v);

// y may be v. Adds to log_det[n], unless it is NULL.
void gb_actnorm_layer_forward(const struct gb_actnorm_layer *layer, const struct gb_pass *pass,
                              const struct gb_tensor *v, const struct gb_tensor *y,
                              double *log_det);
void gb_actnorm_layer_inverse(const struct gb_actnorm_layer *layer, const struct gb_pass *pass,
                              const struct gb_tensor *y, const struct gb_tensor *v);
// dv may be dy. d_log_det[n]: the loss's gradient for log_det[n].
void gb_actnorm_layer_backward(struct gb_actnorm_layer *layer, const struct gb_pass *pass,
                               const struct gb_tensor *v, const struct gb_tensor *dy,
                               const float *d_log_det, const struct gb_tensor *dv);

#endif
