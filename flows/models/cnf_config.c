// SPDX-License-Identifier: MIT
#include <stddef.h>

#include "flows/models/cnf.h"
#include "flows/models/latents.h"

const char *const gb_cnf_kind_names[GB_CNF_KINDS] = {"super-resolution", "segmentation"};

// Configurations come from files too: the limits keep every product of sizes in range.
enum { SIDE = 1 << 14, CHANNELS = 1 << 12 };

#define FIELD(field) offsetof(struct gb_cnf_config, field)

static const struct gb_config_field fields[] = {
    {"x_height", "x height", FIELD(x_h), 1, SIDE, NULL, NULL},
    {"x_width", "x width", FIELD(x_w), 1, SIDE, NULL, NULL},
    {"x_channels", "x channels", FIELD(x_c), 1, CHANNELS, NULL, NULL},
    {"y_height", "y height", FIELD(y_h), 2, SIDE, NULL, NULL},
    {"y_width", "y width", FIELD(y_w), 2, SIDE, NULL, NULL},
    {"y_channels", "y channels", FIELD(y_c), 1, GB_MAX_MATRIX / 4, NULL, NULL},
    {"levels", "levels", FIELD(levels), 1, GB_MAX_LEVELS, "levels", NULL},
    {"steps", "steps", FIELD(steps), 1, 1024, "steps of a level", NULL},
    {"condition_channels", "condition channels", FIELD(condition_channels), 1, CHANNELS,
     "channels of the features", NULL},
    {"coupling_channels", "coupling channels", FIELD(coupling_channels), 1, CHANNELS,
     "width of the couplings", NULL},
    {"rrdb_blocks", "RRDB blocks", FIELD(rrdb_blocks), 0, 1024, "RRDB blocks of the features",
     NULL},
    {"growth", "growth", FIELD(growth), 0, CHANNELS, "growth of the dense blocks", NULL},
    {"dequantiser_steps", "dequantiser steps", FIELD(dequantiser_steps), 0, 1024,
     "steps of the dequantiser", NULL},
    {"kind", "kind", FIELD(kind), 0, GB_CNF_KINDS - 1, NULL, gb_cnf_kind_names},
};

const struct gb_config_table gb_cnf_table = {"cnf", fields, sizeof fields / sizeof *fields};

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

enum gb_status gb_cnf_check(const void *config) {
    const struct gb_cnf_config c = *(const struct gb_cnf_config *)config;
    GB_TRY(gb_config_check(config, &gb_cnf_table));
    GB_TRY(gb_levels_check(c.levels, c.y_h, c.y_w, c.y_c));
    return c.kind == GB_CNF_SUPER_RESOLUTION ? check_super_resolution(&c) : check_segmentation(&c);
}
