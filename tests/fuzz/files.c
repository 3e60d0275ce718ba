// SPDX-License-Identifier: MIT
#include "tests/fuzz/fuzz.h"

#include <string.h>

const char *gb_fuzz_file(const char *name, const void *bytes, size_t size) {
    gb_fixture_file(name, bytes, size);
    return gb_fixture_path(name);
}

struct gb_fuzz_input gb_fuzz_part(struct gb_fuzz_input *rest) {
    struct gb_fuzz_input part = *rest;
    const uint8_t *end = part.size ? memchr(part.bytes, '\f', part.size) : NULL;
    if (end)
        part.size = (size_t)(end - part.bytes);
    const size_t taken = part.size + (end != NULL);
    *rest = (struct gb_fuzz_input){rest->bytes + taken, rest->size - taken};
    return part;
}

const char *gb_fuzz_part_file(const char *name, struct gb_fuzz_input *rest) {
    const struct gb_fuzz_input part = gb_fuzz_part(rest);
    return gb_fuzz_file(name, part.bytes, part.size);
}
