// SPDX-License-Identifier: MIT
// The factored baselines that the CNF paper measures its flows against (sections 5.1 and 5.2): the
// flow's feature network, with as many parameters as the whole flow has, gives the numbers of each
// element's own distribution.
//
// GB_CNF_SUPER_RESOLUTION: RRDB features and a 3x3 convolution to the means and log-scales of
// discretised logistics.
// GB_CNF_SEGMENTATION: the features of Table 4 and a weighted Bernoulli distribution (Eq. 9),
// trained without its normaliser and scored with it. How logits come from the features the paper
// does not say: here, as DRIU (Maninis et al. 2016) does it, a 3x3 convolution to 16 channels at
// each resolution, all upsampled to full size and concatenated, and a last 3x3 convolution.
#ifndef GB_FACTORED_H
#define GB_FACTORED_H

#include "flows/models/cnf.h"

struct gb_factored_config {
    struct gb_image_sizes sizes;
    enum gb_cnf_kind kind;
    int channels;            // of the features
    int rrdb_blocks, growth; // of super-resolution
    int levels;              // of segmentation: resolutions below the full one
    int ones_percent; // of segmentation: the weight of ones; that of zeros is the rest of 100
};

// Numbers of parameters: of the baseline, and of the flow that it was matched to (0: it was not).
struct gb_factored_parameters {
    size_t flow, baseline;
};

// The baseline of a flow: fills *config, except for channels, growth and weight of ones where they
// are given (not GB_FOLLOWS). The defaults: channels as the flow's; 90 % for ones (vessels), which
// the paper's text wants (Eq. 9 as printed gives them 10 %); and the integer growth, or for
// segmentation channels, that brings the number of parameters closest to the flow's. GB_BAD_INPUT
// for an invalid flow.
enum { GB_FOLLOWS = -1 };
enum gb_status gb_factored_follow(const struct gb_cnf_config *flow,
                                  struct gb_factored_config *config,
                                  struct gb_factored_parameters *parameters);

// The same with all defaults.
enum gb_status gb_factored_match(const struct gb_cnf_config *flow,
                                 struct gb_factored_config *config);

#endif
