// SPDX-License-Identifier: MIT
#ifndef GB_GROW_H
#define GB_GROW_H

#include <stddef.h>

// The list of `count` elements of `size` bytes with room for one more, zeroed. Lists grow by
// doubling: one whose count is a power of two is taken for full. NULL without memory; the list is
// then as it was.
void *gb_grow(void *list, size_t count, size_t size);

#endif
