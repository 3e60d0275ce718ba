// SPDX-License-Identifier: MIT
// A split's list, and the indices of its names in a directory.
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>

#include "tasks/data/lists.h"

void gb_fuzz_list(const uint8_t *bytes, size_t size) {
    static char *names[] = {"a.png", "b.png", "horse001.jpg"};
    enum { NAMES = sizeof names / sizeof *names };
    const struct gb_list held = {.count = NAMES, .names = names};
    const char *path = gb_fuzz_file("list.txt", bytes, size);
    struct gb_list list;
    if (gb_list_read(path, &list) != GB_OK)
        return;
    bool taken[NAMES] = {false};
    int *indices = calloc((size_t)list.count, sizeof *indices);
    if (indices)
        gb_list_indices(&list, path, &held, "directory", taken, indices);
    free(indices);
    gb_list_free(&list);
}
