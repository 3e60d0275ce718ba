// SPDX-License-Identifier: MIT
// Values of a JSON object by key, with defaults for missing ones; values added where memory may run
// out.
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

// Adds a new value, which is the array's or object's then. Where memory runs out, the value is
// NULL or the array is already, the array is released and NULL, so that one test after the last
// value is enough.
static inline void gb_json_append(json_t **array, json_t *value) {
    if (json_array_append_new(*array, value) != 0) {
        json_decref(*array);
        *array = NULL;
    }
}
static inline void gb_json_put(json_t **object, const char *key, json_t *value) {
    if (json_object_set_new(*object, key, value) != 0) {
        json_decref(*object);
        *object = NULL;
    }
}

// A copy that shares the object's values, a new reference; NULL where memory runs out, in which
// case json_copy leaves members out.
static inline json_t *gb_json_copy(const json_t *object) {
    json_t *copy = json_copy((json_t *)object);
    if (json_object_size(copy) == json_object_size(object))
        return copy;
    json_decref(copy);
    return NULL;
}

#endif
