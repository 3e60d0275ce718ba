// SPDX-License-Identifier: MIT
// AVX-512 with dot products of bf16 pairs, for the units of kernels/bf16.
#ifndef GB_SIMD_AVX512_BF16_H
#define GB_SIMD_AVX512_BF16_H

#include "kernels/simd/avx512.h"

// A pair of bf16 in each lane, the first in the lower half.
typedef gb_vi gb_pairs;

GB_INLINE gb_pairs gb_pairs_load(const uint16_t *p) {
    return (gb_pairs)_mm512_loadu_si512(p);
}
GB_INLINE void gb_pairs_store(uint16_t *p, gb_pairs pairs) {
    _mm512_storeu_si512(p, (__m512i)pairs);
}
// Lane i: (first[i], second[i]) from 2 * GB_LANES values, the first ones and then the second ones.
GB_INLINE gb_pairs gb_pairs_interleave(gb_pairs halves) {
    static const uint16_t order[2 * GB_LANES] = {0,  16, 1,  17, 2,  18, 3,  19, 4,  20, 5,
                                                 21, 6,  22, 7,  23, 8,  24, 9,  25, 10, 26,
                                                 11, 27, 12, 28, 13, 29, 14, 30, 15, 31};
    return (gb_pairs)_mm512_permutexvar_epi16(_mm512_loadu_si512(order), (__m512i)halves);
}

// Lane i: (first[i], second[i]), of so many values; beyond them zeros, and memory is not read.
GB_INLINE gb_pairs gb_pairs_zip(const uint16_t *first, int first_count, const uint16_t *second,
                                int second_count) {
    if (first_count == GB_LANES && second_count == GB_LANES) // a shuffle less
        return gb_pairs_interleave((gb_pairs)_mm512_inserti64x4(
            _mm512_castsi256_si512(_mm256_loadu_si256((const __m256i *)(const void *)first)),
            _mm256_loadu_si256((const __m256i *)(const void *)second), 1));
    const __m256i low = _mm256_maskz_loadu_epi16(gb_part_mask(first_count), first);
    const __m256i high = _mm256_maskz_loadu_epi16(gb_part_mask(second_count), second);
    return (gb_pairs)_mm512_or_si512(_mm512_cvtepu16_epi32(low),
                                     _mm512_slli_epi32(_mm512_cvtepu16_epi32(high), 16));
}
// The next values from p in the lanes of the mask, zeros in the others.
GB_INLINE gb_v gb_v_load_spread(const float *p, unsigned lanes) {
    return (gb_v)_mm512_maskz_expandloadu_ps((__mmask16)lanes, p);
}
// One pair in all lanes.
GB_INLINE gb_pairs gb_pairs_set(const uint16_t *p) {
    int32_t pair;
    memcpy(&pair, p, sizeof pair);
    return gb_vi_set(pair);
}

// fma(even, fma(odd, sum)) in each lane; subnormal numbers count as zero.
GB_INLINE gb_v gb_pairs_dot(gb_v sum, gb_pairs a, gb_pairs b) {
    return (gb_v)_mm512_dpbf16_ps((__m512)sum, (__m512bh)a, (__m512bh)b);
}

// As gb_bf16_round: the first vector's lanes, then the second's.
GB_INLINE gb_pairs gb_pairs_round(gb_v first, gb_v second) {
    return (gb_pairs)_mm512_cvtne2ps_pbh((__m512)second, (__m512)first);
}

// Stores even[0], odd[0], even[1], odd[1], ...
GB_INLINE void gb_v_store_interleaved(float *p, gb_v even, gb_v odd) {
    static const int32_t order[2 * GB_LANES] = {0,  16, 1,  17, 2,  18, 3,  19, 4,  20, 5,
                                                21, 6,  22, 7,  23, 8,  24, 9,  25, 10, 26,
                                                11, 27, 12, 28, 13, 29, 14, 30, 15, 31};
    _mm512_storeu_ps(p,
                     _mm512_permutex2var_ps((__m512)even, _mm512_loadu_si512(order), (__m512)odd));
    _mm512_storeu_ps(
        p + GB_LANES,
        _mm512_permutex2var_ps((__m512)even, _mm512_loadu_si512(order + GB_LANES), (__m512)odd));
}

// From GB_LANES rows of pairs to GB_LANES / 2: row r has values 2r and 2r + 1 of GB_LANES columns,
// and then row p columns 2p and 2p + 1 of 2 * GB_LANES values. from_row is even.
#define gb_pairs_transpose gb_pairs_transpose
GB_INLINE void gb_pairs_transpose(const float *from, size_t from_row, float *to, size_t to_row) {
    // (a, b), (c, d) to (a, c), (b, d)
    const __m512i exchange = _mm512_set4_epi32(0x0f0e0b0a, 0x0d0c0908, 0x07060302, 0x05040100);
    GB_UNROLL
    for (size_t at = 0; at < GB_LANES / 4 * 2; at++) {
        const size_t half = at / 4 * 8, quad = at % 4 * 4;
        const float *row = from + half * from_row + quad;
        const gb_v even = gb_load_quads(row, from_row / 2);
        const gb_v odd = gb_load_quads(row + from_row, from_row / 2);
        const __m512i first = _mm512_shuffle_epi8((__m512i)even, exchange);
        const __m512i second = _mm512_shuffle_epi8((__m512i)odd, exchange);
        float *out = to + quad / 2 * to_row + 2 * half;
        _mm512_storeu_si512(out, _mm512_unpacklo_epi64(first, second));
        _mm512_storeu_si512(out + to_row, _mm512_unpackhi_epi64(first, second));
    }
}

// The first `count` values, 0 <= count <= 2 * GB_LANES; others are not written.
GB_INLINE void gb_pairs_store_part(uint16_t *p, gb_pairs pairs, int count) {
    _mm512_mask_storeu_epi16(p, (__mmask32)(((uint64_t)1 << count) - 1), (__m512i)pairs);
}

#define gb_v_load_bf16 gb_v_load_bf16
GB_INLINE gb_v gb_v_load_bf16(const uint16_t *p, int count) {
    const __m256i halves = _mm256_maskz_loadu_epi16(gb_part_mask(count), p);
    return (gb_v)_mm512_slli_epi32(_mm512_cvtepu16_epi32(halves), 16);
}
#define gb_v_store_bf16 gb_v_store_bf16
GB_INLINE void gb_v_store_bf16(uint16_t *p, gb_v v, int count) {
    _mm256_mask_storeu_epi16(p, gb_part_mask(count), (__m256i)_mm512_cvtneps_pbh((__m512)v));
}

#endif
