// SPDX-License-Identifier: MIT
#include "flows/models/dncnn.h"

#include <stdio.h>

#include "flows/models/regression.h"

enum { KERNEL = 3 };

#define FIELD(field) offsetof(struct gb_dncnn_config, field)

static const struct gb_config_field fields[] = {
    GB_SIZE_FIELDS(1, 1, GB_MAX_CHANNELS),
    {"layers", "layers", FIELD(layers), 2, 1024, "convolutions in sequence", NULL},
    {"channels", "channels", FIELD(channels), 1, GB_MAX_CHANNELS, "channels between its layers",
     NULL},
};

const struct gb_config_table gb_dncnn_table = {"dncnn", fields, sizeof fields / sizeof *fields};

static enum gb_status check(const void *config) {
    const struct gb_dncnn_config *c = config;
    GB_TRY(gb_config_check(config, &gb_dncnn_table));
    return gb_regression_check_same_size(&c->sizes);
}

static struct gb_slice network(const void *config, struct gb_feed_forward *net, struct gb_slice x) {
    const struct gb_dncnn_config *c = config;
    const struct gb_image_sizes *s = &c->sizes;
    struct gb_slice at = x;
    for (int i = 0; i < c->layers; i++) {
        char name[32];
        snprintf(name, sizeof name, "layers.%d", i);
        bool last = i == c->layers - 1;
        struct gb_slice to =
            gb_feed_forward_buffer(net, s->y_h, s->y_w, last ? s->y_c : c->channels);
        struct gb_conv_layer_spec spec =
            last ? gb_conv_layer_default(name, at.count, KERNEL, GB_IDENTITY)
                 : gb_conv_layer_he(name, at.count, KERNEL);
        gb_feed_forward_conv(net, spec, at, to);
        at = to;
    }
    return at;
}

static struct gb_likelihood likelihood(const void *config, bool training) {
    (void)config, (void)training;
    return (struct gb_likelihood){.form = GB_LIKELIHOOD_GAUSSIAN, .sigma = 1};
}

static const struct gb_regression_form form = {
    .network = network,
    .likelihood = likelihood,
};

const struct gb_model_kind gb_dncnn_model = {
    .title = "DnCNN",
    .table = &gb_dncnn_table,
    .point_estimate = true,
    .form = &form,
    .check = check,
    GB_REGRESSION_FUNCTIONS,
};
