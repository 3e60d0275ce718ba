// SPDX-License-Identifier: MIT
#include "flows/models/names.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool gb_name_is_weight_or_bias(const char *leaf) {
    return strcmp(leaf, "weight") == 0 || strcmp(leaf, "bias") == 0;
}

bool gb_name_word(const char **name, const char *word) {
    size_t length = strlen(word);
    if (strncmp(*name, word, length) != 0)
        return false;
    *name += length;
    return true;
}

bool gb_name_index(const char **name, int limit, int *index) {
    char *end;
    if (**name < '0' || **name > '9')
        return false;
    long value = strtol(*name, &end, 10);
    if (value >= limit || *end != '.')
        return false;
    *name = end + 1;
    *index = (int)value;
    return true;
}

void gb_name_published(const struct gb_name_pair *pairs, const char *prefix, const char *rest,
                       char published[static 96]) {
    for (; pairs->ours; pairs++) {
        const char *leaf = rest;
        if (!gb_name_word(&leaf, pairs->ours))
            continue;
        bool module = pairs->ours[strlen(pairs->ours) - 1] == '.';
        if (module ? gb_name_is_weight_or_bias(leaf) : !*leaf)
            snprintf(published, 96, "%s%s%s", prefix, pairs->theirs, leaf);
    }
}
