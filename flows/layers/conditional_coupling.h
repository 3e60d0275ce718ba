// SPDX-License-Identifier: MIT
// Conditional affine coupling (paper, section 4.1 and Figure 5 right): features = CN(x) at the
// level's resolution; (shift, scale) = NN(concat(features, v1)); u = concat(v1, (v2 + shift) *
// scale).
#ifndef GB_CONDITIONAL_COUPLING_H
#define GB_CONDITIONAL_COUPLING_H

#include "flows/layers/coupling_layer.h"

struct gb_coupling_shape {
    int images, x_h, x_w, x_c;
    int batch, h, w, c; // of v; c even
    int coupling_channels, feature_channels;
};

struct gb_conditional_coupling {
    struct gb_feed_forward features;
    struct gb_coupling_layer coupling; // with c/2 features; forward and inverse are its own
    struct gb_coupling_shape shape;
    int features_layer;       // for profiles
    struct gb_tensor d_input; // of the coupling's network, until the features' backward
};

// What of a coupling's memory outlives its own calls.
enum gb_coupling_memory {
    GB_COUPLING_FORWARD, // no backward: the buffer
    GB_COUPLING_STORED,  // all that backward needs
    // Nothing: couplings share it all. The features are computed before each call of forward,
    // inverse and backward, the values again in backward, after which v is the coupling's input.
    GB_COUPLING_RECOMPUTED,
};

// Memory that couplings of one level share.
struct gb_coupling_shared {
    enum gb_coupling_memory memory;
    float *values;           // of the network, unless they are stored
    float *workspace;        // with training: of gradients
    struct gb_tensor d_raw;  // with training
    float *features_values;  // recomputed; so are the following
    struct gb_tensor joined; // the buffer
    struct gb_tensor d_input;
};

enum gb_status gb_conditional_coupling_plan(struct gb_conditional_coupling *layer,
                                            struct gb_builder *job, struct gb_builder *main,
                                            const struct gb_coupling_shape *shape, bool live);
// `of`: one of the layers that share it.
void gb_coupling_shared_bind(struct gb_coupling_shared *shared, struct gb_arena *arena,
                             const struct gb_conditional_coupling *of,
                             enum gb_coupling_memory memory);
void gb_conditional_coupling_bind(struct gb_conditional_coupling *layer, struct gb_arena *arena,
                                  const struct gb_coupling_shared *shared);
void gb_conditional_coupling_free(struct gb_conditional_coupling *layer,
                                  const struct gb_backend *backend);

// Features of x; one job, unless `job` of the plan was `main`.
void gb_conditional_coupling_condition(struct gb_conditional_coupling *layer,
                                       const struct gb_pass *pass, const struct gb_tensor *x);

// `d`: gradient of u, becomes that of v.
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
