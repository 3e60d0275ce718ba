// SPDX-License-Identifier: MIT
// CNF (Winkler, Worrall, Hoogeboom and Welling, "Learning Likelihoods with Conditional Normalizing
// Flows"), section 5 and appendix A: a feature network g(x), then L levels of squeeze, K steps
// (flow_steps.h) and a prior; in all levels except the last, of the half that leaves there. Every
// coupling and every prior sees the features at its level's resolution.
//
// GB_CNF_SUPER_RESOLUTION (section 5.1): actnorm, affine couplings, RRDB features at the target's
// size and a 2x2 convolution of stride 2 to each level's. GB_CNF_SEGMENTATION (section 5.2):
// instance normalisation, additive couplings, the features of Table 4; with dequantiser_steps > 0
// the target is a binary mask that is dequantised by a flow of its own, and likelihoods are the
// variational bound.
#ifndef GB_CNF_H
#define GB_CNF_H

#include "flows/models/config.h"

enum gb_cnf_kind { GB_CNF_SUPER_RESOLUTION, GB_CNF_SEGMENTATION, GB_CNF_KINDS };

// "super-resolution", "segmentation".
extern const char *const gb_cnf_kind_names[GB_CNF_KINDS];

struct gb_cnf_config {
    struct gb_image_sizes sizes;
    enum gb_cnf_kind kind;
    int levels, steps;       // L, K
    int condition_channels;  // of the features
    int coupling_channels;   // hidden ones of the couplings
    int rrdb_blocks, growth; // of super-resolution
    int dequantiser_steps;   // of segmentation; 0: the caller dequantises
};

extern const struct gb_config_table gb_cnf_table; // of its numbers and choices

// GB_BAD_INPUT unless y is twice as high and wide as x and RRDBs can be built: also for the
// factored baseline.
enum gb_status gb_check_super_resolution(const struct gb_image_sizes *sizes, int rrdb_blocks,
                                         int growth);

// Parts of gb_cnf_model (model.h).
enum gb_status gb_cnf_check(const void *config);

#endif
