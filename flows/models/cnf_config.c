// SPDX-License-Identifier: MIT
#include <stddef.h>

#include "flows/models/cnf.h"
#include "flows/models/latents.h"

const char *const gb_cnf_kind_names[GB_CNF_KINDS] = {"super-resolution", "segmentation"};

#define FIELD(field) offsetof(struct gb_cnf_config, field)

static const struct gb_config_field fields[] = {
    GB_SIZE_FIELDS(1, 2, GB_MAX_MATRIX / 4),
    {"levels", "levels", FIELD(levels), 1, GB_MAX_LEVELS, "levels", NULL},
    {"steps", "steps", FIELD(steps), 1, 1024, "steps of a level", NULL},
    {"condition_channels", "condition channels", FIELD(condition_channels), 1, GB_MAX_CHANNELS,
     "channels of the features", NULL},
    {"coupling_channels", "coupling channels", FIELD(coupling_channels), 1, GB_MAX_CHANNELS,
     "width of the couplings", NULL},
    {"rrdb_blocks", "RRDB blocks", FIELD(rrdb_blocks), 0, 1024, "RRDB blocks of the features",
     NULL},
    {"growth", "growth", FIELD(growth), 0, GB_MAX_CHANNELS, "growth of the dense blocks", NULL},
    {"dequantiser_steps", "dequantiser steps", FIELD(dequantiser_steps), 0, 1024,
     "steps of the dequantiser", NULL},
    {"kind", "kind", FIELD(kind), 0, GB_CNF_KINDS - 1, NULL, gb_cnf_kind_names},
};

const struct gb_config_table gb_cnf_table = {"cnf", fields, sizeof fields / sizeof *fields};

enum gb_status gb_check_super_resolution(const struct gb_image_sizes *s, int rrdb_blocks,
                                         int growth) {
    if (s->y_h != 2 * s->x_h || s->y_w != 2 * s->x_w)
        return gb_fail(GB_BAD_INPUT, gb_unusable_config, "target size",
                       "%dx%d is not twice the image's %dx%d", s->y_h, s->y_w, s->x_h, s->x_w);
    if (rrdb_blocks < 1 || growth < 1)
        return gb_fail(GB_BAD_INPUT, gb_unusable_config, "RRDB blocks",
                       "%d of growth %d do not make a feature network", rrdb_blocks, growth);
    return GB_OK;
}

static enum gb_status check_super_resolution(const struct gb_cnf_config *c) {
    GB_TRY(gb_check_super_resolution(&c->sizes, c->rrdb_blocks, c->growth));
    if (c->dequantiser_steps > 0)
        return gb_fail(GB_BAD_INPUT, gb_unusable_config, "dequantiser steps",
                       "%d, but super-resolution has no dequantiser", c->dequantiser_steps);
    return GB_OK;
}

static enum gb_status check_segmentation(const struct gb_cnf_config *c) {
    GB_TRY(gb_config_check_same_size(&c->sizes));
    if (c->rrdb_blocks > 0 || c->growth > 0)
        return gb_fail(GB_BAD_INPUT, gb_unusable_config, "RRDB blocks",
                       "%d of growth %d, but segmentation has none", c->rrdb_blocks, c->growth);
    return GB_OK;
}

enum gb_status gb_cnf_check(const void *config) {
    const struct gb_cnf_config c = *(const struct gb_cnf_config *)config;
    GB_TRY(gb_config_check(config, &gb_cnf_table));
    GB_TRY(gb_levels_check(c.levels, c.sizes.y_h, c.sizes.y_w, c.sizes.y_c));
    return c.kind == GB_CNF_SUPER_RESOLUTION ? check_super_resolution(&c) : check_segmentation(&c);
}
