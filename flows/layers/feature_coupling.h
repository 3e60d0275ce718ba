// SPDX-License-Identifier: MIT
// Coupling conditioned on given features (CNF, Figure 6): a network sees concat(v1, features) and
// says how v2 is mapped. GB_COUPLING_SOFTPLUS, super-resolution, has the network of the paper's
// Table 6; GB_COUPLING_ADDITIVE, vessels, that of Table 7.
//
// A step owns one buffer `joined` with channels [features | v1 | v2], so that the network's input
// and v = concat(v1, v2) are both slices of it; it works in place on v. What steps need not keep
// for themselves is in gb_feature_coupling_shared.
#ifndef GB_FEATURE_COUPLING_H
#define GB_FEATURE_COUPLING_H

#include "flows/networks/feed_forward.h"

struct gb_feature_coupling_shape {
    enum gb_coupling_form form;
    int batch, h, w, c;   // of v; c even
    int features, hidden; // channels
};

struct gb_feature_coupling {
    struct gb_feature_coupling_shape shape;
    int layer;                  // for profiles
    struct gb_feed_forward net; // its output: `raw` of gb_coupling_forward_fn
    struct gb_tensor joined;
    struct gb_tensor features, input, v; // slices of joined
    bool stored;                         // the network's values are kept from forward to backward
};

// Couplings of one shape, run one after the other, share what does not outlive a call, and, where
// they are not stored, all values.
struct gb_feature_coupling_shared {
    struct gb_tensor joined;
    float *values, *workspace;
    struct gb_tensor d_raw, d_input; // of the network
};

// Parameters under "coupling.net.". `training`: backward will be run.
enum gb_status gb_feature_coupling_plan(struct gb_feature_coupling *layer,
                                        struct gb_builder *builder,
                                        const struct gb_feature_coupling_shape *shape,
                                        bool training);
// `of` one of the layers that share it. `stored`: every layer has its own joined and values.
void gb_feature_coupling_shared_bind(struct gb_feature_coupling_shared *shared,
                                     struct gb_arena *arena, const struct gb_feature_coupling *of,
                                     bool stored);
void gb_feature_coupling_bind(struct gb_feature_coupling *layer, struct gb_arena *arena,
                              const struct gb_feature_coupling_shared *shared, bool stored);
void gb_feature_coupling_free(struct gb_feature_coupling *layer, const struct gb_backend *backend);

// layer->v becomes u, and back, given layer->features. forward adds to log_det[n].
void gb_feature_coupling_forward(struct gb_feature_coupling *layer, const struct gb_pass *pass,
                                 double *log_det);
void gb_feature_coupling_inverse(struct gb_feature_coupling *layer, const struct gb_pass *pass);

// `d`: gradient of u, becomes that of v; adds to d_features. layer->v holds u; where the layer is
// not stored, the network is run again and layer->v becomes v.
void gb_feature_coupling_backward(struct gb_feature_coupling *layer,
                                  const struct gb_feature_coupling_shared *shared,
                                  const struct gb_pass *pass, const struct gb_tensor *d,
                                  const float *d_log_det, const struct gb_tensor *d_features);

#endif
