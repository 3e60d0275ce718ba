// SPDX-License-Identifier: MIT
// SRCNN (Dong, Loy, He and Tang, "Image Super-Resolution Using Deep Convolutional Networks", 2015),
// which the CNF paper's Table 2 lists: the image is enlarged by bicubic interpolation, then three
// convolutions extract patches (9x9), map them (1x1) and reconstruct the target (5x5), trained on
// squared error.
//
// All channels of y are predicted together, RGB as the other models see it: the paper finds that to
// do about as well as luma alone. Convolutions are padded with zeros, so that all of y has an
// answer; the paper's are not, and its borders have none. Weights start as He et al. start those of
// ReLU networks, with which Adam learns in thousands of steps rather than the paper's 10^8
// backpropagations.
#ifndef GB_SRCNN_H
#define GB_SRCNN_H

#include "flows/models/config.h"

struct gb_srcnn_config {
    struct gb_image_sizes sizes; // y a whole multiple of x's height and width
    int patch_channels;          // 64 in the paper
    int mapping_channels;        // 32
};

extern const struct gb_config_table gb_srcnn_table;

#endif
