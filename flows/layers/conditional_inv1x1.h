// SPDX-License-Identifier: MIT
// Conditional 1x1 convolution (paper, section 4.1): W = CN(x), a c x c matrix for each sample;
// u = W v at every pixel, log-determinant h*w*log|det W|.
#ifndef GB_CONDITIONAL_INV1X1_H
#define GB_CONDITIONAL_INV1X1_H

#include "flows/networks/conditioning_net.h"

struct gb_conditional_inv1x1 {
    struct gb_conditioning_net net; // c*c outputs, row-major, rows = outputs of the mixing
    struct gb_inv1x1_plan plan;
    int images, c;
    int inversion;                   // for profiles
    struct gb_tensor inverses;       // batch x c*c, as the network's output
    double *log_abs_det, *workspace; // images; gb_inv1x1_invert_workspace(c)
    enum gb_status status;           // of the last condition
};

// `variables`: v and u. The network runs as one of the jobs that `job` plans for, the mixing on the
// threads of `main`.
enum gb_status gb_conditional_inv1x1_plan(struct gb_conditional_inv1x1 *layer,
                                          struct gb_builder *job, struct gb_builder *main,
                                          struct gb_conditioning_shape shape,
                                          const struct gb_image_problem *variables, bool live);
void gb_conditional_inv1x1_bind(struct gb_conditional_inv1x1 *layer, struct gb_arena *arena,
                                bool training, bool recomputed); // as the network's
void gb_conditional_inv1x1_free(struct gb_conditional_inv1x1 *layer,
                                const struct gb_backend *backend);

// Matrices, inverses and log|det|; one job. A singular matrix is left in layer->status, because
// messages belong to the thread that called: gb_conditional_inv1x1_check repeats it there.
void gb_conditional_inv1x1_condition(struct gb_conditional_inv1x1 *layer,
                                     const struct gb_pass *pass, const struct gb_tensor *x);
enum gb_status gb_conditional_inv1x1_check(const struct gb_conditional_inv1x1 *layer,
                                           const char *name);

// v and u do not overlap. Adds to log_det[n].
void gb_conditional_inv1x1_forward(const struct gb_conditional_inv1x1 *layer,
                                   const struct gb_pass *pass, const struct gb_tensor *v,
                                   const struct gb_tensor *u, double *log_det);
void gb_conditional_inv1x1_inverse(const struct gb_conditional_inv1x1 *layer,
                                   const struct gb_pass *pass, const struct gb_tensor *u,
                                   const struct gb_tensor *v);
// dv may not overlap du or v. The gradient of the network's output, that of the log-determinant
// (h*w*W^-T) included, is left for gb_conditioning_net_backward.
void gb_conditional_inv1x1_backward(struct gb_conditional_inv1x1 *layer, const struct gb_pass *pass,
                                    const struct gb_tensor *v, const struct gb_tensor *du,
                                    const float *d_log_det, const struct gb_tensor *dv);

#endif
