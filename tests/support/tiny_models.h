// SPDX-License-Identifier: MIT
// Configurations of a few kilobytes for tests that count what a model is made of.
#ifndef GB_TINY_MODELS_H
#define GB_TINY_MODELS_H

#include "flows/models/model.h"

// Two levels: c = 8 at 8x8, 16 at 4x4.
static const struct gb_cglow_config gb_tiny_cglow = {{16, 16, 3, 16, 16, 2}, 2, 1, 4, 6, 12, 5,
                                                     GB_CGLOW_LIVE};
static const struct gb_cnf_config gb_tiny_patch = {
    {4, 8, 3, 8, 16, 3}, GB_CNF_SUPER_RESOLUTION, 2, 2, 6, 7, 1, 4, 0};
static const struct gb_cnf_config gb_tiny_mask = {
    {16, 8, 3, 16, 8, 1}, GB_CNF_SEGMENTATION, 2, 1, 6, 7, 0, 0, 2};
static const struct gb_dncnn_config gb_tiny_dncnn = {{8, 8, 3, 8, 8, 3}, 4, 5};

#endif
