// SPDX-License-Identifier: MIT
#include "flows/networks/rrdb.h"

#include <stdio.h>

enum { DENSE_BLOCKS = 3, DENSE_CONVS = 5, KERNEL = 3 };

static const float residual_scale = 0.2f;
// ESRGAN initialises the dense blocks at a tenth of He's scale. Even so, 16 RRDBs make their input
// 18 times as large; the defaults of the other layers bring that back to about 1.
static const float dense_scale = 0.1f;

// `joined` begins with the block's input; the convolutions write their outputs after it, so that
// each reads everything before it as one slice. to = input + 0.2 * the last one.
static void dense_block(struct gb_feed_forward *net, const struct gb_rrdb_shape *shape,
                        const char *name, struct gb_slice joined, struct gb_slice to) {
    struct gb_slice residual = gb_feed_forward_buffer(net, shape->h, shape->w, shape->channels);
    for (int i = 0; i < DENSE_CONVS; i++) {
        char conv_name[48];
        snprintf(conv_name, sizeof conv_name, "%s.conv.%d", name, i);
        int before = shape->channels + i * shape->growth;
        bool last = i == DENSE_CONVS - 1;
        struct gb_conv_layer_spec spec =
            gb_conv_layer_default(conv_name, before, KERNEL, last ? GB_IDENTITY : GB_LEAKY_RELU);
        spec.weight_init = gb_init_he(gb_conv_fan_in(&spec.problem));
        spec.weight_init.scale *= dense_scale;
        spec.bias_init = (struct gb_init){0};
        gb_feed_forward_conv_into(net, spec, gb_subslice(joined, 0, before),
                                  last ? residual : gb_subslice(joined, before, shape->growth));
    }
    gb_feed_forward_residual(net, gb_subslice(joined, 0, shape->channels), residual_scale, residual,
                             to);
}

// A buffer for a dense block.
static struct gb_slice joined_buffer(struct gb_feed_forward *net,
                                     const struct gb_rrdb_shape *shape) {
    return gb_feed_forward_buffer(net, shape->h, shape->w,
                                  shape->channels + (DENSE_CONVS - 1) * shape->growth);
}

// `first`: the buffer of the first dense block, which begins with the RRDB's input.
static void rrdb(struct gb_feed_forward *net, const struct gb_rrdb_shape *shape, int index,
                 struct gb_slice first, struct gb_slice to) {
    struct gb_slice joined = first;
    struct gb_slice residual = gb_feed_forward_buffer(net, shape->h, shape->w, shape->channels);
    for (int i = 0; i < DENSE_BLOCKS; i++) {
        char name[40];
        snprintf(name, sizeof name, "features.blocks.%d.dense.%d", index, i);
        bool last = i == DENSE_BLOCKS - 1;
        struct gb_slice next = last ? residual : joined_buffer(net, shape);
        dense_block(net, shape, name, joined, last ? next : gb_subslice(next, 0, shape->channels));
        joined = next;
    }
    gb_feed_forward_residual(net, gb_subslice(first, 0, shape->channels), residual_scale, residual,
                             to);
}

struct gb_slice gb_rrdb(struct gb_feed_forward *net, const struct gb_rrdb_shape *shape,
                        struct gb_slice x) {
    int h = shape->h, w = shape->w, channels = shape->channels;
    struct gb_slice joined = joined_buffer(net, shape);
    struct gb_slice shallow = gb_subslice(joined, 0, channels);
    gb_feed_forward_conv_into(
        net, gb_conv_layer_default("features.first", x.count, KERNEL, GB_IDENTITY), x, shallow);
    for (int i = 0; i < shape->blocks; i++) {
        bool last = i == shape->blocks - 1;
        struct gb_slice next =
            last ? gb_feed_forward_buffer(net, h, w, channels) : joined_buffer(net, shape);
        gb_feed_forward_recompute(net, gb_subslice(joined, 0, channels));
        rrdb(net, shape, i, joined, gb_subslice(next, 0, channels));
        joined = next;
    }
    gb_feed_forward_keep(net);
    struct gb_slice trunk = gb_feed_forward_conv(
        net, gb_conv_layer_default("features.trunk", channels, KERNEL, GB_IDENTITY), joined,
        channels);
    struct gb_slice deep = gb_feed_forward_buffer(net, h, w, channels);
    gb_feed_forward_residual(net, shallow, 1, trunk, deep);
    return gb_feed_forward_conv(
        net, gb_conv_layer_default("features.up", channels, KERNEL, GB_LEAKY_RELU),
        gb_feed_forward_upsample(net, deep), channels);
}
