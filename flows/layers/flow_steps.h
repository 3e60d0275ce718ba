// SPDX-License-Identifier: MIT
// Steps of CNF's flow at one resolution, conditioned on features of it (CNF, section 5.1): each is
// a normalisation, an invertible 1x1 convolution and a coupling.
#ifndef GB_FLOW_STEPS_H
#define GB_FLOW_STEPS_H

#include "flows/layers/actnorm_layer.h"
#include "flows/layers/feature_coupling.h"
#include "flows/layers/inv1x1_layer.h"
#include "flows/layers/norm_layer.h"

// Which of forward's values are kept for backward.
enum gb_memory {
    GB_MEMORY_NONE,       // no backward
    GB_MEMORY_STORED,     // every step keeps its own
    GB_MEMORY_REVERSIBLE, // steps share one set, recomputed from the output by the inverse
};

struct gb_flow_steps_shape {
    int count;
    bool instance_norm;                        // the normalisation; else actnorm
    struct gb_feature_coupling_shape coupling; // n, h, w, c of the variables among it
    enum gb_memory memory;
};

struct gb_flow_step {
    union {
        struct gb_actnorm_layer actnorm;
        struct gb_norm_layer norm;
    };
    struct gb_inv1x1_layer inv1x1;
    struct gb_coupling_layer coupling;
};

struct gb_flow_steps {
    struct gb_flow_steps_shape shape;
    int layer, condition_layer; // for profiles
    struct gb_flow_step *list;
    struct gb_feature_coupling_shared shared;
    struct gb_tensor input;           // the variables as they enter: the caller writes them
    struct gb_tensor normalised;      // between normalisation and 1x1 convolution
    struct gb_tensor d, d_normalised; // gradients of the variables, with backward
};

// Parameters under "steps.<k>." after the builder's prefix.
enum gb_status gb_flow_steps_plan(struct gb_flow_steps *steps, struct gb_builder *builder,
                                  const struct gb_flow_steps_shape *shape);
void gb_flow_steps_bind(struct gb_flow_steps *steps, struct gb_arena *arena);
void gb_flow_steps_free(struct gb_flow_steps *steps, const struct gb_backend *backend);

// Prepares what does not depend on the variables: the features, whose images divide the batch (each
// is repeated for the samples that share it), and the inverses of the 1x1 matrices. GB_CHECK_FAILED
// if one is singular.
enum gb_status gb_flow_steps_condition(struct gb_flow_steps *steps, const struct gb_pass *pass,
                                       const struct gb_tensor *features);

// The output: a view into the last step, in whose memory the features precede the variables' first
// channel. gb_flow_steps_context is the view [features | first `channels` channels].
const struct gb_tensor *gb_flow_steps_output(const struct gb_flow_steps *steps);
struct gb_tensor gb_flow_steps_context(const struct gb_flow_steps *steps, int channels);

// steps->input to output; adds to log_det[n]. `start`: each actnorm is first initialised from the
// data that reaches it.
void gb_flow_steps_forward(struct gb_flow_steps *steps, const struct gb_pass *pass, bool start,
                           double *log_det);
// Output to steps->input.
void gb_flow_steps_inverse(struct gb_flow_steps *steps, const struct gb_pass *pass);

// steps->d: gradient of the output, becomes that of the input; adds to d_features. After forward.
void gb_flow_steps_backward(struct gb_flow_steps *steps, const struct gb_pass *pass,
                            const float *d_log_det, const struct gb_tensor *d_features);

#endif
