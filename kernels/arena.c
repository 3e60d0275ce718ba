// SPDX-License-Identifier: MIT
#include "kernels/arena.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/tensor.h"

float *gb_arena_take(struct gb_arena *arena, size_t floats) {
    size_t offset = arena->used;
    arena->used += gb_round_up(floats, GB_ALIGNMENT / sizeof(float));
    if (!arena->base)
        return NULL;
    assert(arena->used <= arena->floats);
    return arena->base + offset;
}

enum gb_status gb_arena_reserve(struct gb_arena *arena, const char *what) {
    assert(!arena->base);
    size_t bytes = gb_round_up(arena->used * sizeof(float), GB_ALIGNMENT);
    if (bytes == 0)
        bytes = GB_ALIGNMENT;
    arena->base = aligned_alloc(GB_ALIGNMENT, bytes);
    if (!arena->base)
        return gb_fail(GB_OUT_OF_MEMORY, "cannot reserve memory", what, "%zu bytes", bytes);
    memset(arena->base, 0, bytes);
    arena->floats = arena->used;
    arena->used = 0;
    return GB_OK;
}

void gb_arena_free(struct gb_arena *arena) {
    free(arena->base);
    *arena = (struct gb_arena){0};
}
