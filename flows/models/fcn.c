// SPDX-License-Identifier: MIT
#include "flows/models/fcn.h"

#include <stdio.h>

#include "flows/models/regression.h"

// VGG-16: the number of convolutions of each block, and channels in multiples of the first block's.
enum { BLOCKS = 5, KERNEL = 3, TOP_KERNEL = 7, TOP_CHANNELS = 64 };
static const struct {
    int convolutions, channels;
} blocks[BLOCKS] = {{2, 1}, {2, 2}, {3, 4}, {3, 8}, {3, 8}};
enum { FIRST_SCORED = 3, STRIDE = 1 << BLOCKS }; // scores from this many blocks on

static const char *const target_names[GB_FCN_TARGETS] = {"zero-one", "centred"};

#define FIELD(field) offsetof(struct gb_fcn_config, field)

static const struct gb_config_field fields[] = {
    GB_SIZE_FIELDS(1, 1, GB_MAX_CHANNELS),
    {"targets", "targets", FIELD(targets), 0, GB_FCN_TARGETS - 1, NULL, target_names},
    {"width", "width", FIELD(width), 1, GB_MAX_CHANNELS / TOP_CHANNELS,
     "channels of the first block (VGG-16: 64)", NULL},
};

static const struct gb_config_table table = {"fcn", fields, sizeof fields / sizeof *fields};

static enum gb_status check(const void *config) {
    const struct gb_fcn_config *c = config;
    const struct gb_image_sizes *s = &c->sizes;
    GB_TRY(gb_config_check(config, &table));
    GB_TRY(gb_config_check_same_size(s));
    if (s->x_h % STRIDE || s->x_w % STRIDE)
        return gb_fail(GB_BAD_INPUT, gb_unusable_config, "image size",
                       "%dx%d is not divisible by %d", s->x_h, s->x_w, STRIDE);
    if (c->targets == GB_FCN_CENTRED && s->y_c > 1)
        return gb_fail(GB_BAD_INPUT, gb_unusable_config, "y channels",
                       "%d, but a mask around 0 has one", s->y_c);
    if (s->y_c > GB_MAX_CLASSES)
        return gb_fail(GB_BAD_INPUT, gb_unusable_config, "y channels", "%d classes, above %d",
                       s->y_c, GB_MAX_CLASSES);
    return GB_OK;
}

// Block b, numbered from 0, and its pooling.
static struct gb_slice block(const struct gb_fcn_config *c, struct gb_feed_forward *net, int b,
                             struct gb_slice at) {
    for (int i = 0; i < blocks[b].convolutions; i++) {
        char name[32];
        snprintf(name, sizeof name, "blocks.%d.%d", b, i);
        at = gb_feed_forward_conv(net, gb_conv_layer_he(name, at.count, KERNEL), at,
                                  c->width * blocks[b].channels);
    }
    return gb_feed_forward_pool(net, at);
}

// Scores of the classes; they start as zeros.
static struct gb_slice scores(const struct gb_fcn_config *c, struct gb_feed_forward *net,
                              int halvings, struct gb_slice features) {
    char name[32];
    snprintf(name, sizeof name, "scores.%d", halvings - FIRST_SCORED);
    struct gb_conv_layer_spec spec = gb_conv_layer_default(name, features.count, 1, GB_IDENTITY);
    spec.weight_init = spec.bias_init = (struct gb_init){0};
    return gb_feed_forward_conv(net, spec, features, c->sizes.y_c);
}

// To twice the size, from 1 / 2^halvings of the full one.
static struct gb_slice enlarge(struct gb_feed_forward *net, int halvings, struct gb_slice from) {
    char name[32];
    snprintf(name, sizeof name, "enlarge.%d", halvings - 1);
    struct gb_conv_layer_spec spec = gb_conv_layer_default(name, from.count, KERNEL, GB_IDENTITY);
    spec.weight_init = (struct gb_init){GB_INIT_BILINEAR, 0};
    spec.bias_init = (struct gb_init){0};
    return gb_feed_forward_conv(net, spec, gb_feed_forward_upsample(net, from), from.count);
}

static struct gb_slice network(const void *config, struct gb_feed_forward *net, struct gb_slice x) {
    const struct gb_fcn_config *c = config;
    struct gb_slice features[BLOCKS + 1]; // at 1 / 2^i of the size
    features[0] = x;
    for (int b = 0; b < BLOCKS; b++)
        features[b + 1] = block(c, net, b, features[b]);
    int channels = c->width * TOP_CHANNELS;
    struct gb_slice at = features[BLOCKS];
    at = gb_feed_forward_conv(net, gb_conv_layer_he("top.0", at.count, TOP_KERNEL), at, channels);
    at = gb_feed_forward_conv(net, gb_conv_layer_he("top.1", channels, 1), at, channels);
    at = scores(c, net, BLOCKS, at);
    for (int halvings = BLOCKS; halvings > 0; halvings--) {
        at = enlarge(net, halvings, at);
        if (halvings <= FIRST_SCORED)
            continue;
        struct gb_slice finer = scores(c, net, halvings - 1, features[halvings - 1]);
        struct gb_slice sum = gb_feed_forward_buffer(net, c->sizes.x_h >> (halvings - 1),
                                                     c->sizes.x_w >> (halvings - 1), at.count);
        gb_feed_forward_residual(net, finer, 1, at, sum);
        at = sum;
    }
    return at;
}

static struct gb_likelihood likelihood(const void *config, bool training) {
    (void)training;
    const struct gb_fcn_config *c = config;
    return (struct gb_likelihood){.form = c->sizes.y_c > 1 ? GB_LIKELIHOOD_CATEGORICAL
                                                           : GB_LIKELIHOOD_BERNOULLI,
                                  .bernoulli = {.weight_one = 1, .weight_zero = 1}};
}

static float zero(const void *config) {
    const struct gb_fcn_config *c = config;
    return c->targets == GB_FCN_CENTRED ? -0.5f : 0;
}

const struct gb_model_kind gb_fcn_model =
    GB_REGRESSION_MODEL("FCN-8s", network, likelihood, zero, .point_estimate = true);
