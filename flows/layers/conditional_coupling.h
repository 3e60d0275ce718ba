// SPDX-License-Identifier: MIT
// Conditional affine coupling (paper, section 4.1 and Figure 5 right): features = CN(x) at the
// level's resolution; (shift, scale) = NN(concat(features, v1)); u = concat(v1, (v2 + shift) *
// scale). The layer owns one buffer `joined` with channels [features | v1 | v2], so that
// concat(features, v1) and concat(v1, v2) are both slices of it; it works in place on v = [v1 |
// v2].
#ifndef GB_CONDITIONAL_COUPLING_H
#define GB_CONDITIONAL_COUPLING_H

#include "flows/networks/conditioning_net.h"

struct gb_coupling_shape {
    int images, x_h, x_w, x_c;
    int batch, h, w, c; // of v; c even
    int coupling_channels, feature_channels;
};

struct gb_conditional_coupling {
    struct gb_feed_forward features, net;
    struct gb_coupling_shape shape;
    int layer, features_layer; // for profiles
    struct gb_tensor joined;   // batch x h x w x 3c/2
    struct gb_tensor input, v; // slices of joined: the network's input, the flow's variables
    struct gb_tensor d_input;
};

// Memory that couplings of one level may share: what does not outlive a call.
struct gb_coupling_shared {
    float *values;          // without training: of the network
    float *workspace;       // with training: of its gradients
    struct gb_tensor d_raw; // with training
};

enum gb_status gb_conditional_coupling_plan(struct gb_conditional_coupling *layer,
                                            struct gb_builder *job, struct gb_builder *main,
                                            const struct gb_coupling_shape *shape, bool live);
// `of`: one of the layers that share it.
void gb_coupling_shared_bind(struct gb_coupling_shared *shared, struct gb_arena *arena,
                             const struct gb_conditional_coupling *of, bool training);
void gb_conditional_coupling_bind(struct gb_conditional_coupling *layer, struct gb_arena *arena,
                                  const struct gb_coupling_shared *shared, bool training);
void gb_conditional_coupling_free(struct gb_conditional_coupling *layer,
                                  const struct gb_backend *backend);

// Features of x; one job.
void gb_conditional_coupling_condition(struct gb_conditional_coupling *layer,
                                       const struct gb_pass *pass, const struct gb_tensor *x);

// layer->v becomes u, and back. forward adds to log_det[n].
void gb_conditional_coupling_forward(struct gb_conditional_coupling *layer,
                                     const struct gb_pass *pass, double *log_det);
void gb_conditional_coupling_inverse(struct gb_conditional_coupling *layer,
                                     const struct gb_pass *pass);

// `d`: gradient of u, becomes that of v. After gb_conditional_coupling_forward, whose buffers it
// reads.
void gb_conditional_coupling_backward(struct gb_conditional_coupling *layer,
                                      const struct gb_coupling_shared *shared,
                                      const struct gb_pass *pass, const struct gb_tensor *d,
                                      const float *d_log_det);
// Spends layer->d_input. `workspace`: of layer->features.
void gb_conditional_coupling_condition_backward(struct gb_conditional_coupling *layer,
                                                const struct gb_pass *pass,
                                                const struct gb_tensor *x, float *workspace,
                                                const struct gb_tensor *dx);

#endif
