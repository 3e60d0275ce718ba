// SPDX-License-Identifier: MIT
#include "flows/models/config.h"

#include <string.h>

#include "flows/files/metadata.h"
#include "flows/files/safetensors.h"

const char gb_unusable_config[] = "unusable model configuration";
static const char reading[] = "cannot read metadata";

const struct gb_config_field *gb_config_find(const struct gb_config_table *table, const char *key) {
    for (int i = 0; i < table->count; i++)
        if (strcmp(table->fields[i].key, key) == 0)
            return &table->fields[i];
    return NULL;
}

enum gb_status gb_config_check(const void *config, const struct gb_config_table *table) {
    for (int i = 0; i < table->count; i++) {
        const struct gb_config_field *field = &table->fields[i];
        int value = gb_config_number(config, field);
        if (value < field->min || value > field->max)
            return gb_fail(GB_BAD_INPUT, gb_unusable_config, field->name,
                           "%d is not between %d and %d", value, field->min, field->max);
    }
    return GB_OK;
}

enum gb_status gb_config_check_same_size(const struct gb_image_sizes *sizes) {
    if (sizes->x_h == sizes->y_h && sizes->x_w == sizes->y_w)
        return GB_OK;
    return gb_fail(GB_BAD_INPUT, gb_unusable_config, "target size",
                   "%dx%d is not the image's %dx%d", sizes->y_h, sizes->y_w, sizes->x_h,
                   sizes->x_w);
}

enum gb_status gb_config_to_metadata(const void *config, const struct gb_config_table *table,
                                     json_t *metadata) {
    GB_TRY(gb_metadata_set_string(metadata, "model", table->model));
    for (int i = 0; i < table->count; i++) {
        const struct gb_config_field *field = &table->fields[i];
        int value = gb_config_number(config, field);
        if (field->names)
            GB_TRY(gb_metadata_set_string(metadata, field->key, field->names[value]));
        else
            GB_TRY(gb_metadata_set_integer(metadata, field->key, (uint64_t)value));
    }
    return GB_OK;
}

static enum gb_status read_field(const json_t *metadata, const char *path,
                                 const struct gb_config_field *field, int *value) {
    uint64_t number;
    const char *text;
    if (!field->names) {
        GB_TRY(gb_metadata_integer(metadata, path, field->key, (uint64_t)field->min,
                                   (uint64_t)field->max, &number));
        *value = (int)number;
        return GB_OK;
    }
    GB_TRY(gb_metadata_string(metadata, path, field->key, &text));
    for (*value = 0; *value <= field->max; ++*value)
        if (strcmp(text, field->names[*value]) == 0)
            return GB_OK;
    return gb_fail(GB_BAD_INPUT, reading, path, "'%s' is '%.96s', an unknown value", field->key,
                   text);
}

enum gb_status gb_config_from_metadata(const json_t *metadata, const char *path,
                                       const struct gb_config_table *table, void *config) {
    const char *found;
    int values[GB_MAX_FIELDS];
    GB_TRY(gb_metadata_string(metadata, path, "model", &found));
    if (strcmp(found, table->model) != 0)
        return gb_fail(GB_BAD_INPUT, reading, path, "'model' is '%.96s', not '%s'", found,
                       table->model);
    for (int i = 0; i < table->count; i++)
        GB_TRY(read_field(metadata, path, &table->fields[i], &values[i]));
    for (int i = 0; i < table->count; i++)
        gb_config_set(config, &table->fields[i], values[i]);
    return GB_OK;
}

int gb_config_to_json(const void *config, const struct gb_config_table *table, json_t *json) {
    int failed = 0;
    for (int i = 0; i < table->count; i++) {
        const struct gb_config_field *field = &table->fields[i];
        int value = gb_config_number(config, field);
        json_t *entry = field->names ? json_string(field->names[value]) : json_integer(value);
        failed |= json_object_set_new(json, field->key, entry);
    }
    return failed;
}
