// SPDX-License-Identifier: MIT
// DnCNN (Zhang, Zuo, Chen, Meng and Zhang, "Beyond a Gaussian Denoiser", 2017), the reference that
// the c-Glow paper names for denoising: 3x3 convolutions at full size from the noisy image to its
// noise, in units of the noise's deviation. Trained on squared error, a Gaussian of sigma 1.
//
// Without the paper's batch normalisation, under which a batch's likelihood is not the product of
// its images' (by an image's own moments, its noise level would be lost). Weights have He's
// initialisation.
#ifndef GB_DNCNN_H
#define GB_DNCNN_H

#include "flows/models/config.h"

struct gb_dncnn_config {
    struct gb_image_sizes sizes; // y of x's height and width
    int layers, channels;        // 17 of 64 in the paper
};

#endif
