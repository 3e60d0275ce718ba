// SPDX-License-Identifier: MIT
#include <stddef.h>

#include "flows/models/cglow.h"
#include "flows/models/latents.h"

static const char *const init_names[GB_CGLOW_INITS] = {"live", "published"};

enum { CHANNELS = 1 << 16 };

#define FIELD(field) offsetof(struct gb_cglow_config, field)

static const struct gb_config_field fields[] = {
    GB_SIZE_FIELDS(8, 2, GB_MAX_MATRIX / 4),
    {"levels", "levels", FIELD(levels), 1, GB_MAX_LEVELS, "levels", NULL},
    {"steps", "steps", FIELD(steps), 1, 1024, "steps of a level", NULL},
    {"n_c", "n_c", FIELD(n_c), 1, CHANNELS, "channels of the conditioning networks", NULL},
    {"n_w", "n_w", FIELD(n_w), 1, CHANNELS, "width of the conditioning networks' FC layers", NULL},
    {"coupling_channels", "coupling channels", FIELD(coupling_channels), 1, CHANNELS,
     "width of the couplings", NULL},
    {"feature_channels", "feature channels", FIELD(feature_channels), 1, CHANNELS,
     "width of the couplings' x path", NULL},
    {"init", "init", FIELD(init), 0, GB_CGLOW_INITS - 1, "initialisation of the parameters",
     init_names},
};

const struct gb_config_table gb_cglow_table = {"cglow", fields, sizeof fields / sizeof *fields};

enum gb_status gb_cglow_check(const void *config) {
    const struct gb_cglow_config c = *(const struct gb_cglow_config *)config;
    GB_TRY(gb_config_check(config, &gb_cglow_table));
    GB_TRY(gb_levels_check(c.levels, c.sizes.y_h, c.sizes.y_w, c.sizes.y_c));
    if (c.sizes.y_h / 2 > c.sizes.x_h || c.sizes.y_w / 2 > c.sizes.x_w)
        return gb_fail(GB_BAD_INPUT, gb_unusable_config, "image size",
                       "%dx%d is smaller than the first level's %dx%d", c.sizes.x_h, c.sizes.x_w,
                       c.sizes.y_h / 2, c.sizes.y_w / 2);
    return GB_OK;
}
