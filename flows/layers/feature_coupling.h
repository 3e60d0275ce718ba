// SPDX-License-Identifier: MIT
// Coupling conditioned on given features (CNF, Figure 6): GB_COUPLING_SOFTPLUS, super-resolution,
// has the network of the paper's Table 6; GB_COUPLING_ADDITIVE, vessels, that of Table 7.
#ifndef GB_FEATURE_COUPLING_H
#define GB_FEATURE_COUPLING_H

#include "flows/layers/coupling_layer.h"

struct gb_feature_coupling_shape {
    enum gb_coupling_form form;
    int batch, h, w, c;   // of v; c even
    int features, hidden; // channels
};

// What couplings of one shape, run one after the other, share: gradients, and the buffer and all
// values where they are not stored.
struct gb_feature_coupling_shared {
    struct gb_tensor joined;
    float *values;
    struct gb_coupling_gradients gradients;
};

// Parameters under "coupling.net.". `training`: backward will be run.
enum gb_status gb_feature_coupling_plan(struct gb_coupling_layer *layer, struct gb_builder *builder,
                                        const struct gb_feature_coupling_shape *shape,
                                        bool training);
// `of`: one of the layers that share it. `stored`: every layer has its own buffer and values;
// otherwise backward recomputes them.
void gb_feature_coupling_shared_bind(struct gb_feature_coupling_shared *shared,
                                     struct gb_arena *arena, const struct gb_coupling_layer *of,
                                     const struct gb_feature_coupling_shape *shape, bool stored);
void gb_feature_coupling_bind(struct gb_coupling_layer *layer, struct gb_arena *arena,
                              const struct gb_feature_coupling_shared *shared,
                              const struct gb_feature_coupling_shape *shape, bool stored);

#endif
