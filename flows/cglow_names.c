// SPDX-License-Identifier: MIT
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "flows/cglow.h"

// Within a step: our name, theirs. A row that ends in a dot is a module with a weight and a bias.
static const struct {
    const char *ours, *theirs;
} step_names[] = {
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
};

static bool is_weight_or_bias(const char *leaf) {
    return strcmp(leaf, "weight") == 0 || strcmp(leaf, "bias") == 0;
}

// Moves past `word`, if it comes next.
static bool take_word(const char **name, const char *word) {
    size_t length = strlen(word);
    if (strncmp(*name, word, length) != 0)
        return false;
    *name += length;
    return true;
}

// Moves past a decimal index below `limit` and its dot.
static bool take_index(const char **name, int limit, int *index) {
    char *end;
    if (**name < '0' || **name > '9')
        return false;
    long value = strtol(*name, &end, 10);
    if (value >= limit || *end != '.')
        return false;
    *name = end + 1;
    *index = (int)value;
    return true;
}

static void name_step(int layer, const char *rest, char published[static 96]) {
    for (size_t i = 0; i < sizeof step_names / sizeof *step_names; i++) {
        const char *ours = step_names[i].ours, *leaf = rest;
        if (!take_word(&leaf, ours))
            continue;
        bool module = ours[strlen(ours) - 1] == '.';
        if (module ? is_weight_or_bias(leaf) : !*leaf)
            snprintf(published, 96, "flow.layers.%d.%s%s", layer, step_names[i].theirs, leaf);
    }
}

void gb_cglow_published_name(const struct gb_cglow_config *config, const char *name,
                             char published[static 96]) {
    *published = '\0';
    int level, step;
    if (!take_word(&name, "levels.") || !take_index(&name, config->levels, &level))
        return;
    // A level of theirs is a squeeze, the steps, and a split, numbered through.
    int squeeze = level * (config->steps + 2);
    if (take_word(&name, "steps.") && take_index(&name, config->steps, &step))
        name_step(squeeze + 1 + step, name, published);
    else if (level < config->levels - 1 && take_word(&name, "split.") && is_weight_or_bias(name))
        snprintf(published, 96, "flow.layers.%d.conv.0.%s", squeeze + config->steps + 1, name);
}
