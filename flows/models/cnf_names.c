// SPDX-License-Identifier: MIT
#include <stdio.h>
#include <string.h>

#include "flows/models/cnf.h"
#include "flows/models/names.h"

// After "levels.<l>.steps.<k>.": our name, theirs. A row that ends in a dot is a module with a
// weight and a bias.
static const struct gb_name_pair step_names[] = {
    {"actnorm.bias", "actnorm.b"},
    {"actnorm.log_scale", "actnorm.logs"},
    {"mix.weight", "invconv.weight"},
    {"coupling.net.0.", "conditionalCoupling.Net.Net.0."},
    {"coupling.net.1.", "conditionalCoupling.Net.Net.2."},
    {"coupling.net.2.", "conditionalCoupling.Net.Net.4."},
    {"coupling.net.2.log_scale", "conditionalCoupling.Net.Net.4.logs"},
    {0},
};

// After "levels.<l>.".
static const struct gb_name_pair prior_names[] = {
    {"prior.", "conv."},
    {"prior.log_scale", "conv.logs"},
    {0},
};

// After "features.".
static const struct gb_name_pair feature_names[] = {
    {"first.", "conv_first."},
    {"trunk.", "trunk_conv."},
    {"up.", "upconv1."},
    {0},
};

static void name_features(const struct gb_cnf_config *config, const char *name,
                          char published[static 96]) {
    static const char net[] = "flow.lrNet.RRDBNet.";
    int level, block, dense, conv;
    if (gb_name_word(&name, "levels.") && gb_name_index(&name, config->levels, &level)) {
        if (gb_name_is_weight_or_bias(name))
            snprintf(published, 96, "flow.downsample_convs.%d.%s", level, name);
    } else if (gb_name_word(&name, "blocks.")) {
        if (gb_name_index(&name, config->rrdb_blocks, &block) && gb_name_word(&name, "dense.") &&
            gb_name_index(&name, 3, &dense) && gb_name_word(&name, "conv.") &&
            gb_name_index(&name, 5, &conv) && gb_name_is_weight_or_bias(name))
            snprintf(published, 96, "%sRRDB_trunk.%d.RDB%d.conv%d.%s", net, block, dense + 1,
                     conv + 1, name);
    } else {
        gb_name_published(feature_names, net, name, published);
    }
}

void gb_cnf_published_name(const void *argument, const char *name, char published[static 96]) {
    const struct gb_cnf_config *config = argument;
    *published = '\0';
    int level, step;
    char prefix[64];
    if (config->kind != GB_CNF_SUPER_RESOLUTION)
        return; // no published code
    if (gb_name_word(&name, "features.")) {
        name_features(config, name, published);
        return;
    }
    if (!gb_name_word(&name, "levels.") || !gb_name_index(&name, config->levels, &level))
        return;
    // A level of theirs is a squeeze, the steps, and a prior.
    if (gb_name_word(&name, "steps.")) {
        if (!gb_name_index(&name, config->steps, &step))
            return;
        snprintf(prefix, sizeof prefix, "flow.level_modules.%d.%d.", level, step + 1);
        gb_name_published(step_names, prefix, name, published);
    } else {
        snprintf(prefix, sizeof prefix, "flow.level_modules.%d.%d.", level, config->steps + 1);
        gb_name_published(prior_names, prefix, name, published);
    }
}
