// SPDX-License-Identifier: MIT
// The residual-in-residual dense blocks of ESRGAN (Wang et al. 2018) as the feature network of
// CNF's super-resolution (paper, Table 8): from a low-resolution image to features at twice its
// size.
#ifndef GB_RRDB_H
#define GB_RRDB_H

#include "flows/networks/feed_forward.h"

struct gb_rrdb_shape {
    int h, w; // of the image
    int blocks, growth, channels;
};

// Adds the network to `net`, its parameters under "features."; returns the place of the features,
// 2h x 2w x channels.
struct gb_slice gb_rrdb(struct gb_feed_forward *net, const struct gb_rrdb_shape *shape,
                        struct gb_slice x);

#endif
