// SPDX-License-Identifier: MIT
#include "flows/models/config.h"

#include <string.h>

#include "flows/files/metadata.h"
#include "flows/files/safetensors.h"

static const char reading[] = "cannot read metadata";

enum gb_status gb_config_check(const void *config, const struct gb_config_field *fields,
                               int count) {
    for (int i = 0; i < count; i++) {
        const struct gb_config_field *field = &fields[i];
        int value = gb_config_number(config, field);
        if (value < field->least || value > field->most)
            return gb_fail(GB_BAD_INPUT, "unusable model configuration", field->name,
                           "%d is not between %d and %d", value, field->least, field->most);
    }
    return GB_OK;
}

enum gb_status gb_config_to_metadata(const void *config, const struct gb_config_field *fields,
                                     int count, const char *model, json_t *metadata) {
    GB_TRY(gb_metadata_set_string(metadata, "model", model));
    for (int i = 0; i < count; i++)
        GB_TRY(gb_metadata_set_integer(metadata, fields[i].key,
                                       (uint64_t)gb_config_number(config, &fields[i])));
    return GB_OK;
}

enum gb_status gb_config_from_metadata(const json_t *metadata, const char *path, const char *model,
                                       const struct gb_config_field *fields, int count,
                                       void *config) {
    const char *found;
    char printable[GB_PRINTABLE];
    GB_TRY(gb_metadata_string(metadata, path, "model", &found));
    if (strcmp(found, model) != 0)
        return gb_fail(GB_BAD_INPUT, reading, path, "'model' is '%s', not '%s'",
                       gb_printable(found, printable), model);
    for (int i = 0; i < count; i++) {
        uint64_t value;
        GB_TRY(gb_metadata_integer(metadata, path, fields[i].key, (uint64_t)fields[i].least,
                                   (uint64_t)fields[i].most, &value));
        *(int *)(void *)((char *)config + fields[i].offset) = (int)value;
    }
    return GB_OK;
}

enum gb_status gb_config_choice(const json_t *metadata, const char *path, const char *key,
                                const char *const names[2], int *index) {
    const char *text;
    char printable[GB_PRINTABLE];
    GB_TRY(gb_metadata_string(metadata, path, key, &text));
    for (*index = 0; *index < 2; ++*index)
        if (strcmp(text, names[*index]) == 0)
            return GB_OK;
    return gb_fail(GB_BAD_INPUT, reading, path, "'%s' is '%s', neither '%s' nor '%s'", key,
                   gb_printable(text, printable), names[0], names[1]);
}
