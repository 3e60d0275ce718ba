// SPDX-License-Identifier: MIT
#include <stddef.h>

#include "flows/files/metadata.h"
#include "flows/models/cglow.h"

const char *const gb_init_names[GB_INITS] = {"live", "published"};

// Configurations come from files too: the limits keep every product of sizes in range.
enum { SIDE = 1 << 14, CHANNELS = 1 << 16, MATRIX = 1 << 10 };

#define FIELD(field) offsetof(struct gb_cglow_config, field)

const struct gb_config_field gb_cglow_fields[GB_CGLOW_FIELDS] = {
    {"x_height", "x height", FIELD(x_h), 8, SIDE},
    {"x_width", "x width", FIELD(x_w), 8, SIDE},
    {"x_channels", "x channels", FIELD(x_c), 1, CHANNELS},
    {"y_height", "y height", FIELD(y_h), 2, SIDE},
    {"y_width", "y width", FIELD(y_w), 2, SIDE},
    {"y_channels", "y channels", FIELD(y_c), 1, MATRIX / 4},
    {"levels", "levels", FIELD(levels), 1, GB_MAX_LEVELS},
    {"steps", "steps", FIELD(steps), 1, 1024},
    {"n_c", "n_c", FIELD(n_c), 1, CHANNELS},
    {"n_w", "n_w", FIELD(n_w), 1, CHANNELS},
    {"coupling_channels", "coupling channels", FIELD(coupling_channels), 1, CHANNELS},
    {"feature_channels", "feature channels", FIELD(feature_channels), 1, CHANNELS},
};

enum gb_status gb_cglow_check(const struct gb_cglow_config *config) {
    static const char what[] = "unusable model configuration";
    struct gb_cglow_config c = *config;
    GB_TRY(gb_config_check(config, gb_cglow_fields, GB_CGLOW_FIELDS));
    int last_channels = c.y_c << (c.levels + 1);
    if (last_channels > MATRIX)
        return gb_fail(GB_BAD_INPUT, what, "y channels", "%d make %d at the last level, above %d",
                       c.y_c, last_channels, MATRIX);
    int multiple = 1 << c.levels;
    if (c.y_h % multiple || c.y_w % multiple)
        return gb_fail(GB_BAD_INPUT, what, "target size",
                       "%dx%d is not divisible by 2^levels = %d on both axes", c.y_h, c.y_w,
                       multiple);
    if (c.y_h / 2 > c.x_h || c.y_w / 2 > c.x_w)
        return gb_fail(GB_BAD_INPUT, what, "image size",
                       "%dx%d is smaller than the first level's %dx%d", c.x_h, c.x_w, c.y_h / 2,
                       c.y_w / 2);
    return GB_OK;
}

enum gb_status gb_cglow_config_to_metadata(const struct gb_cglow_config *config, json_t *metadata) {
    GB_TRY(gb_config_to_metadata(config, gb_cglow_fields, GB_CGLOW_FIELDS, "cglow", metadata));
    return gb_metadata_set_string(metadata, "init", gb_init_names[config->init]);
}

enum gb_status gb_cglow_config_from_metadata(const json_t *metadata, const char *path,
                                             struct gb_cglow_config *config) {
    struct gb_cglow_config read = {0};
    int init;
    GB_TRY(
        gb_config_from_metadata(metadata, path, "cglow", gb_cglow_fields, GB_CGLOW_FIELDS, &read));
    GB_TRY(gb_config_choice(metadata, path, "init", gb_init_names, &init));
    read.init = (enum gb_init)init;
    *config = read;
    return GB_OK;
}
