// SPDX-License-Identifier: MIT
// Values of a JSON object by key, with defaults for missing ones.
#ifndef GB_JSON_H
#define GB_JSON_H

#include <jansson.h>
#include <stdbool.h>
#include <string.h>

// "" if it is not a string.
static inline const char *gb_json_text(const json_t *object, const char *key) {
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}

static inline bool gb_json_is(const json_t *object, const char *key, const char *text) {
    return strcmp(gb_json_text(object, key), text) == 0;
}

// "unknown" if it is not a string, or empty.
static inline const char *gb_json_string_or_unknown(const json_t *object, const char *key) {
    const char *text = gb_json_text(object, key);
    return *text ? text : "unknown";
}

// 0 if it is not an integer.
static inline json_int_t gb_json_integer(const json_t *object, const char *key) {
    return json_integer_value(json_object_get(object, key));
}

// 0 if it is not a number.
static inline double gb_json_number(const json_t *object, const char *key) {
    return json_number_value(json_object_get(object, key));
}

#endif
