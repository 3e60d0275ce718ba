// SPDX-License-Identifier: MIT
// Memory by plan: a planning pass takes pieces from an arena that has no memory yet and so learns
// the size; the same code run again on the reserved block yields the addresses. Nothing is
// allocated after that.
#ifndef GB_ARENA_H
#define GB_ARENA_H

#include <stddef.h>

#include "base/status.h"

struct gb_arena {
    float *base;         // NULL while planning
    size_t used, floats; // high-water mark so far, capacity
};

// Takes `floats` floats, 64-byte aligned; contents undefined (zero right after gb_arena_reserve).
// NULL while planning.
float *gb_arena_take(struct gb_arena *arena, size_t floats);

// Ends planning: allocates what was taken, zeroed, and rewinds. GB_OUT_OF_MEMORY if it cannot.
enum gb_status gb_arena_reserve(struct gb_arena *arena, const char *what);

// A zeroed block of `floats` floats for long streams, on huge pages where the system has them (a
// model's parameters otherwise miss the TLB on every 4 KiB); to be freed with free().
enum gb_status gb_block_reserve(size_t floats, const char *what, float **block);

// Frees the block; the arena may be planned anew.
void gb_arena_free(struct gb_arena *arena);

#endif
