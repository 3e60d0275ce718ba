// SPDX-License-Identifier: MIT
#ifndef GB_SIMD_AVX512_H
#define GB_SIMD_AVX512_H

#define GB_LANES 16
#define GB_ISA_NEEDS "AVX-512 F, DQ, BW and VL"
#define GB_ISA_LEVEL avx512 // the member of struct gb_cpu

// Thirty-two vector registers. Convolution: micro-kernels of MR rows by NR vectors; MR is
// GB_ACCUMULATORS / NR.
#define GB_NR 4
#define GB_ACCUMULATORS 24
// Fully connected layer: samples by vectors of outputs. All 128 outputs of the models' layers are
// one block, so that the weights are read in the order of memory.
#define GB_FC_MR 2
#define GB_FC_NR 8
// Invertible 1x1 convolution: pixels, or rows of the matrix gradient, by one or two vectors.
#define GB_INV1X1_MR 8

#define GB_X86(name) _mm512_##name
#define gb_x86_floats __m512
#define gb_x86_integers __m512i
#include "kernels/simd/x86.h"

#define gb_v_round gb_v_round
GB_INLINE gb_v gb_v_round(gb_v a) {
    return (gb_v)_mm512_roundscale_ps((__m512)a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}

GB_INLINE __mmask16 gb_part_mask(int count) {
    return (__mmask16)((1u << count) - 1u);
}
#define gb_v_load_part gb_v_load_part
GB_INLINE gb_v gb_v_load_part(const float *p, int count) {
    return (gb_v)_mm512_maskz_loadu_ps(gb_part_mask(count), p);
}
#define gb_v_store_part gb_v_store_part
GB_INLINE void gb_v_store_part(float *p, gb_v v, int count) {
    _mm512_mask_storeu_ps(p, gb_part_mask(count), (__m512)v);
}
#define gb_v_keep gb_v_keep
GB_INLINE gb_v gb_v_keep(gb_v v, int count) {
    return (gb_v)_mm512_maskz_mov_ps(gb_part_mask(count), (__m512)v);
}

#define gb_load_quads gb_load_quads
GB_INLINE gb_v gb_load_quads(const float *p, size_t row) {
    __m512 quads = _mm512_castps128_ps512(_mm_loadu_ps(p));
    quads = _mm512_insertf32x4(quads, _mm_loadu_ps(p + 4 * row), 1);
    quads = _mm512_insertf32x4(quads, _mm_loadu_ps(p + 8 * row), 2);
    return (gb_v)_mm512_insertf32x4(quads, _mm_loadu_ps(p + 12 * row), 3);
}

#endif
