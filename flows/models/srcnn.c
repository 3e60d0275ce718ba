// SPDX-License-Identifier: MIT
#include "flows/models/srcnn.h"

#include "flows/models/regression.h"

enum { PATCH_KERNEL = 9, MAPPING_KERNEL = 1, RECONSTRUCTION_KERNEL = 5 };

#define FIELD(field) offsetof(struct gb_srcnn_config, field)

static const struct gb_config_field fields[] = {
    GB_SIZE_FIELDS(1, 1, GB_MAX_CHANNELS),
    {"patch_channels", "patch channels", FIELD(patch_channels), 1, GB_MAX_CHANNELS,
     "channels of the patches' features", NULL},
    {"mapping_channels", "mapping channels", FIELD(mapping_channels), 1, GB_MAX_CHANNELS,
     "channels that they are mapped to", NULL},
};

static const struct gb_config_table table = {"srcnn", fields, sizeof fields / sizeof *fields};

static enum gb_status check(const void *config) {
    const struct gb_srcnn_config *c = config;
    const struct gb_image_sizes *s = &c->sizes;
    GB_TRY(gb_config_check(config, &table));
    if (s->y_h % s->x_h || s->y_w % s->x_w)
        return gb_fail(GB_BAD_INPUT, gb_unusable_config, "target size",
                       "%dx%d is not an integer multiple of the image's %dx%d", s->y_h, s->y_w,
                       s->x_h, s->x_w);
    return GB_OK;
}

static struct gb_slice network(const void *config, struct gb_feed_forward *net, struct gb_slice x) {
    const struct gb_srcnn_config *c = config;
    const struct gb_image_sizes *s = &c->sizes;
    struct gb_slice at = gb_feed_forward_bicubic(net, x, s->y_h, s->y_w);
    at = gb_feed_forward_conv(net, gb_conv_layer_he("patches", at.count, PATCH_KERNEL), at,
                              c->patch_channels);
    at = gb_feed_forward_conv(net, gb_conv_layer_he("mapping", at.count, MAPPING_KERNEL), at,
                              c->mapping_channels);
    return gb_feed_forward_conv(
        net, gb_conv_layer_default("reconstruction", at.count, RECONSTRUCTION_KERNEL, GB_IDENTITY),
        at, s->y_c);
}

const struct gb_model_kind gb_srcnn_model =
    GB_REGRESSION_MODEL("SRCNN", network, gb_image_error, NULL, .point_estimate = true);
