// SPDX-License-Identifier: MIT
#include "bench/runner/flush.h"

#include <stdint.h>
#include <stdlib.h>

#if defined(__x86_64__)
#include <cpuid.h>
#include <immintrin.h>

enum { LINE = 64 };

// Ordered among themselves by the processor only against the fences around them, and so several
// times as fast as the old instruction.
__attribute__((target("clflushopt"))) static void flush_fast(const char *line, const char *end) {
    for (; line < end; line += LINE)
        _mm_clflushopt((void *)(uintptr_t)line);
}

static void flush_slowly(const char *line, const char *end) {
    for (; line < end; line += LINE)
        _mm_clflush(line);
}

static int has_fast_flush(void) {
    enum { LEAF = 7, CLFLUSHOPT = 1 << 23 };
    unsigned eax, ebx, ecx, edx;
    return __get_cpuid_count(LEAF, 0, &eax, &ebx, &ecx, &edx) && (ebx & CLFLUSHOPT);
}

void gb_flush_block(const void *block, size_t bytes) {
    const char *first = (const char *)((uintptr_t)block / LINE * LINE);
    const char *end = (const char *)block + bytes;
    _mm_mfence();
    if (has_fast_flush())
        flush_fast(first, end);
    else
        flush_slowly(first, end);
    _mm_mfence();
}
#else
void gb_flush_block(const void *block, size_t bytes) {
    (void)block;
    (void)bytes;
    enum { BYTES = 64 << 20, LINE = 64 };
    static volatile char *buffer;
    if (!buffer)
        buffer = calloc(BYTES, 1);
    for (size_t i = 0; buffer && i < BYTES; i += LINE)
        buffer[i]++;
}
#endif
