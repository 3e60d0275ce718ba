// SPDX-License-Identifier: MIT
#include "kernels/cpu.h"

#include <pthread.h>
#include <string.h>

static struct gb_cpu cpu;
static pthread_once_t once = PTHREAD_ONCE_INIT;

#if defined(__x86_64__)
#include <cpuid.h>
#include <stdint.h>

static uint64_t extended_control_register(void) {
    uint32_t low, high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return (uint64_t)high << 32 | low;
}

static bool all_set(uint64_t value, uint64_t bits) {
    return (value & bits) == bits;
}

static void detect(void) {
    unsigned a, b, c, d;
    unsigned brand[13] = {0};
    if ((unsigned)__get_cpuid_max(0x80000000u, NULL) >= 0x80000004u)
        for (unsigned i = 0; i < 3; i++)
            __get_cpuid(0x80000002u + i, &brand[4 * i], &brand[4 * i + 1], &brand[4 * i + 2],
                        &brand[4 * i + 3]);
    memcpy(cpu.model, brand, sizeof brand);

    enum { FMA = 1 << 12, OSXSAVE = 1 << 27, AVX = 1 << 28 };
    if (!__get_cpuid(1, &a, &b, &c, &d) || !all_set(c, FMA | OSXSAVE | AVX))
        return;
    // Bits of XCR0: the state that the operating system saves on a context switch.
    enum { YMM_STATE = 0x06, ZMM_STATE = 0xe6, TILE_STATE = 0x60000 };
    uint64_t state = extended_control_register();
    unsigned c7, d7;
    if (!all_set(state, YMM_STATE) || !__get_cpuid_count(7, 0, &a, &b, &c7, &d7))
        return;
    enum { AVX2 = 1 << 5, F = 1 << 16, DQ = 1 << 17, BW = 1 << 30 };
    const unsigned VL = 1u << 31;
    cpu.avx2 = all_set(b, AVX2);
    cpu.avx512 = cpu.avx2 && all_set(state, ZMM_STATE) && all_set(b, F | DQ | BW | VL);
    unsigned a1, b1, c1, d1;
    if (__get_cpuid_count(7, 1, &a1, &b1, &c1, &d1))
        cpu.avx512_bf16 = cpu.avx512 && all_set(a1, 1 << 5);
    enum { AMX_BF16 = 1 << 22, AMX_TILE = 1 << 24 };
    cpu.amx_bf16 = all_set(d7, AMX_BF16 | AMX_TILE) && all_set(state, TILE_STATE);
}
#else
static void detect(void) {}
#endif

const struct gb_cpu *gb_cpu(void) {
    pthread_once(&once, detect);
    return &cpu;
}
