// SPDX-License-Identifier: MIT
// Advanced SIMD with dot products and matrix products of bf16 pairs, BFDOT and BFMMLA (Armv8.6, or
// FEAT_BF16), for the units of kernels/bf16.
#ifndef GB_SIMD_NEON_BF16_H
#define GB_SIMD_NEON_BF16_H

#include "kernels/simd/neon.h"

// A pair of bf16 in each lane, the first in the lower half.
typedef gb_vi gb_pairs;

// The first `count` values in the upper halves of the lanes; others are zero, and their memory is
// not read.
#define gb_v_load_bf16 gb_v_load_bf16
GB_INLINE gb_v gb_v_load_bf16(const uint16_t *p, int count) {
    uint16x4_t halves = vdup_n_u16(0);
    if (count == GB_LANES)
        halves = vld1_u16(p);
    else
        memcpy(&halves, p, (size_t)count * sizeof *p);
    return (gb_v)vshlq_n_u32(vmovl_u16(halves), 16);
}
// As gb_bf16_round, where denormals are flushed.
#define gb_v_store_bf16 gb_v_store_bf16
GB_INLINE void gb_v_store_bf16(uint16_t *p, gb_v v, int count) {
    const bfloat16x4_t halves = vcvt_bf16_f32((float32x4_t)v);
    if (count == GB_LANES)
        vst1_u16(p, vreinterpret_u16_bf16(halves));
    else
        memcpy(p, &halves, (size_t)count * sizeof *p);
}

GB_INLINE gb_pairs gb_pairs_load(const uint16_t *p) {
    return (gb_pairs)vld1q_u16(p);
}
GB_INLINE void gb_pairs_store(uint16_t *p, gb_pairs pairs) {
    vst1q_u16(p, (uint16x8_t)pairs);
}
// Lane i: (first[i], second[i]), of so many values; beyond them zeros, and memory is not read.
GB_INLINE gb_pairs gb_pairs_zip(const uint16_t *first, int first_count, const uint16_t *second,
                                int second_count) {
    return (gb_pairs)vsriq_n_u32((uint32x4_t)gb_v_load_bf16(second, second_count),
                                 (uint32x4_t)gb_v_load_bf16(first, first_count), 16);
}
// The next values from p in the lanes of the mask, zeros in the others.
GB_INLINE gb_v gb_v_load_spread(const float *p, unsigned lanes) {
    gb_v v = {0};
    for (int lane = 0; lane < GB_LANES; lane++)
        if (lanes >> lane & 1)
            v[lane] = *p++;
    return v;
}
// One pair in all lanes.
GB_INLINE gb_pairs gb_pairs_set(const uint16_t *p) {
    int32_t pair;
    memcpy(&pair, p, sizeof pair);
    return gb_vi_set(pair);
}

// sum + (even + odd) in each lane, both sums rounded to odd; subnormal numbers count as zero.
// FPCR.EBF, which FEAT_EBF16 adds and which rounds otherwise, is 0 in programs that leave it alone.
GB_INLINE gb_v gb_pairs_dot(gb_v sum, gb_pairs a, gb_pairs b) {
    return (gb_v)vbfdotq_f32((float32x4_t)sum, vreinterpretq_bf16_s32((int32x4_t)a),
                             vreinterpretq_bf16_s32((int32x4_t)b));
}

// Products of two rows of `a` by two rows of `b`, of two pairs each, added to (a0 b0, a0 b1, a1 b0,
// a1 b1): in each lane what gb_pairs_dot gives for the first pairs and then for the second ones.
#define GB_HAS_PAIR_BLOCKS
GB_INLINE gb_v gb_pairs_multiply(gb_v sum, gb_pairs a, gb_pairs b) {
    return (gb_v)vbfmmlaq_f32((float32x4_t)sum, vreinterpretq_bf16_s32((int32x4_t)a),
                              vreinterpretq_bf16_s32((int32x4_t)b));
}
// Their products with positive zeros change no sum.
GB_INLINE gb_pairs gb_pairs_negative_zeros(void) {
    return (gb_pairs)vdupq_n_u16(0x8000);
}
// Two rows: the two pairs at each pointer, or one pair at each and one of negative zeros.
GB_INLINE gb_pairs gb_pairs_rows(const uint16_t *first, const uint16_t *second, bool one) {
    uint32x2_t rows[2] = {vdup_n_u32(0x80008000), vdup_n_u32(0x80008000)};
    memcpy(&rows[0], first, one ? sizeof(uint32_t) : sizeof *rows);
    memcpy(&rows[1], second, one ? sizeof(uint32_t) : sizeof *rows);
    return (gb_pairs)vcombine_u32(rows[0], rows[1]);
}
// Rows i and i + 1 for i = 0 and 2: lane i of `first`, then of `second`.
GB_INLINE gb_pairs gb_pairs_lower_rows(gb_pairs first, gb_pairs second) {
    return (gb_pairs)vzip1q_s32((int32x4_t)first, (int32x4_t)second);
}
GB_INLINE gb_pairs gb_pairs_upper_rows(gb_pairs first, gb_pairs second) {
    return (gb_pairs)vzip2q_s32((int32x4_t)first, (int32x4_t)second);
}
// The sums of one row of `a`, 0 or 1, with the lower and the upper rows of b.
GB_INLINE gb_v gb_pairs_row_sums(gb_v lower, gb_v upper, int row) {
    const float64x2_t l = (float64x2_t)lower, u = (float64x2_t)upper;
    return (gb_v)(row ? vzip2q_f64(l, u) : vzip1q_f64(l, u));
}

// As gb_v_store_bf16: the first vector's lanes, then the second's.
GB_INLINE gb_pairs gb_pairs_round(gb_v first, gb_v second) {
    return (gb_pairs)vreinterpretq_s32_bf16(
        vcvtq_high_bf16_f32(vcvtq_low_bf16_f32((float32x4_t)first), (float32x4_t)second));
}

// Lane i: (first[i], second[i]) from 2 * GB_LANES values, the first ones and then the second ones.
GB_INLINE gb_pairs gb_pairs_interleave(gb_pairs halves) {
    const uint16x8_t first = (uint16x8_t)halves;
    return (gb_pairs)vzip1q_u16(first, vextq_u16(first, first, GB_LANES));
}

// Stores even[0], odd[0], even[1], odd[1], ...
GB_INLINE void gb_v_store_interleaved(float *p, gb_v even, gb_v odd) {
    const float32x4x2_t pairs = {{(float32x4_t)even, (float32x4_t)odd}};
    vst2q_f32(p, pairs);
}

// The first `count` values, 0 <= count <= 2 * GB_LANES; others are not written.
GB_INLINE void gb_pairs_store_part(uint16_t *p, gb_pairs pairs, int count) {
    memcpy(p, &pairs, (size_t)count * sizeof *p);
}

#endif
