// SPDX-License-Identifier: MIT
#include "flows/networks/vgg.h"

#include <stdio.h>

enum { KERNEL = 3, BLOCKS = 2 };

static struct gb_slice block(struct gb_feed_forward *net, int layer, int channels,
                             struct gb_slice from) {
    char name[32];
    snprintf(name, sizeof name, "features.layers.%d", layer);
    gb_feed_forward_recompute(net, from);
    struct gb_slice normalised = gb_feed_forward_norm(net, GB_RELU, from);
    return gb_feed_forward_conv(net, gb_conv_layer_default(name, from.count, KERNEL, GB_IDENTITY),
                                normalised, channels);
}

void gb_vgg(struct gb_feed_forward *net, int levels, int channels, struct gb_slice x,
            struct gb_slice *features) {
    int layer = 1; // as Table 4 counts, the input being layer 0
    features[0] = block(net, layer++, channels, x);
    for (int l = 1; l <= levels; l++) {
        struct gb_slice at = gb_feed_forward_pool(net, features[l - 1]);
        layer++;
        for (int b = 0; b < BLOCKS; b++)
            at = block(net, layer++, channels, at);
        features[l] = at;
    }
    gb_feed_forward_keep(net);
}
