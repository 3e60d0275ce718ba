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

static const struct gb_config_table table = {"dncnn", fields, sizeof fields / sizeof *fields};

static enum gb_status check(const void *config) {
    const struct gb_dncnn_config *c = config;
    GB_TRY(gb_config_check(config, &table));
    return gb_config_check_same_size(&c->sizes);
}

static struct gb_slice network(const void *config, struct gb_feed_forward *net, struct gb_slice x) {
    const struct gb_dncnn_config *c = config;
    struct gb_slice at = x;
    for (int i = 0; i < c->layers; i++) {
        char name[32];
        snprintf(name, sizeof name, "layers.%d", i);
        bool last = i == c->layers - 1;
        struct gb_conv_layer_spec spec =
            last ? gb_conv_layer_default(name, at.count, KERNEL, GB_IDENTITY)
                 : gb_conv_layer_he(name, at.count, KERNEL);
        at = gb_feed_forward_conv(net, spec, at, last ? c->sizes.y_c : c->channels);
    }
    return at;
}

static struct gb_likelihood likelihood(const void *config, bool training) {
    (void)config, (void)training;
    return (struct gb_likelihood){.form = GB_LIKELIHOOD_GAUSSIAN, .sigma = 1};
}

const struct gb_model_kind gb_dncnn_model =
    GB_REGRESSION_MODEL("DnCNN", network, likelihood, NULL, .point_estimate = true);
