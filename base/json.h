// SPDX-License-Identifier: MIT
// What stands under a key of a JSON object whose shape was checked, or where a lack does not
// matter.
#ifndef GB_JSON_H
#define GB_JSON_H

#include <jansson.h>
#include <stdbool.h>
#include <string.h>

// "" where there is no text.
static inline const char *gb_json_text(const json_t *object, const char *key) {
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}

static inline bool gb_json_is(const json_t *object, const char *key, const char *text) {
    return strcmp(gb_json_text(object, key), text) == 0;
}

// For people: "unknown" where there is no text, or an empty one.
static inline const char *gb_json_string_or_unknown(const json_t *object, const char *key) {
    const char *text = gb_json_text(object, key);
    return *text ? text : "unknown";
}

// 0 where there is no integer.
static inline json_int_t gb_json_integer(const json_t *object, const char *key) {
    return json_integer_value(json_object_get(object, key));
}

// 0 where there is no number.
static inline double gb_json_number(const json_t *object, const char *key) {
    return json_number_value(json_object_get(object, key));
}

#endif
