// SPDX-License-Identifier: MIT
#include <stddef.h>

#include "flows/files/metadata.h"
#include "flows/models/cnf.h"

const char *const gb_cnf_kind_names[GB_CNF_KINDS] = {"super-resolution", "segmentation"};

// Configurations come from files too: the limits keep every product of sizes in range.
enum { SIDE = 1 << 14, CHANNELS = 1 << 12, MATRIX = 1 << 10 };

#define FIELD(field) offsetof(struct gb_cnf_config, field)

const struct gb_config_field gb_cnf_fields[GB_CNF_FIELDS] = {
    {"x_height", "x height", FIELD(x_h), 1, SIDE},
    {"x_width", "x width", FIELD(x_w), 1, SIDE},
    {"x_channels", "x channels", FIELD(x_c), 1, CHANNELS},
    {"y_height", "y height", FIELD(y_h), 2, SIDE},
    {"y_width", "y width", FIELD(y_w), 2, SIDE},
    {"y_channels", "y channels", FIELD(y_c), 1, MATRIX / 4},
    {"levels", "levels", FIELD(levels), 1, GB_MAX_LEVELS},
    {"steps", "steps", FIELD(steps), 1, 1024},
    {"condition_channels", "condition channels", FIELD(condition_channels), 1, CHANNELS},
    {"coupling_channels", "coupling channels", FIELD(coupling_channels), 1, CHANNELS},
    {"rrdb_blocks", "RRDB blocks", FIELD(rrdb_blocks), 0, 1024},
    {"growth", "growth", FIELD(growth), 0, CHANNELS},
    {"dequantiser_steps", "dequantiser steps", FIELD(dequantiser_steps), 0, 1024},
};

static const char what[] = "unusable model configuration";

static enum gb_status check_super_resolution(const struct gb_cnf_config *c) {
    if (c->y_h != 2 * c->x_h || c->y_w != 2 * c->x_w)
        return gb_fail(GB_BAD_INPUT, what, "target size", "%dx%d is not twice the image's %dx%d",
                       c->y_h, c->y_w, c->x_h, c->x_w);
    if (c->rrdb_blocks < 1 || c->growth < 1)
        return gb_fail(GB_BAD_INPUT, what, "RRDB blocks", "%d of growth %d are no feature network",
                       c->rrdb_blocks, c->growth);
    if (c->dequantiser_steps > 0)
        return gb_fail(GB_BAD_INPUT, what, "dequantiser steps",
                       "%d, but super-resolution has no dequantiser", c->dequantiser_steps);
    return GB_OK;
}

static enum gb_status check_segmentation(const struct gb_cnf_config *c) {
    if (c->y_h != c->x_h || c->y_w != c->x_w)
        return gb_fail(GB_BAD_INPUT, what, "target size", "%dx%d is not the image's %dx%d", c->y_h,
                       c->y_w, c->x_h, c->x_w);
    if (c->rrdb_blocks > 0 || c->growth > 0)
        return gb_fail(GB_BAD_INPUT, what, "RRDB blocks",
                       "%d of growth %d, but segmentation has none", c->rrdb_blocks, c->growth);
    return GB_OK;
}

enum gb_status gb_cnf_check(const struct gb_cnf_config *config) {
    const struct gb_cnf_config c = *config;
    GB_TRY(gb_config_check(config, gb_cnf_fields, GB_CNF_FIELDS));
    int last_channels = c.y_c << (c.levels + 1);
    if (last_channels > MATRIX)
        return gb_fail(GB_BAD_INPUT, what, "y channels", "%d make %d at the last level, above %d",
                       c.y_c, last_channels, MATRIX);
    int multiple = 1 << c.levels;
    if (c.y_h % multiple || c.y_w % multiple)
        return gb_fail(GB_BAD_INPUT, what, "target size",
                       "%dx%d is not divisible by 2^levels = %d on both axes", c.y_h, c.y_w,
                       multiple);
    return c.kind == GB_CNF_SUPER_RESOLUTION ? check_super_resolution(&c) : check_segmentation(&c);
}

enum gb_status gb_cnf_config_to_metadata(const struct gb_cnf_config *config, json_t *metadata) {
    GB_TRY(gb_config_to_metadata(config, gb_cnf_fields, GB_CNF_FIELDS, "cnf", metadata));
    return gb_metadata_set_string(metadata, "kind", gb_cnf_kind_names[config->kind]);
}

enum gb_status gb_cnf_config_from_metadata(const json_t *metadata, const char *path,
                                           struct gb_cnf_config *config) {
    struct gb_cnf_config read = {0};
    int kind;
    GB_TRY(gb_config_from_metadata(metadata, path, "cnf", gb_cnf_fields, GB_CNF_FIELDS, &read));
    GB_TRY(gb_config_choice(metadata, path, "kind", gb_cnf_kind_names, &kind));
    read.kind = (enum gb_cnf_kind)kind;
    *config = read;
    return GB_OK;
}
