// SPDX-License-Identifier: MIT
// What this CPU and its operating system can run, and the few things besides vectors that every
// architecture does its own way.
#ifndef GB_CPU_H
#define GB_CPU_H

#include <stdbool.h>
#include <stddef.h>

// Instruction-set levels, not single feature bits. x86: by CPUID and, for the registers that the
// operating system must save, XGETBV. AArch64: by the hardware capabilities that Linux reports.
struct gb_cpu {
    char model[128]; // x86: the brand string; AArch64: the names of its cores; "" if unknown
    int line_bytes;  // of a cache line, what one instruction evicts; 0 if unknown
    bool any;        // true
    bool avx2;       // AVX2 and FMA
    bool avx512;     // AVX-512 F, DQ, BW, VL
    bool avx512_bf16;
    bool amx_bf16;
    bool neon;      // Advanced SIMD
    bool neon_bf16; // BFDOT and BFMMLA
    bool sve, sve2; // of any vector length; no kernels yet
};

// Detected once; the same object every time.
const struct gb_cpu *gb_cpu(void);

// True if the CPU has a level, given by its offset in struct gb_cpu.
bool gb_cpu_has(size_t level);

// The levels but `any`, ended by one without a name.
struct gb_cpu_level {
    const char *name;
    size_t level;
};
extern const struct gb_cpu_level gb_cpu_levels[];

// Asks the operating system for the AMX tile registers, which Linux grants each process on request.
// False where the CPU or the system lacks them.
bool gb_cpu_enable_amx(void);

// True if a user-mode emulator such as qemu-aarch64 runs this program: the process executes a file
// for another architecture than the program's. Times then say nothing of a CPU.
bool gb_cpu_is_emulated(void);

// Sets flush-to-zero and denormals-are-zero on the calling thread, on AArch64 by FPCR.FZ alone.
void gb_flush_denormals(void);

// For loops that wait for another thread: leaves the core to its other hardware thread for a
// moment.
void gb_cpu_relax(void);

// Evicts a block from all caches of all processors. False where the CPU has no instruction that a
// program may use for this; then nothing is done.
bool gb_cpu_evict(const void *block, size_t bytes);

#endif
