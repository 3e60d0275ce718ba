// SPDX-License-Identifier: MIT
// Dot products of pairs of bf16 in 512-bit vectors, added to fp32.
#include <immintrin.h>

#include "bench/peaks/peaks_body.h"
#include "kernels/cpu.h"

enum { CHAINS = 16, LANES = 16 };

static float dot_rounds(size_t rounds) {
    __m512 chain[CHAINS];
    for (int i = 0; i < CHAINS; i++)
        chain[i] = _mm512_setzero_ps();
    // 1 as bf16 in every lane; the barrier hides that from the compiler.
    __m512i ones = _mm512_set1_epi16(0x3f80);
    __asm__("" : "+v"(ones));
    const __m512bh factor = (__m512bh)ones;
    for (size_t round = 0; round < rounds; round++)
        for (int i = 0; i < CHAINS; i++)
            chain[i] = _mm512_dpbf16_ps(chain[i], factor, factor);
    __m512 sum = _mm512_setzero_ps();
    for (int i = 0; i < CHAINS; i++)
        sum = _mm512_add_ps(sum, chain[i]);
    return _mm512_reduce_add_ps(sum);
}

const struct gb_fma_body gb_fma_body__avx512_bf16 = {
    .isa = "avx512_bf16",
    .precision = "bf16",
    .cpu_level = offsetof(struct gb_cpu, avx512_bf16),
    .flops_a_round = 2.0 * 2 * CHAINS * LANES,
    .run = dot_rounds,
};
