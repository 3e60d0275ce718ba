// SPDX-License-Identifier: MIT
// c-Glow (Lu and Huang, "Structured Output Learning with Conditional Generative Flows"), Figure 1
// and appendix A: L levels of squeeze, K steps of (conditional actnorm, conditional 1x1
// convolution, conditional affine coupling) and, except in the last level, a split. The flow maps a
// target y, given an image x, to latents; condition computes once what depends on x alone.
#ifndef GB_CGLOW_H
#define GB_CGLOW_H

#include "flows/models/config.h"

enum gb_cglow_init { GB_CGLOW_LIVE, GB_CGLOW_PUBLISHED, GB_CGLOW_INITS };

struct gb_cglow_config {
    struct gb_image_sizes sizes;
    int levels, steps; // L, K
    int n_c, n_w;      // channels of a conditioning network's convolutions, width of its FC layers
    int coupling_channels; // 256 in the paper
    int feature_channels;  // of the coupling's x path: 16 in the paper
    enum gb_cglow_init init;
};

extern const struct gb_config_table gb_cglow_table; // of its numbers and choices

// Parts of gb_cglow_model (model.h). A configuration is refused for a size not divisible by 2^L, a
// level larger than x, or a count out of range.
enum gb_status gb_cglow_check(const void *config);

#endif
