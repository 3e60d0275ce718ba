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

static const struct gb_config_table table = {"ffn", fields, sizeof fields / sizeof *fields};

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
    GB_TRY(gb_config_check(config, &table));
    int multiple = 1 << c->levels;
    if (s->x_h % multiple || s->x_w % multiple)
        return gb_fail(GB_BAD_INPUT, gb_unusable_config, "levels",
                       "%dx%d cannot be halved %d times", s->x_h, s->x_w, c->levels);
    if (doublings(c) > c->levels)
        return gb_fail(GB_BAD_INPUT, gb_unusable_config, "target size",
                       "%dx%d is not the image's %dx%d halved %d times and then doubled", s->y_h,
                       s->y_w, s->x_h, s->x_w, c->levels);
    if (channels_at(c, c->levels) > GB_MAX_CHANNELS)
        return gb_fail(GB_BAD_INPUT, gb_unusable_config, "channels",
                       "%d make %d at the last level, above %d", c->channels,
                       channels_at(c, c->levels), GB_MAX_CHANNELS);
    return GB_OK;
}

static struct gb_conv_layer_spec halving_conv(const char *name, int inputs) {
    struct gb_conv_layer_spec spec = gb_conv_layer_he(name, inputs, HALVING_KERNEL);
    spec.problem.stride_h = spec.problem.stride_w = 2;
    spec.problem.pad_h = spec.problem.pad_w = 1;
    return spec;
}

static struct gb_slice network(const void *config, struct gb_feed_forward *net, struct gb_slice x) {
    const struct gb_ffn_config *c = config;
    struct gb_slice at = x;
    char name[32];
    for (int l = 1; l <= c->levels; l++) {
        snprintf(name, sizeof name, "encoder.%d", l - 1);
        at = gb_feed_forward_conv(net, halving_conv(name, at.count), at, channels_at(c, l));
    }
    at = gb_feed_forward_conv(net, gb_conv_layer_he("bottom", at.count, KERNEL), at, at.count);
    for (int d = 1, last = doublings(c); d <= last; d++) {
        snprintf(name, sizeof name, "decoder.%d", d - 1);
        at = gb_feed_forward_conv(net, gb_conv_layer_he(name, at.count, KERNEL),
                                  gb_feed_forward_upsample(net, at), channels_at(c, c->levels - d));
    }
    return gb_feed_forward_conv(net, gb_conv_layer_default("head", at.count, KERNEL, GB_IDENTITY),
                                at, c->sizes.y_c);
}

const struct gb_model_kind gb_ffn_model = GB_REGRESSION_MODEL(
    "feed-forward network", network, gb_image_error, NULL, .point_estimate = true);
