// SPDX-License-Identifier: MIT
// What this CPU and its operating system can run.
#ifndef GB_CPU_H
#define GB_CPU_H

#include <stdbool.h>

// Instruction-set levels, not single feature bits; checked with CPUID and, for the registers that
// the operating system must save, XGETBV.
struct gb_cpu {
    char model[64]; // the brand string, "" if unknown
    bool avx2;      // AVX2 and FMA
    bool avx512;    // AVX-512 F, DQ, BW, VL
    bool avx512_bf16;
    bool amx_bf16;
};

// Detected once; the same object every time.
const struct gb_cpu *gb_cpu(void);

#endif
