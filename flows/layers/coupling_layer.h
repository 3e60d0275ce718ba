// SPDX-License-Identifier: MIT
// The coupling of a step: v1 passes, and a network that sees the features and v1 gives the numbers
// by which v2 is mapped. Where the features come from, and the network, is up to
// conditional_coupling.h (c-Glow) and feature_coupling.h (CNF).
//
// A layer works in place on one buffer with channels [features | v1 | v2], so that the network's
// input and v = concat(v1, v2) are both slices of it.
#ifndef GB_COUPLING_LAYER_H
#define GB_COUPLING_LAYER_H

#include "flows/networks/feed_forward.h"

struct gb_coupling_layer {
    enum gb_coupling_form form;
    int layer;                  // for profiles
    struct gb_feed_forward net; // its output: `raw` of gb_coupling_forward_fn
    // Backward runs the network again, because its values were not kept, and v becomes what it was
    // before forward.
    bool recomputed;
    struct gb_tensor joined, features, input, v; // the buffer, and slices of it
};

// `joined` with `features` channels before v; `values` for the network. Both may be shared with
// layers that run before and after, where nothing of them is needed later.
void gb_coupling_layer_bind(struct gb_coupling_layer *layer, struct gb_arena *arena,
                            const struct gb_tensor *joined, int features, float *values);
void gb_coupling_layer_free(struct gb_coupling_layer *layer, const struct gb_backend *backend);

// layer->v becomes u, and back, given layer->features. forward adds to log_det[n].
void gb_coupling_layer_forward(struct gb_coupling_layer *layer, const struct gb_pass *pass,
                               double *log_det);
void gb_coupling_layer_inverse(struct gb_coupling_layer *layer, const struct gb_pass *pass);

// Memory of backward, which layers may share: the network's gradients.
struct gb_coupling_gradients {
    float *workspace;
    struct gb_tensor d_raw, d_input; // of its output, of its input
};
// `d`: gradient of u, becomes that of v. d_input: overwritten; its first channels are the gradient
// of the features, which is added to d_features unless that is NULL.
void gb_coupling_layer_backward(struct gb_coupling_layer *layer, const struct gb_pass *pass,
                                const struct gb_tensor *d, const float *d_log_det,
                                const struct gb_coupling_gradients *gradients,
                                const struct gb_tensor *d_features);

#endif
