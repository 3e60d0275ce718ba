// SPDX-License-Identifier: MIT
#include "flows/models/factored.h"

#include <stdio.h>

#include "flows/models/regression.h"
#include "flows/networks/rrdb.h"
#include "flows/networks/vgg.h"

enum { KERNEL = 3, PIXEL_LEVELS = 256, SIDE_CHANNELS = 16, ONES_PERCENT = 90 };

#define FIELD(field) offsetof(struct gb_factored_config, field)

static const struct gb_config_field fields[] = {
    GB_SIZE_FIELDS(1, 1, GB_MAX_CHANNELS),
    {"kind", "kind", FIELD(kind), 0, GB_CNF_KINDS - 1, NULL, gb_cnf_kind_names},
    {"channels", "channels", FIELD(channels), 1, GB_MAX_CHANNELS, "channels of the features", NULL},
    {"rrdb_blocks", "RRDB blocks", FIELD(rrdb_blocks), 0, 1024, "RRDB blocks of the features",
     NULL},
    {"growth", "growth", FIELD(growth), 0, GB_MAX_CHANNELS, "growth of the dense blocks", NULL},
    {"levels", "levels", FIELD(levels), 0, GB_MAX_LEVELS, "resolutions below the full one", NULL},
    {"ones_percent", "weight of ones", FIELD(ones_percent), 0, 99,
     "weight of vessels in percent (as printed: 10)", NULL},
};

static const struct gb_config_table table = {"factored", fields, sizeof fields / sizeof *fields};

static enum gb_status check_segmentation(const struct gb_factored_config *c) {
    const struct gb_image_sizes *s = &c->sizes;
    int multiple = 1 << c->levels;
    GB_TRY(gb_config_check_same_size(s));
    if (c->levels < 1 || s->y_h % multiple || s->y_w % multiple)
        return gb_fail(GB_BAD_INPUT, gb_unusable_config, "levels",
                       "%dx%d cannot be halved %d times", s->y_h, s->y_w, c->levels);
    if (c->ones_percent < 1)
        return gb_fail(GB_BAD_INPUT, gb_unusable_config, "weight of ones", "%d %% is below 1 %%",
                       c->ones_percent);
    return GB_OK;
}

static enum gb_status check(const void *config) {
    const struct gb_factored_config *c = config;
    GB_TRY(gb_config_check(config, &table));
    return c->kind == GB_CNF_SUPER_RESOLUTION
               ? gb_check_super_resolution(&c->sizes, c->rrdb_blocks, c->growth)
               : check_segmentation(c);
}

// ---- The networks ----

// A convolution without activation to the parameters of the distributions.
static struct gb_slice head(struct gb_feed_forward *net, struct gb_slice from, int channels) {
    return gb_feed_forward_conv(net, gb_conv_layer_default("head", from.count, KERNEL, GB_IDENTITY),
                                from, channels);
}

static struct gb_slice super_resolution(const struct gb_factored_config *c,
                                        struct gb_feed_forward *net, struct gb_slice x) {
    const struct gb_image_sizes *s = &c->sizes;
    const struct gb_rrdb_shape shape = {.h = s->x_h,
                                        .w = s->x_w,
                                        .blocks = c->rrdb_blocks,
                                        .growth = c->growth,
                                        .channels = c->channels};
    return head(net, gb_rrdb(net, &shape, x), 2 * s->y_c);
}

// Doubles the size `level` times; the last time into `to`.
static void enlarge(struct gb_feed_forward *net, int level, struct gb_slice from,
                    struct gb_slice to) {
    for (int l = level - 1; l > 0; l--)
        from = gb_feed_forward_upsample(net, from);
    gb_feed_forward_upsample_into(net, from, to);
}

static struct gb_slice segmentation(const struct gb_factored_config *c, struct gb_feed_forward *net,
                                    struct gb_slice x) {
    const struct gb_image_sizes *s = &c->sizes;
    struct gb_slice features[GB_MAX_LEVELS + 1];
    gb_vgg(net, c->levels, c->channels, x, features);
    struct gb_slice joined =
        gb_feed_forward_buffer(net, s->y_h, s->y_w, (c->levels + 1) * SIDE_CHANNELS);
    for (int l = 0; l <= c->levels; l++) {
        char name[32];
        snprintf(name, sizeof name, "sides.%d", l);
        struct gb_slice full = gb_subslice(joined, l * SIDE_CHANNELS, SIDE_CHANNELS);
        const struct gb_conv_layer_spec side =
            gb_conv_layer_default(name, features[l].count, KERNEL, GB_RELU);
        if (l)
            enlarge(net, l, gb_feed_forward_conv(net, side, features[l], SIDE_CHANNELS), full);
        else
            gb_feed_forward_conv_into(net, side, features[l], full);
    }
    return head(net, joined, s->y_c);
}

static struct gb_slice network(const void *config, struct gb_feed_forward *net, struct gb_slice x) {
    const struct gb_factored_config *c = config;
    return c->kind == GB_CNF_SUPER_RESOLUTION ? super_resolution(c, net, x)
                                              : segmentation(c, net, x);
}

static struct gb_likelihood likelihood(const void *config, bool training) {
    const struct gb_factored_config *c = config;
    if (c->kind == GB_CNF_SUPER_RESOLUTION)
        return (struct gb_likelihood){.form = GB_LIKELIHOOD_LOGISTIC, .levels = PIXEL_LEVELS};
    const struct gb_bernoulli bernoulli = {.weight_one = (float)c->ones_percent / 100,
                                           .weight_zero = (float)(100 - c->ones_percent) / 100,
                                           .normalised = !training};
    return (struct gb_likelihood){.form = GB_LIKELIHOOD_BERNOULLI, .bernoulli = bernoulli};
}

const struct gb_model_kind gb_factored_model = GB_REGRESSION_MODEL(
    "factored", network, likelihood, NULL, .uniform_noise = true, .recomputes = true);

// ---- As many parameters as a flow ----

static int *size_of(struct gb_factored_config *config) {
    return config->kind == GB_CNF_SUPER_RESOLUTION ? &config->growth : &config->channels;
}

// On the smallest images: weights do not depend on them.
static enum gb_status parameters_at(struct gb_factored_config config, int size,
                                    size_t *parameters) {
    bool segments = config.kind == GB_CNF_SEGMENTATION;
    int side = segments ? 1 << config.levels : 2;
    config.sizes.y_h = config.sizes.y_w = side;
    config.sizes.x_h = config.sizes.x_w = segments ? side : side / 2;
    *size_of(&config) = size;
    return gb_model_parameters(&gb_factored_model, &config, parameters);
}

static size_t distance(size_t a, size_t b) {
    return a > b ? a - b : b - a;
}

// Sets the growth, or the channels, that comes nearest: bisection, as parameters grow with it.
static enum gb_status match_size(struct gb_factored_config *config,
                                 struct gb_factored_parameters *parameters) {
    const size_t wanted = parameters->flow;
    int below = 1, above = GB_MAX_CHANNELS;
    size_t few, many;
    while (above - below > 1) {
        int middle = (below + above) / 2;
        size_t found;
        GB_TRY(parameters_at(*config, middle, &found));
        *(found <= wanted ? &below : &above) = middle;
    }
    GB_TRY(parameters_at(*config, below, &few));
    GB_TRY(parameters_at(*config, above, &many));
    const bool more = distance(many, wanted) < distance(few, wanted);
    *size_of(config) = more ? above : below;
    parameters->baseline = more ? many : few;
    return GB_OK;
}

static void follow(int *number, int flows) {
    *number = *number == GB_FOLLOWS ? flows : *number;
}

enum gb_status gb_factored_follow(const struct gb_cnf_config *flow,
                                  struct gb_factored_config *config,
                                  struct gb_factored_parameters *parameters) {
    const bool segments = flow->kind == GB_CNF_SEGMENTATION;
    *parameters = (struct gb_factored_parameters){0};
    config->sizes = flow->sizes;
    config->kind = flow->kind;
    config->rrdb_blocks = flow->rrdb_blocks;
    config->levels = segments ? flow->levels : 0;
    follow(&config->ones_percent, segments ? ONES_PERCENT : 0);
    if (segments)
        follow(&config->growth, 0);
    else
        follow(&config->channels, flow->condition_channels);
    if (*size_of(config) != GB_FOLLOWS)
        return GB_OK;
    GB_TRY(gb_cnf_check(flow));
    GB_TRY(gb_model_parameters(&gb_cnf_model, flow, &parameters->flow));
    return match_size(config, parameters);
}

enum gb_status gb_factored_match(const struct gb_cnf_config *flow,
                                 struct gb_factored_config *config) {
    struct gb_factored_parameters parameters;
    *config = (struct gb_factored_config){
        .channels = GB_FOLLOWS, .growth = GB_FOLLOWS, .ones_percent = GB_FOLLOWS};
    return gb_factored_follow(flow, config, &parameters);
}
