// SPDX-License-Identifier: MIT
#include <stddef.h>
#include <string.h>

#include "flows/cglow.h"
#include "flows/metadata.h"
#include "flows/safetensors.h"

const char *const gb_init_names[GB_INITS] = {"live", "published"};

// Configurations come from files too: the limits keep every product of sizes in range.
enum { SIDE = 1 << 14, CHANNELS = 1 << 16, MATRIX = 1 << 10 };

#define FIELD(field) offsetof(struct gb_cglow_config, field)

const struct gb_cglow_field gb_cglow_fields[GB_CGLOW_FIELDS] = {
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
    for (int i = 0; i < GB_CGLOW_FIELDS; i++) {
        const struct gb_cglow_field *field = &gb_cglow_fields[i];
        int value = *gb_cglow_number(&c, i);
        if (value < field->least || value > field->most)
            return gb_fail(GB_BAD_INPUT, what, field->name, "%d is not between %d and %d", value,
                           field->least, field->most);
    }
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
    struct gb_cglow_config c = *config;
    GB_TRY(gb_metadata_set_string(metadata, "model", "cglow"));
    for (int i = 0; i < GB_CGLOW_FIELDS; i++)
        GB_TRY(gb_metadata_set_integer(metadata, gb_cglow_fields[i].key,
                                       (uint64_t)*gb_cglow_number(&c, i)));
    return gb_metadata_set_string(metadata, "init", gb_init_names[config->init]);
}

enum gb_status gb_cglow_config_from_metadata(const json_t *metadata, const char *path,
                                             struct gb_cglow_config *config) {
    static const char what[] = "cannot read metadata";
    struct gb_cglow_config read = {.init = GB_INITS};
    const char *model, *init;
    char printable[GB_PRINTABLE];
    GB_TRY(gb_metadata_string(metadata, path, "model", &model));
    if (strcmp(model, "cglow") != 0)
        return gb_fail(GB_BAD_INPUT, what, path, "'model' is '%s', not 'cglow'",
                       gb_printable(model, printable));
    for (int i = 0; i < GB_CGLOW_FIELDS; i++) {
        const struct gb_cglow_field *field = &gb_cglow_fields[i];
        uint64_t value;
        GB_TRY(gb_metadata_integer(metadata, path, field->key, (uint64_t)field->least,
                                   (uint64_t)field->most, &value));
        *gb_cglow_number(&read, i) = (int)value;
    }
    GB_TRY(gb_metadata_string(metadata, path, "init", &init));
    for (int i = 0; i < GB_INITS; i++)
        if (strcmp(init, gb_init_names[i]) == 0)
            read.init = (enum gb_init)i;
    if (read.init == GB_INITS)
        return gb_fail(GB_BAD_INPUT, what, path, "'init' is '%s', neither '%s' nor '%s'",
                       gb_printable(init, printable), gb_init_names[GB_INIT_LIVE],
                       gb_init_names[GB_INIT_PUBLISHED]);
    *config = read;
    return GB_OK;
}
