// SPDX-License-Identifier: MIT
// Planned memory: a planning pass allocates from an arena without memory, which adds up the size;
// the same code, run again once the block is reserved, gets the addresses. Nothing is allocated
// after that.
#ifndef GB_ARENA_H
#define GB_ARENA_H

#include <stddef.h>

#include "base/status.h"

struct gb_arena {
    char *base;         // NULL while planning
    size_t used, bytes; // high-water mark so far, capacity
};

// The next `bytes` bytes, 64-byte aligned; contents undefined (zero right after gb_arena_reserve).
// NULL while planning.
void *gb_arena_alloc(struct gb_arena *arena, size_t bytes);
// The same for arrays of `count` elements.
float *gb_arena_floats(struct gb_arena *arena, size_t count);
double *gb_arena_doubles(struct gb_arena *arena, size_t count);

// Ends planning: allocates what was asked for, zeroed, and rewinds. `what` is for the message of
// GB_OUT_OF_MEMORY.
enum gb_status gb_arena_reserve(struct gb_arena *arena, const char *what);

// A zeroed block of `count` floats for long streams, on huge pages where the system has them
// (otherwise each 4 KiB of a model's parameters costs a TLB miss). Release it with free().
enum gb_status gb_block_reserve(size_t count, const char *what, float **block);

// Returns the whole pages in part of a block to the system; what the part held is undefined.
void gb_block_drop(void *memory, size_t bytes);

// Frees the block; the arena may be planned again.
void gb_arena_free(struct gb_arena *arena);

#endif
