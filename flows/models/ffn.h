// SPDX-License-Identifier: MIT
// A feed-forward convolutional network for inpainting, a baseline that predicts a mean where c-Glow
// has a distribution: an encoder of 4x4 convolutions of stride 2, each doubling the
// channels, a 3x3 convolution at the bottom, and a decoder that doubles the image, nearest
// neighbours and a 3x3 convolution, until it has the target's size. Trained on squared error.
//
// After Pathak et al.'s "Context Encoders" (2016), with a 3x3 convolution instead of their fully
// connected bottom of 4x4 pixels, and without their adversary. No features skip the bottom: in x
// the target's place is empty.
#ifndef GB_FFN_H
#define GB_FFN_H

#include "flows/models/config.h"

struct gb_ffn_config {
    // x can be halved `levels` times; y is that size doubled, 1 to `levels` times.
    struct gb_image_sizes sizes;
    int levels;
    int channels; // of the first convolution
};

#endif
