// SPDX-License-Identifier: MIT
// Matrix products of bf16 in 128-bit vectors, 2 x 4 by 4 x 2, added to fp32, which convolutions run
// on.
#include <arm_neon.h>

#include "bench/peaks/peaks_body.h"
#include "kernels/cpu.h"

enum { CHAINS = 24, LANES = 4 };

static float matrix_rounds(size_t rounds) {
    float32x4_t chain[CHAINS];
    for (int i = 0; i < CHAINS; i++)
        chain[i] = vdupq_n_f32(0);
    // 1 as bf16 in every lane; the barrier hides that from the compiler.
    uint16x8_t ones = vdupq_n_u16(0x3f80);
    __asm__("" : "+w"(ones));
    const bfloat16x8_t factor = vreinterpretq_bf16_u16(ones);
    for (size_t round = 0; round < rounds; round++)
        for (int i = 0; i < CHAINS; i++)
            chain[i] = vbfmmlaq_f32(chain[i], factor, factor);
    float32x4_t sum = vdupq_n_f32(0);
    for (int i = 0; i < CHAINS; i++)
        sum = vaddq_f32(sum, chain[i]);
    return vaddvq_f32(sum);
}

const struct gb_fma_body gb_fma_body__neon_bf16 = {
    .isa = "neon_bf16",
    .precision = "bf16",
    .cpu_level = offsetof(struct gb_cpu, neon_bf16),
    .flops_a_round = 2.0 * 4 * CHAINS * LANES,
    .run = matrix_rounds,
};
