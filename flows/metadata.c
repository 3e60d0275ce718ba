// SPDX-License-Identifier: MIT
#include "flows/metadata.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "flows/safetensors.h"

static const char reading[] = "read metadata";

enum gb_status gb_metadata_string(const json_t *metadata, const char *path, const char *key,
                                  const char **text) {
    const json_t *value = json_object_get(metadata, key);
    if (!value)
        return gb_fail(GB_BAD_INPUT, reading, path, "there is no '%s'", key);
    *text = json_string_value(value);
    if (!*text)
        return gb_fail(GB_BAD_INPUT, reading, path, "'%s' is not a string", key);
    return GB_OK;
}

// Digits alone, without the signs, spaces and overflow that strtoull lets pass.
static bool parse_decimal(const char *text, uint64_t *value) {
    *value = 0;
    const char *digit = text;
    for (; *digit >= '0' && *digit <= '9'; digit++)
        if (__builtin_mul_overflow(*value, 10, value) ||
            __builtin_add_overflow(*value, (uint64_t)(*digit - '0'), value))
            return false;
    return digit != text && !*digit;
}

enum gb_status gb_metadata_integer(const json_t *metadata, const char *path, const char *key,
                                   uint64_t low, uint64_t high, uint64_t *value) {
    const char *text;
    GB_TRY(gb_metadata_string(metadata, path, key, &text));
    if (!parse_decimal(text, value) || *value < low || *value > high) {
        char printable[GB_PRINTABLE];
        return gb_fail(GB_BAD_INPUT, reading, path,
                       "'%s' is '%s', not a whole number from %" PRIu64 " to %" PRIu64, key,
                       gb_printable(text, printable), low, high);
    }
    return GB_OK;
}

enum gb_status gb_metadata_set_string(json_t *metadata, const char *key, const char *text) {
    if (json_object_set_new(metadata, key, json_string(text)) != 0)
        return gb_fail(GB_OUT_OF_MEMORY, "write metadata", key, "out of memory");
    return GB_OK;
}

enum gb_status gb_metadata_set_integer(json_t *metadata, const char *key, uint64_t value) {
    char text[24];
    snprintf(text, sizeof text, "%" PRIu64, value);
    return gb_metadata_set_string(metadata, key, text);
}

enum { CONFIG_NUMBERS = 12, CONFIG_LIMIT = 1 << 20 };

static const char *const config_keys[CONFIG_NUMBERS] = {
    "x_height", "x_width", "x_channels", "y_height", "y_width",           "y_channels",
    "levels",   "steps",   "n_c",        "n_w",      "coupling_channels", "feature_channels",
};
static const char *const inits[] = {[GB_INIT_LIVE] = "live", [GB_INIT_PUBLISHED] = "published"};

enum gb_status gb_cglow_config_to_metadata(const struct gb_cglow_config *config, json_t *metadata) {
    const int numbers[CONFIG_NUMBERS] = {
        config->x_h,
        config->x_w,
        config->x_c,
        config->y_h,
        config->y_w,
        config->y_c,
        config->levels,
        config->steps,
        config->n_c,
        config->n_w,
        config->coupling_channels,
        config->feature_channels,
    };
    GB_TRY(gb_metadata_set_string(metadata, "model", "cglow"));
    for (int i = 0; i < CONFIG_NUMBERS; i++)
        GB_TRY(gb_metadata_set_integer(metadata, config_keys[i], (uint64_t)numbers[i]));
    return gb_metadata_set_string(metadata, "init", inits[config->init]);
}

enum gb_status gb_cglow_config_from_metadata(const json_t *metadata, const char *path,
                                             struct gb_cglow_config *config) {
    const char *model, *init;
    char printable[GB_PRINTABLE];
    GB_TRY(gb_metadata_string(metadata, path, "model", &model));
    if (strcmp(model, "cglow") != 0)
        return gb_fail(GB_BAD_INPUT, reading, path, "'model' is '%s', not 'cglow'",
                       gb_printable(model, printable));
    struct gb_cglow_config read;
    int *const numbers[CONFIG_NUMBERS] = {
        &read.x_h,
        &read.x_w,
        &read.x_c,
        &read.y_h,
        &read.y_w,
        &read.y_c,
        &read.levels,
        &read.steps,
        &read.n_c,
        &read.n_w,
        &read.coupling_channels,
        &read.feature_channels,
    };
    for (int i = 0; i < CONFIG_NUMBERS; i++) {
        uint64_t value;
        GB_TRY(gb_metadata_integer(metadata, path, config_keys[i], 1, CONFIG_LIMIT, &value));
        *numbers[i] = (int)value;
    }
    GB_TRY(gb_metadata_string(metadata, path, "init", &init));
    if (strcmp(init, inits[GB_INIT_LIVE]) == 0)
        read.init = GB_INIT_LIVE;
    else if (strcmp(init, inits[GB_INIT_PUBLISHED]) == 0)
        read.init = GB_INIT_PUBLISHED;
    else
        return gb_fail(GB_BAD_INPUT, reading, path,
                       "'init' is '%s', neither 'live' nor 'published'",
                       gb_printable(init, printable));
    *config = read;
    return GB_OK;
}
