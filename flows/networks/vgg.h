// SPDX-License-Identifier: MIT
// CNF's feature network for vessels (paper, Table 4): blocks of instance norm, ReLU and a 3x3
// convolution, max-pooling between resolutions.
#ifndef GB_VGG_H
#define GB_VGG_H

#include "flows/networks/feed_forward.h"

// Adds the network to `net`, its parameters under "features."; features[0] is the place of layer
// 1's output, of x's size, and features[1], features[2], ... those of layers 4, 7, ...: of `levels`
// of them, each at half the size of the one before. All have `channels` channels.
void gb_vgg(struct gb_feed_forward *net, int levels, int channels, struct gb_slice x,
            struct gb_slice *features);

#endif
