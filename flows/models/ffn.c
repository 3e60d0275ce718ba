// SPDX-License-Identifier: MIT
#include "flows/models/ffn.h"

#include <stdio.h>

#include "flows/models/regression.h"

enum { HALVING_KERNEL = 4, KERNEL = 3 };

#define FIELD(field) offsetof(struct gb_ffn_config, field)

static const struct gb_config_field fields[] = {
    GB_SIZE_FIELDS(1, 1, GB_MAX_CHANNELS),
    {"levels", "levels", FIELD(levels), 1, 8, "halvings of the image", NULL},
    {"channels", "channels", FIELD(channels), 1, GB_MAX_CHANNELS,
     "channels of the first level; each has twice those of the one before", NULL},
};

const struct gb_config_table gb_ffn_table = {"ffn", fields, sizeof fields / sizeof *fields};

static const char what[] = "unusable model configuration";

// How often the bottom is doubled to make y; above `levels`: never.
static int doublings(const struct gb_ffn_config *c) {
    const struct gb_image_sizes *s = &c->sizes;
    int d = 1;
    while (d <= c->levels &&
           (s->y_h != s->x_h >> c->levels << d || s->y_w != s->x_w >> c->levels << d))
        d++;
    return d;
}

static int channels_at(const struct gb_ffn_config *c, int level) {
    return level ? c->channels << (level - 1) : c->channels;
}

static enum gb_status check(const void *config) {
    const struct gb_ffn_config *c = config;
    const struct gb_image_sizes *s = &c->sizes;
    GB_TRY(gb_config_check(config, &gb_ffn_table));
    int multiple = 1 << c->levels;
    if (s->x_h % multiple || s->x_w % multiple)
        return gb_fail(GB_BAD_INPUT, what, "levels", "%dx%d cannot be halved %d times", s->x_h,
                       s->x_w, c->levels);
    if (doublings(c) > c->levels)
        return gb_fail(GB_BAD_INPUT, what, "target size",
                       "%dx%d is not the image's %dx%d halved %d times and then doubled", s->y_h,
                       s->y_w, s->x_h, s->x_w, c->levels);
    if (channels_at(c, c->levels) > GB_MAX_CHANNELS)
        return gb_fail(GB_BAD_INPUT, what, "channels", "%d make %d at the last level, above %d",
                       c->channels, channels_at(c, c->levels), GB_MAX_CHANNELS);
    return GB_OK;
}

static struct gb_conv_layer_spec halving_conv(const char *name, int inputs) {
    struct gb_conv_layer_spec spec = gb_conv_layer_he(name, inputs, HALVING_KERNEL);
    spec.problem.stride_h = spec.problem.stride_w = 2;
    spec.problem.pad_h = spec.problem.pad_w = 1;
    return spec;
}

static struct gb_slice encode(const struct gb_ffn_config *c, struct gb_feed_forward *net,
                              struct gb_slice at) {
    const struct gb_image_sizes *s = &c->sizes;
    for (int l = 1; l <= c->levels; l++) {
        char name[32];
        snprintf(name, sizeof name, "encoder.%d", l - 1);
        struct gb_slice to =
            gb_feed_forward_buffer(net, s->x_h >> l, s->x_w >> l, channels_at(c, l));
        gb_feed_forward_conv(net, halving_conv(name, at.count), at, to);
        at = to;
    }
    return at;
}

static struct gb_slice decode(const struct gb_ffn_config *c, struct gb_feed_forward *net,
                              struct gb_slice at) {
    const struct gb_image_sizes *s = &c->sizes;
    for (int d = 1, last = doublings(c); d <= last; d++) {
        char name[32];
        snprintf(name, sizeof name, "decoder.%d", d - 1);
        int h = s->y_h >> (last - d), w = s->y_w >> (last - d);
        struct gb_slice twice = gb_feed_forward_buffer(net, h, w, at.count);
        struct gb_slice to = gb_feed_forward_buffer(net, h, w, channels_at(c, c->levels - d));
        gb_feed_forward_upsample(net, at, twice);
        gb_feed_forward_conv(net, gb_conv_layer_he(name, at.count, KERNEL), twice, to);
        at = to;
    }
    return at;
}

static struct gb_slice network(const void *config, struct gb_feed_forward *net, struct gb_slice x) {
    const struct gb_ffn_config *c = config;
    const struct gb_image_sizes *s = &c->sizes;
    struct gb_slice code = encode(c, net, x);
    struct gb_slice bottom =
        gb_feed_forward_buffer(net, s->x_h >> c->levels, s->x_w >> c->levels, code.count);
    gb_feed_forward_conv(net, gb_conv_layer_he("bottom", code.count, KERNEL), code, bottom);
    struct gb_slice features = decode(c, net, bottom);
    struct gb_slice y = gb_feed_forward_buffer(net, s->y_h, s->y_w, s->y_c);
    gb_feed_forward_conv(net, gb_conv_layer_default("head", features.count, KERNEL, GB_IDENTITY),
                         features, y);
    return y;
}

static const struct gb_regression_form form = {
    .network = network,
    .likelihood = gb_image_error,
};

const struct gb_model_kind gb_ffn_model = {
    .title = "feed-forward network",
    .table = &gb_ffn_table,
    .point_estimate = true,
    .form = &form,
    .check = check,
    GB_REGRESSION_FUNCTIONS,
};
