// SPDX-License-Identifier: MIT
// SRCNN (Dong, Loy, He and Tang, "Image Super-Resolution Using Deep Convolutional Networks", 2015),
// which the CNF paper's Table 2 lists: the image is enlarged by bicubic interpolation, then three
// convolutions extract patches (9x9), map them (1x1) and reconstruct the target (5x5), trained on
// squared error.
//
// RGB is predicted together, which the paper finds about as good as luma alone. Unlike the paper's,
// convolutions are padded with zeros, so that y's borders are predicted too, and weights have He's
// initialisation, with which Adam learns in thousands of steps rather than 10^8 backpropagations.
#ifndef GB_SRCNN_H
#define GB_SRCNN_H

#include "flows/models/config.h"

struct gb_srcnn_config {
    struct gb_image_sizes sizes; // y an integer multiple of x's height and width
    int patch_channels;          // 64 in the paper
    int mapping_channels;        // 32
};

#endif
