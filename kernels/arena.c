// SPDX-License-Identifier: MIT
#include "kernels/arena.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "kernels/tensor.h"

// Larger than any memory; sums of a few of these do not overflow.
static const size_t max_bytes = SIZE_MAX / 4;

void *gb_arena_alloc(struct gb_arena *arena, size_t bytes) {
    size_t offset = arena->used;
    size_t rounded = gb_round_up(bytes < max_bytes ? bytes : max_bytes, GB_ALIGNMENT);
    arena->used = offset < max_bytes ? offset + rounded : max_bytes;
    if (!arena->base)
        return NULL;
    assert(arena->used <= arena->bytes);
    return arena->base + offset;
}

static void *alloc_array(struct gb_arena *arena, size_t count, size_t element) {
    return gb_arena_alloc(arena, count < max_bytes / element ? count * element : max_bytes);
}

float *gb_arena_floats(struct gb_arena *arena, size_t count) {
    return alloc_array(arena, count, sizeof(float));
}

double *gb_arena_doubles(struct gb_arena *arena, size_t count) {
    return alloc_array(arena, count, sizeof(double));
}

// Zeroes whole pages without touching them: the kernel supplies zero pages on first use, on the
// NUMA node of the thread that uses them.
static bool drop_pages(void *pages, size_t bytes) {
#if defined(__linux__)
    madvise(pages, bytes, MADV_HUGEPAGE); // advice: a refusal costs speed, not correctness
    return madvise(pages, bytes, MADV_DONTNEED) == 0;
#else
    (void)pages, (void)bytes;
    return false;
#endif
}

static enum gb_status reserve(size_t bytes, const char *what, void **block) {
    enum { HUGE_PAGE = 2 << 20 };
    if (bytes >= max_bytes)
        return gb_fail(GB_OUT_OF_MEMORY, "cannot reserve memory", what, "%zu bytes", bytes);
    size_t alignment = bytes >= HUGE_PAGE ? HUGE_PAGE : GB_ALIGNMENT;
    size_t rounded = gb_round_up(bytes ? bytes : 1, alignment);
    *block = aligned_alloc(alignment, rounded);
    if (!*block)
        return gb_fail(GB_OUT_OF_MEMORY, "cannot reserve memory", what, "%zu bytes", rounded);
    if (alignment != HUGE_PAGE || !drop_pages(*block, rounded))
        memset(*block, 0, rounded);
    return GB_OK;
}

enum gb_status gb_block_reserve(size_t count, const char *what, float **block) {
    size_t bytes = count < max_bytes / sizeof **block ? count * sizeof **block : max_bytes;
    void *memory = NULL;
    enum gb_status status = reserve(bytes, what, &memory);
    *block = memory;
    return status;
}

void gb_block_drop(void *memory, size_t bytes) {
#if defined(__linux__)
    const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), begin = (uintptr_t)memory;
    const uintptr_t first = (begin + page - 1) / page * page, end = (begin + bytes) / page * page;
    if (first < end)
        madvise((char *)memory + (first - begin), end - first, MADV_DONTNEED);
#else
    (void)memory, (void)bytes;
#endif
}

enum gb_status gb_arena_reserve(struct gb_arena *arena, const char *what) {
    assert(!arena->base);
    void *memory = NULL;
    GB_TRY(reserve(arena->used, what, &memory));
    arena->base = memory;
    arena->bytes = arena->used;
    arena->used = 0;
    return GB_OK;
}

void gb_arena_free(struct gb_arena *arena) {
    free(arena->base);
    *arena = (struct gb_arena){0};
}
