// SPDX-License-Identifier: MIT
#ifndef GB_GROW_H
#define GB_GROW_H

#include <stddef.h>

// A list of `count` elements of `size` bytes, with one more, zeroed. Capacities are powers of two,
// so that a list with a power of two elements is full. NULL without memory; the list is then
// unchanged.
void *gb_grow(void *list, size_t count, size_t size);

#endif
