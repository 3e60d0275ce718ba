// SPDX-License-Identifier: MIT
// Conditional actnorm (paper, section 4.1): (log s, b) = CN(x); y = (v + b) * exp(log s), per
// sample and channel.
#ifndef GB_CONDITIONAL_ACTNORM_H
#define GB_CONDITIONAL_ACTNORM_H

#include "flows/networks/conditioning_net.h"

struct gb_conditional_actnorm {
    struct gb_conditioning_net net; // 2c outputs: log s, then b
    int batch, samples_per_x, c;
    struct gb_tensor parameters; // batch x 2c: the network's output, repeated for samples of one x
    struct gb_tensor d_parameters;
};

// `images` of the shape share batch targets; c channels. The shape's outputs are filled in here.
enum gb_status gb_conditional_actnorm_plan(struct gb_conditional_actnorm *layer,
                                           struct gb_builder *builder,
                                           struct gb_conditioning_shape shape, int batch, int c,
                                           bool live);
void gb_conditional_actnorm_bind(struct gb_conditional_actnorm *layer, struct gb_arena *arena,
                                 bool training);
void gb_conditional_actnorm_free(struct gb_conditional_actnorm *layer,
                                 const struct gb_backend *backend);

// Everything that depends on x alone.
void gb_conditional_actnorm_condition(struct gb_conditional_actnorm *layer,
                                      const struct gb_pass *pass, const struct gb_tensor *x);

// y may be v, in either direction. Adds to log_det[n], unless it is NULL.
void gb_conditional_actnorm_forward(const struct gb_conditional_actnorm *layer,
                                    const struct gb_pass *pass, const struct gb_tensor *v,
                                    const struct gb_tensor *y, double *log_det);
void gb_conditional_actnorm_inverse(const struct gb_conditional_actnorm *layer,
                                    const struct gb_pass *pass, const struct gb_tensor *y,
                                    const struct gb_tensor *v);

// dv (may be dy) and, kept inside, the gradient of the network's output, that of the
// log-determinant included: d_log_det[n] is the loss's gradient for log_det[n].
void gb_conditional_actnorm_backward(struct gb_conditional_actnorm *layer,
                                     const struct gb_pass *pass, const struct gb_tensor *v,
                                     const struct gb_tensor *dy, const float *d_log_det,
                                     const struct gb_tensor *dv);

// The network's own backward, after gb_conditional_actnorm_backward; one job. dx may be NULL;
// `workspace` as for gb_conditioning_net_backward.
void gb_conditional_actnorm_condition_backward(struct gb_conditional_actnorm *layer,
                                               const struct gb_pass *pass,
                                               const struct gb_tensor *x, float *workspace,
                                               const struct gb_tensor *dx);

#endif
