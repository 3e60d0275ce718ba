// SPDX-License-Identifier: MIT
// CNF's feature network for vessels (paper, Table 4): blocks of instance norm, ReLU and a 3x3
// convolution, max-pooling between resolutions.
#ifndef GB_VGG_H
#define GB_VGG_H

#include "flows/networks/feed_forward.h"

// Adds the network to `net`, its parameters under "features.", and makes outputs of layers 4, 7, 10,
// ... : `levels` of them, the first at half of h x w, each of `channels` channels.
void gb_vgg(struct gb_feed_forward *net, int h, int w, int levels, int channels, struct gb_place x);

#endif
