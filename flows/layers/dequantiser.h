// SPDX-License-Identifier: MIT
// Variational dequantisation of binary masks with half-infinite noise (CNF, section 3.2): standard
// normal noise is squeezed once, passes flow steps that see the features and the squeezed mask, is
// unsqueezed to u, and v = 0.5 + sign(y - 0.5) * softplus(u).
#ifndef GB_DEQUANTISER_H
#define GB_DEQUANTISER_H

#include "flows/layers/flow_steps.h"

struct gb_dequantiser {
    int layer; // for profiles, its steps included
    struct gb_flow_steps steps;
    struct gb_tensor context;   // n x h/2 x w/2 x features + 4c: features, squeezed mask
    struct gb_tensor d_context; // with backward
    struct gb_tensor u, v;      // as the mask
    struct gb_tensor mask;      // of the last forward
};

// shape->coupling: batch, h, w, c of the mask and the number of features; the rest as for steps.
// Parameters under "dequantiser.".
enum gb_status gb_dequantiser_plan(struct gb_dequantiser *layer, struct gb_builder *builder,
                                   const struct gb_flow_steps_shape *shape);
void gb_dequantiser_bind(struct gb_dequantiser *layer, struct gb_arena *arena);

// Fills layer->v from the mask y, which must stay valid until backward, and standard normal noise
// of its shape; subtracts log q(v | y, features) from log_likelihood[n].
enum gb_status gb_dequantiser_forward(struct gb_dequantiser *layer, const struct gb_pass *pass,
                                      const struct gb_tensor *features, const struct gb_tensor *y,
                                      const struct gb_tensor *noise, bool start,
                                      double *log_likelihood);
// dv: overwritten; adds to d_features.
void gb_dequantiser_backward(struct gb_dequantiser *layer, const struct gb_pass *pass,
                             const struct gb_tensor *dv, const float *d_log_likelihood,
                             const struct gb_tensor *d_features);

#endif
