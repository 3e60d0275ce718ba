// SPDX-License-Identifier: MIT
#include "kernels/cpu.h"

#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

static struct gb_cpu cpu = {.any = true};
static pthread_once_t once = PTHREAD_ONCE_INIT;

#if defined(__x86_64__)
#include <cpuid.h>
#include <immintrin.h>

enum { ELF_MACHINE = 62 };

static uint64_t extended_control_register(void) {
    uint32_t low, high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return (uint64_t)high << 32 | low;
}

static bool all_set(uint64_t value, uint64_t bits) {
    return (value & bits) == bits;
}

enum { LINE = 64 };

static void detect(void) {
    unsigned a, b, c, d;
    cpu.line_bytes = LINE;
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

void gb_flush_denormals(void) {
    enum { FLUSH_TO_ZERO = 0x8000, DENORMALS_ARE_ZERO = 0x0040 };
    _mm_setcsr(_mm_getcsr() | FLUSH_TO_ZERO | DENORMALS_ARE_ZERO);
}

void gb_cpu_relax(void) {
    _mm_pause();
}

// CLFLUSHOPT is ordered only by the fences around it, which makes it several times as fast.
__attribute__((target("clflushopt"))) static void evict_unordered(const char *line,
                                                                  const char *end) {
    for (; line < end; line += LINE)
        _mm_clflushopt((void *)(uintptr_t)line);
}

static void evict_ordered(const char *line, const char *end) {
    for (; line < end; line += LINE)
        _mm_clflush(line);
}

bool gb_cpu_evict(const void *block, size_t bytes) {
    enum { CLFLUSHOPT = 1 << 23 };
    unsigned a, b, c, d;
    const char *first = (const char *)((uintptr_t)block / LINE * LINE);
    const char *end = (const char *)block + bytes;
    _mm_mfence();
    if (__get_cpuid_count(7, 0, &a, &b, &c, &d) && (b & CLFLUSHOPT))
        evict_unordered(first, end);
    else
        evict_ordered(first, end);
    _mm_mfence();
    return true;
}
#elif defined(__aarch64__)
#include "kernels/arm_cores.h"

enum { ELF_MACHINE = 183 };

// Of the smallest line among all data caches.
static size_t line_bytes(void) {
    uint64_t ctr;
    __asm__ volatile("mrs %0, ctr_el0" : "=r"(ctr));
    return (size_t)4 << (ctr >> 16 & 15);
}

#if defined(__linux__)
#include <sys/auxv.h>

static void detect(void) {
    enum { ASIMD = 1 << 1, CPUID = 1 << 11, SVE = 1 << 22 }; // of AT_HWCAP
    enum { SVE2 = 1 << 1, BF16 = 1 << 14 };                  // of AT_HWCAP2
    const unsigned long first = getauxval(AT_HWCAP), second = getauxval(AT_HWCAP2);
    cpu.line_bytes = (int)line_bytes();
    cpu.neon = first & ASIMD;
    cpu.neon_bf16 = cpu.neon && second & BF16;
    cpu.sve = first & SVE;
    cpu.sve2 = second & SVE2;
    uint64_t midr = 0;
    if (first & CPUID) // Linux emulates the read
        __asm__ volatile("mrs %0, midr_el1" : "=r"(midr));
    FILE *cpuinfo = fopen("/proc/cpuinfo", "r");
    gb_arm_cores_name(cpuinfo, midr, cpu.model, sizeof cpu.model);
    if (cpuinfo)
        fclose(cpuinfo);
}
#else
static void detect(void) {
    cpu.line_bytes = (int)line_bytes();
    cpu.neon = true;
}
#endif

void gb_flush_denormals(void) {
    const uint64_t FLUSH_TO_ZERO = 1u << 24; // inputs and results
    uint64_t fpcr;
    __asm__ volatile("mrs %0, fpcr" : "=r"(fpcr));
    __asm__ volatile("msr fpcr, %0" : : "r"(fpcr | FLUSH_TO_ZERO));
}

void gb_cpu_relax(void) {
    __asm__ volatile("isb" : : : "memory"); // `yield` takes no time on most cores
}

bool gb_cpu_evict(const void *block, size_t bytes) {
    const uintptr_t line = line_bytes();
    const uintptr_t end = (uintptr_t)block + bytes;
    for (uintptr_t at = (uintptr_t)block / line * line; at < end; at += line)
        __asm__ volatile("dc civac, %0" : : "r"(at) : "memory");
    __asm__ volatile("dsb ish" : : : "memory");
    return true;
}
#else
enum { ELF_MACHINE = 0 };

static void detect(void) {}

void gb_flush_denormals(void) {}

void gb_cpu_relax(void) {}

bool gb_cpu_evict(const void *block, size_t bytes) {
    (void)block;
    (void)bytes;
    return false;
}
#endif

#if defined(__x86_64__) && defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>

bool gb_cpu_enable_amx(void) {
    enum { REQUEST_PERMISSION = 0x1023, TILE_DATA = 18 }; // of arch_prctl
    return gb_cpu()->amx_bf16 && syscall(SYS_arch_prctl, REQUEST_PERMISSION, TILE_DATA) == 0;
}
#else
bool gb_cpu_enable_amx(void) {
    return false;
}
#endif

// Emulators show their program instead of themselves as /proc/self/exe, but not under this name.
bool gb_cpu_is_emulated(void) {
    enum { MACHINE_AT = 18 };
    unsigned char header[MACHINE_AT + 2];
    FILE *file = ELF_MACHINE ? fopen("/proc/thread-self/exe", "r") : NULL;
    if (!file)
        return false;
    const size_t got = fread(header, 1, sizeof header, file);
    fclose(file);
    return got == sizeof header &&
           (header[MACHINE_AT] | header[MACHINE_AT + 1] << 8) != ELF_MACHINE;
}

const struct gb_cpu *gb_cpu(void) {
    pthread_once(&once, detect);
    return &cpu;
}

bool gb_cpu_has(size_t level) {
    return *((const bool *)((const char *)gb_cpu() + level));
}

#define LEVEL(name)                                                                                \
    { #name, offsetof(struct gb_cpu, name) }
const struct gb_cpu_level gb_cpu_levels[] = {LEVEL(avx2),     LEVEL(avx512), LEVEL(avx512_bf16),
                                             LEVEL(amx_bf16), LEVEL(neon),   LEVEL(neon_bf16),
                                             LEVEL(sve),      LEVEL(sve2),   {NULL, 0}};
