// SPDX-License-Identifier: MIT
#include "kernels/arena.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "kernels/tensor.h"

// More than any memory has, and twice as many bytes fit in a number.
static const size_t too_many = SIZE_MAX / 16;

float *gb_arena_take(struct gb_arena *arena, size_t floats) {
    size_t offset = arena->used;
    size_t piece = gb_round_up(floats < too_many ? floats : too_many, GB_ALIGNMENT / sizeof(float));
    arena->used = offset < too_many ? offset + piece : too_many;
    if (!arena->base)
        return NULL;
    assert(arena->used <= arena->floats);
    return arena->base + offset;
}

// Zeroes whole pages without touching them: the system gives zeros when they are first used, to the
// thread that uses them.
static bool give_back(void *pages, size_t bytes) {
#if defined(__linux__)
    madvise(pages, bytes, MADV_HUGEPAGE); // advice: a refusal costs speed, not correctness
    return madvise(pages, bytes, MADV_DONTNEED) == 0;
#else
    (void)pages, (void)bytes;
    return false;
#endif
}

enum gb_status gb_block_reserve(size_t floats, const char *what, float **block) {
    enum { HUGE_PAGE = 2 << 20 };
    if (floats >= too_many)
        return gb_fail(GB_OUT_OF_MEMORY, "cannot reserve memory", what, "%zu floats", floats);
    size_t bytes = gb_round_up(floats ? floats * sizeof(float) : 1, GB_ALIGNMENT);
    size_t alignment = GB_ALIGNMENT;
    if (bytes >= HUGE_PAGE) {
        alignment = HUGE_PAGE;
        bytes = gb_round_up(bytes, HUGE_PAGE);
    }
    *block = aligned_alloc(alignment, bytes);
    if (!*block)
        return gb_fail(GB_OUT_OF_MEMORY, "cannot reserve memory", what, "%zu bytes", bytes);
    if (alignment == HUGE_PAGE && give_back(*block, bytes))
        return GB_OK;
    memset(*block, 0, bytes);
    return GB_OK;
}

enum gb_status gb_arena_reserve(struct gb_arena *arena, const char *what) {
    assert(!arena->base);
    GB_TRY(gb_block_reserve(arena->used, what, &arena->base));
    arena->floats = arena->used;
    arena->used = 0;
    return GB_OK;
}

void gb_arena_free(struct gb_arena *arena) {
    free(arena->base);
    *arena = (struct gb_arena){0};
}
