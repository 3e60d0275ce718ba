// SPDX-License-Identifier: MIT
// From this project's parameter names to the module paths of the papers' authors' code.
#ifndef GB_NAMES_H
#define GB_NAMES_H

#include <stdbool.h>

// Ours, theirs; one that ends in a dot is a module with a weight and a bias. Lists end in a row of
// NULLs.
struct gb_name_pair {
    const char *ours, *theirs;
};

// Writes `prefix` and the counterpart of `rest`, if the list has one; else leaves `published`.
void gb_name_published(const struct gb_name_pair *pairs, const char *prefix, const char *rest,
                       char published[static 96]);

bool gb_name_is_weight_or_bias(const char *leaf);

// Moves past `word`, if it comes next.
bool gb_name_word(const char **name, const char *word);

// Moves past a decimal index below `limit` and its dot.
bool gb_name_index(const char **name, int limit, int *index);

#endif
