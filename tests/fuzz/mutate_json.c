// SPDX-License-Identifier: MIT
// Bytes changed at random seldom leave a JSON text that parses; values changed in its tree always
// do.
#include "tests/fuzz/fuzz.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static unsigned next(unsigned *state, unsigned below) {
    *state = *state * 1664525u + 1013904223u;
    return (unsigned)((uint64_t)(*state >> 8) * below >> 24);
}

// A value within an array or an object.
struct place {
    json_t *container;
    const char *key; // of an object
    size_t index;    // in an array
    json_t *value;
};

// Visits the values below `json`, and leaves in *chosen one of them, each as likely as the others.
static void choose(json_t *json, unsigned *state, unsigned *seen, struct place *chosen) {
    const char *key;
    size_t i;
    json_t *value;
    json_array_foreach(json, i, value) {
        if (next(state, ++*seen) == 0)
            *chosen = (struct place){json, NULL, i, value};
        choose(value, state, seen, chosen);
    }
    json_object_foreach(json, key, value) {
        if (next(state, ++*seen) == 0)
            *chosen = (struct place){json, key, 0, value};
        choose(value, state, seen, chosen);
    }
}

static json_t *make_value(unsigned *state) {
    static const json_int_t integers[] = {0,         1,          -1,         2,         255,
                                          INT32_MAX, INT32_MIN,  UINT32_MAX, INT64_MAX, INT64_MIN,
                                          17,        1000000000, 160};
    static const double reals[] = {0.5, -0.0, 1e308, -1e308, 5e-324, 1e-300, 1e19, 1e300, 3.7};
    static const char *const texts[] = {"", "x", "%s%n", "../..", "<&>\"'|`", "\xc3\xa9", "0"};
    char text[400];
    switch (next(state, 8)) {
    case 0:
        return json_null();
    case 1:
        return json_boolean(next(state, 2));
    case 2:
        return next(state, 2) ? json_array() : json_object();
    case 3:
        return json_string(texts[next(state, sizeof texts / sizeof *texts)]);
    case 4: { // longer than any field
        const size_t length = next(state, sizeof text);
        memset(text, 'a' + (int)next(state, 26), length);
        return json_stringn(text, length);
    }
    case 5:
        return json_real(reals[next(state, sizeof reals / sizeof *reals)]);
    case 6:
        return json_integer((json_int_t)next(state, 1000) - 200);
    default:
        return json_integer(integers[next(state, sizeof integers / sizeof *integers)]);
    }
}

static void change(json_t *root, unsigned *state) {
    struct place to = {0}, from = {0};
    unsigned seen = 0;
    choose(root, state, &seen, &to);
    if (!to.container)
        return;
    seen = 0;
    choose(root, state, &seen, &from);
    const unsigned kind = next(state, 8);
    if (kind == 0) { // left out
        if (to.key)
            json_object_del(to.container, to.key);
        else
            json_array_remove(to.container, to.index);
    } else if (kind == 1 && !to.key) { // once more
        json_array_insert_new(to.container, to.index, json_deep_copy(to.value));
    } else {
        json_t *value = kind <= 3 ? json_deep_copy(from.value) : make_value(state);
        if (to.key)
            json_object_set_new(to.container, to.key, value);
        else
            json_array_set_new(to.container, to.index, value);
    }
}

struct part {
    size_t begin, end;
};

// The header of a safetensors file, behind its length; else the part around a random place that
// separators bound.
static struct part find_part(const uint8_t *bytes, size_t size, unsigned *state) {
    uint64_t length;
    if (size > sizeof length && bytes[sizeof length] == '{') {
        memcpy(&length, bytes, sizeof length);
        if (length <= size - sizeof length)
            return (struct part){sizeof length, sizeof length + (size_t)length};
    }
    const bool lines = next(state, 2);
    const size_t at = next(state, (unsigned)size);
    struct part part = {at, at};
    while (part.begin > 0 && bytes[part.begin - 1] != '\f' &&
           !(lines && bytes[part.begin - 1] == '\n'))
        part.begin--;
    while (part.end < size && bytes[part.end] != '\f' && !(lines && bytes[part.end] == '\n'))
        part.end++;
    return part;
}

size_t gb_fuzz_mutate_json(uint8_t *bytes, size_t size, size_t max_size, unsigned seed) {
    if (size == 0)
        return 0;
    const struct part part = find_part(bytes, size, &seed);
    const size_t rest = size - (part.end - part.begin);
    json_t *root = json_loadb((const char *)bytes + part.begin, part.end - part.begin, 0, NULL);
    for (unsigned changes = 1 + next(&seed, 3); root && changes > 0; changes--)
        change(root, &seed);
    char *text = root ? json_dumps(root, JSON_COMPACT) : NULL;
    const uint64_t length = text ? strlen(text) : 0;
    const bool fits = text && rest + length <= max_size;
    if (fits) {
        memmove(bytes + part.begin + length, bytes + part.end, size - part.end);
        memcpy(bytes + part.begin, text, length);
        if (part.begin == sizeof length && bytes[sizeof length] == '{')
            memcpy(bytes, &length, sizeof length);
    }
    free(text);
    json_decref(root);
    return fits ? rest + length : 0;
}
