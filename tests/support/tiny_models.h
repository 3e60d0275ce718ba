// SPDX-License-Identifier: MIT
// Configurations of a few kilobytes for tests that count what a model is made of.
#ifndef GB_TINY_MODELS_H
#define GB_TINY_MODELS_H

#include "flows/models/model.h"

// Two levels: c = 8 at 8x8, 16 at 4x4.
static const struct gb_cglow_config gb_tiny_cglow = {.sizes = {16, 16, 3, 16, 16, 2},
                                                     .levels = 2,
                                                     .steps = 1,
                                                     .n_c = 4,
                                                     .n_w = 6,
                                                     .coupling_channels = 12,
                                                     .feature_channels = 5,
                                                     .init = GB_CGLOW_LIVE};
static const struct gb_cnf_config gb_tiny_patch = {.kind = GB_CNF_SUPER_RESOLUTION,
                                                   .sizes = {4, 8, 3, 8, 16, 3},
                                                   .levels = 2,
                                                   .steps = 2,
                                                   .condition_channels = 6,
                                                   .coupling_channels = 7,
                                                   .rrdb_blocks = 1,
                                                   .growth = 4};
static const struct gb_cnf_config gb_tiny_mask = {.kind = GB_CNF_SEGMENTATION,
                                                  .sizes = {16, 8, 3, 16, 8, 1},
                                                  .levels = 2,
                                                  .steps = 1,
                                                  .condition_channels = 6,
                                                  .coupling_channels = 7,
                                                  .dequantiser_steps = 2};
static const struct gb_dncnn_config gb_tiny_dncnn = {{8, 8, 3, 8, 8, 3}, 4, 5};

#endif
