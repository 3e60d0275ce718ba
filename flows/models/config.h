// SPDX-License-Identifier: MIT
// A model's configuration as a table of its numbers and named choices, from which checks, files,
// records and the command line are derived.
#ifndef GB_CONFIG_H
#define GB_CONFIG_H

#include <jansson.h>
#include <stddef.h>

#include "base/status.h"

struct gb_config_field {
    const char *key, *name; // in files, "x_height"; in messages, "x height"
    size_t offset;          // of the int in the configuration
    int min, max;
    const char *help;         // of the option that sets it; NULL: it follows from the data
    const char *const *names; // of a choice: the names of 0 .. max; otherwise NULL
};

enum { GB_MAX_FIELDS = 32 };

// What every configuration begins with, and its fields. Configurations are also read from files:
// the limits keep every product of sizes in range.
struct gb_image_sizes {
    int x_h, x_w, x_c, y_h, y_w, y_c;
};
enum { GB_MAX_SIDE = 1 << 14, GB_MAX_CHANNELS = 1 << 12 };
#define GB_SIZE_FIELD(key, name, field, min, max)                                                  \
    { key, name, offsetof(struct gb_image_sizes, field), min, max, NULL, NULL }
#define GB_SIZE_FIELDS(min_x, min_y, max_y_c)                                                      \
    GB_SIZE_FIELD("x_height", "x height", x_h, min_x, GB_MAX_SIDE),                                \
        GB_SIZE_FIELD("x_width", "x width", x_w, min_x, GB_MAX_SIDE),                              \
        GB_SIZE_FIELD("x_channels", "x channels", x_c, 1, GB_MAX_CHANNELS),                        \
        GB_SIZE_FIELD("y_height", "y height", y_h, min_y, GB_MAX_SIDE),                            \
        GB_SIZE_FIELD("y_width", "y width", y_w, min_y, GB_MAX_SIDE),                              \
        GB_SIZE_FIELD("y_channels", "y channels", y_c, 1, max_y_c)

struct gb_config_table {
    const char *model; // the configuration's name in files, under "model"
    const struct gb_config_field *fields;
    int count; // at most GB_MAX_FIELDS
};

static inline int gb_config_number(const void *config, const struct gb_config_field *field) {
    return *(const int *)(const void *)((const char *)config + field->offset);
}

static inline void gb_config_set(void *config, const struct gb_config_field *field, int value) {
    *(int *)(void *)((char *)config + field->offset) = value;
}

// The field with this key, or NULL.
const struct gb_config_field *gb_config_find(const struct gb_config_table *table, const char *key);

extern const char gb_unusable_config[]; // what failed, for gb_fail
// GB_BAD_INPUT if a number is out of range.
enum gb_status gb_config_check(const void *config, const struct gb_config_table *table);

// GB_BAD_INPUT unless y has x's height and width.
enum gb_status gb_config_check_same_size(const struct gb_image_sizes *sizes);

// The configuration as strings of a tensor file's metadata: "model" and every field, a choice by
// its name.
enum gb_status gb_config_to_metadata(const void *config, const struct gb_config_table *table,
                                     json_t *metadata);
// GB_BAD_INPUT if "model" is another, or a field is missing or out of range; `path` is the file in
// messages. Fields are checked one by one, not together. *config is unchanged on failure.
enum gb_status gb_config_from_metadata(const json_t *metadata, const char *path,
                                       const struct gb_config_table *table, void *config);
// Adds every field to a JSON object: a number, or a choice's name. Non-zero without memory.
int gb_config_to_json(const void *config, const struct gb_config_table *table, json_t *json);

#endif
