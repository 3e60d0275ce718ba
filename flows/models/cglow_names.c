// SPDX-License-Identifier: MIT
#include <stdio.h>

#include "flows/models/cglow.h"
#include "flows/models/names.h"

// Within a step: our name, theirs. A row that ends in a dot is a module with a weight and a bias.
static const struct gb_name_pair step_names[] = {
    {"actnorm.conv.0.", "actnorm.x_Con.0."},
    {"actnorm.conv.1.", "actnorm.x_Con.2."},
    {"actnorm.conv.2.", "actnorm.x_Con.4."},
    {"actnorm.fc.0.", "actnorm.x_Linear.0."},
    {"actnorm.fc.1.", "actnorm.x_Linear.2."},
    {"actnorm.fc.2.", "actnorm.x_Linear.4."},
    {"mix.conv.0.", "invconv.x_Con.0."},
    {"mix.conv.1.", "invconv.x_Con.2."},
    {"mix.conv.2.", "invconv.x_Con.4."},
    {"mix.fc.0.", "invconv.x_Linear.0."},
    {"mix.fc.1.", "invconv.x_Linear.2."},
    {"mix.fc.2.", "invconv.x_Linear.4."},
    {"coupling.features.0.", "affine.resize_x.0."},
    {"coupling.features.1.", "affine.resize_x.2."},
    {"coupling.features.2.", "affine.resize_x.4."},
    {"coupling.net.0.weight", "affine.f.0.weight"},
    {"coupling.net.0.bias", "affine.f.0.actnorm.bias"},
    {"coupling.net.0.log_scale", "affine.f.0.actnorm.logs"},
    {"coupling.net.1.weight", "affine.f.2.weight"},
    {"coupling.net.1.bias", "affine.f.2.actnorm.bias"},
    {"coupling.net.1.log_scale", "affine.f.2.actnorm.logs"},
    {"coupling.net.2.", "affine.f.4."},
    {"coupling.net.2.new_bias", "affine.f.4.newbias"},
    {"coupling.net.2.log_scale", "affine.f.4.logs"},
    {0},
};

void gb_cglow_published_name(const void *argument, const char *name, char published[static 96]) {
    const struct gb_cglow_config *config = argument;
    *published = '\0';
    int level, step;
    char prefix[64];
    if (!gb_name_word(&name, "levels.") || !gb_name_index(&name, config->levels, &level))
        return;
    // A level of theirs is a squeeze, the steps, and a split, numbered through.
    int squeeze = level * (config->steps + 2);
    if (gb_name_word(&name, "steps.") && gb_name_index(&name, config->steps, &step)) {
        snprintf(prefix, sizeof prefix, "flow.layers.%d.", squeeze + 1 + step);
        gb_name_published(step_names, prefix, name, published);
    } else if (level < config->levels - 1 && gb_name_word(&name, "split.") &&
               gb_name_is_weight_or_bias(name)) {
        snprintf(published, 96, "flow.layers.%d.conv.0.%s", squeeze + config->steps + 1, name);
    }
}
