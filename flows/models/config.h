// SPDX-License-Identifier: MIT
// A model's configuration as a table: the one list of its numbers for checks, files and records, and
// its choices among names.
#ifndef GB_CONFIG_H
#define GB_CONFIG_H

#include <jansson.h>
#include <stddef.h>

#include "kernels/status.h"

struct gb_config_field {
    const char *key, *name; // in files, "x_height"; in messages, "x height"
    size_t offset;          // of the int in the configuration
    int least, most;
};

static inline int gb_config_number(const void *config, const struct gb_config_field *field) {
    return *(const int *)(const void *)((const char *)config + field->offset);
}

// GB_BAD_INPUT where a number is out of its range.
enum gb_status gb_config_check(const void *config, const struct gb_config_field *fields, int count);

// Sets "model" and every field.
enum gb_status gb_config_to_metadata(const void *config, const struct gb_config_field *fields,
                                     int count, const char *model, json_t *metadata);
// GB_BAD_INPUT where "model" is another, or a field is missing or out of its range; `path` names the
// file in messages. Fields read so far are set then.
enum gb_status gb_config_from_metadata(const json_t *metadata, const char *path, const char *model,
                                       const struct gb_config_field *fields, int count,
                                       void *config);
// The index of the text under `key` in a list of two names. GB_BAD_INPUT where it is neither.
enum gb_status gb_config_choice(const json_t *metadata, const char *path, const char *key,
                                const char *const names[2], int *index);

#endif
