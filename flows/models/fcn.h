// SPDX-License-Identifier: MIT
// FCN-8s (Long, Shelhamer and Darrell, "Fully Convolutional Networks for Semantic Segmentation",
// 2015) on the layout of VGG-16, the baseline of the c-Glow paper's segmentation tables: five
// blocks of 3x3 convolutions and a max-pooling each, a 7x7 and a 1x1 convolution instead of VGG's
// fully connected layers, and scores of the classes at 1/32, 1/16 and 1/8 of the size, each brought
// to twice its size and added to the next, the last brought to full size. Trained from a random
// start on cross entropy.
//
// Where theirs differs: VGG-16 is wider (`width` 64) and trained on ImageNet before; the image is
// padded by 100 pixels, here each convolution keeps its size; dropout, here none; scores are
// enlarged by transposed convolutions that start as bilinear interpolation, here by what starts as
// the same, nearest neighbours and a 3x3 convolution, eightfold by three of these.
#ifndef GB_FCN_H
#define GB_FCN_H

#include "flows/models/config.h"

// What stands for 0 and 1 in y, and for the ends of probabilities in answers: c-Glow's masks have
// their levels around 0. Those have one channel here.
enum gb_fcn_targets { GB_FCN_ZERO_ONE, GB_FCN_CENTRED, GB_FCN_TARGETS };

struct gb_fcn_config {
    // y of x's height and width, multiples of 32. One channel: the mask of a Bernoulli
    // distribution; more: a channel for each class, one-hot.
    struct gb_image_sizes sizes;
    enum gb_fcn_targets targets;
    int width; // channels of the first block; the others' follow as in VGG-16
};

#endif
