// SPDX-License-Identifier: MIT
// Conditional actnorm (paper, section 4.1): (log s, b) = CN(x); y = (v + b) * exp(log s), per
// sample and channel.
#ifndef GB_CONDITIONAL_ACTNORM_H
#define GB_CONDITIONAL_ACTNORM_H

#include "flows/networks/conditioning_net.h"

// The network's forward, backward and memory are its own (gb_conditioning_net_forward, ...).
struct gb_conditional_actnorm {
    struct gb_conditioning_net net; // 2c outputs: log s, then b
    int c;
};

// c channels; the shape's outputs are filled in here.
enum gb_status gb_conditional_actnorm_plan(struct gb_conditional_actnorm *layer,
                                           struct gb_builder *builder,
                                           struct gb_conditioning_shape shape, int c, bool live);

// y may be v, in either direction. Adds to log_det[n], unless it is NULL.
void gb_conditional_actnorm_forward(const struct gb_conditional_actnorm *layer,
                                    const struct gb_pass *pass, const struct gb_tensor *v,
                                    const struct gb_tensor *y, double *log_det);
void gb_conditional_actnorm_inverse(const struct gb_conditional_actnorm *layer,
                                    const struct gb_pass *pass, const struct gb_tensor *y,
                                    const struct gb_tensor *v);

// dv (may be dy) and the gradient of the network's output, that of the log-determinant included:
// d_log_det[n] is the loss's gradient for log_det[n].
void gb_conditional_actnorm_backward(struct gb_conditional_actnorm *layer,
                                     const struct gb_pass *pass, const struct gb_tensor *v,
                                     const struct gb_tensor *dy, const float *d_log_det,
                                     const struct gb_tensor *dv);

#endif
