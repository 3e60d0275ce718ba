// SPDX-License-Identifier: MIT
// DnCNN (Zhang, Zuo, Chen, Meng and Zhang, "Beyond a Gaussian Denoiser", 2017), the reference that
// the c-Glow paper names for denoising: 3x3 convolutions at full size from the noisy image to its
// noise, in units of the noise's deviation. Trained on squared error, a Gaussian of sigma 1.
//
// Theirs has batch normalisation between convolutions. Here there is none, and weights start as He
// et al. start those of ReLU networks: moments of a batch would tie its images together, so that a
// batch's likelihood were no product of its images', and each image's own moments would take away
// the level of its noise, which is what is asked for.
#ifndef GB_DNCNN_H
#define GB_DNCNN_H

#include "flows/models/config.h"

struct gb_dncnn_config {
    struct gb_image_sizes sizes; // y of x's height and width
    int layers, channels;        // 17 of 64 in the paper
};

extern const struct gb_config_table gb_dncnn_table;

#endif
