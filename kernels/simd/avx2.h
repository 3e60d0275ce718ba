// SPDX-License-Identifier: MIT
#ifndef GB_SIMD_AVX2_H
#define GB_SIMD_AVX2_H

#define GB_LANES 8
#define GB_ISA_NEEDS "AVX2 and FMA"
#define GB_ISA_LEVEL avx2 // the member of struct gb_cpu

// Sixteen vector registers. Convolution: micro-kernels of MR rows by NR vectors; MR is
// GB_ACCUMULATORS / NR.
#define GB_NR 2
#define GB_ACCUMULATORS 12
// Fully connected layer: samples by vectors of outputs.
#define GB_FC_MR 2
#define GB_FC_NR 4
// Invertible 1x1 convolution: pixels, or rows of the matrix gradient, by one or two vectors.
#define GB_INV1X1_MR 4

#define GB_X86(name) _mm256_##name
#define gb_x86_floats __m256
#define gb_x86_integers __m256i
#include "kernels/simd/x86.h"

#define gb_v_round gb_v_round
GB_INLINE gb_v gb_v_round(gb_v a) {
    return (gb_v)_mm256_round_ps((__m256)a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}

GB_INLINE __m256i gb_part_mask(int count) {
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(count), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}
#define gb_v_load_part gb_v_load_part
GB_INLINE gb_v gb_v_load_part(const float *p, int count) {
    return (gb_v)_mm256_maskload_ps(p, gb_part_mask(count));
}
#define gb_v_store_part gb_v_store_part
GB_INLINE void gb_v_store_part(float *p, gb_v v, int count) {
    _mm256_maskstore_ps(p, gb_part_mask(count), (__m256)v);
}
#define gb_v_keep gb_v_keep
GB_INLINE gb_v gb_v_keep(gb_v v, int count) {
    return (gb_v)((gb_vi)v & (gb_vi)gb_part_mask(count));
}

#define gb_load_quads gb_load_quads
GB_INLINE gb_v gb_load_quads(const float *p, size_t row) {
    __m256 quads = _mm256_castps128_ps256(_mm_loadu_ps(p));
    return (gb_v)_mm256_insertf128_ps(quads, _mm_loadu_ps(p + 4 * row), 1);
}

#endif
