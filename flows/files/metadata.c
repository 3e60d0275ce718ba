// SPDX-License-Identifier: MIT
#include "flows/files/metadata.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>

#include "base/utf8.h"
#include "flows/files/safetensors.h"

static const char reading[] = "cannot read metadata";

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
        return gb_fail(GB_BAD_INPUT, reading, path,
                       "'%s' is '%.96s', not an integer from %" PRIu64 " to %" PRIu64, key, text,
                       low, high);
    }
    return GB_OK;
}

enum gb_status gb_metadata_set_string(json_t *metadata, const char *key, const char *text) {
    if (!gb_is_utf8(text))
        return gb_fail(GB_BAD_INPUT, "cannot write metadata", key, "the value is not UTF-8");
    if (json_object_set_new(metadata, key, json_string(text)) != 0)
        return gb_no_memory("cannot write metadata", key);
    return GB_OK;
}

enum gb_status gb_metadata_set_integer(json_t *metadata, const char *key, uint64_t value) {
    char text[24];
    snprintf(text, sizeof text, "%" PRIu64, value);
    return gb_metadata_set_string(metadata, key, text);
}
