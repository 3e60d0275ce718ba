// SPDX-License-Identifier: MIT
// Philox on vectors: the words of gb_philox for many blocks at once, with the same bits.
#ifndef GB_PHILOX_INLINE_H
#define GB_PHILOX_INLINE_H

#include "kernels/random/random.h"
#include "kernels/random/random_inline.h"

// Numbers of one step: GB_LANES blocks of four.
enum { GB_PHILOX_GROUP = 4 * GB_LANES };

#if GB_LANES >= 4
// The upper and the lower word of each lane's product.
GB_INLINE void gb_philox_multiply(gb_vi a, uint32_t b, gb_vi *upper, gb_vi *lower) {
    const gb_vu64 factor = b - (gb_vu64){0}, upper_word = 0xffffffff00000000u - (gb_vu64){0};
    gb_vu64 even = gb_vu64_multiply_lower((gb_vu64)a, factor);
    gb_vu64 odd = gb_vu64_multiply_lower((gb_vu64)a >> 32, factor);
    *upper = (gb_vi)((even >> 32) | (odd & upper_word));
    *lower = (gb_vi)((even & ~upper_word) | (odd << 32));
}

// The block of a group that each lane computes: those that gb_philox_interleave makes neighbours.
GB_INLINE gb_vi gb_philox_lane_blocks(void) {
    gb_vi blocks;
    for (int lane = 0; lane < GB_LANES; lane++)
        blocks[lane] = lane % 4 * (GB_LANES / 4) + lane / 4;
    return blocks;
}

// gb_philox for the GB_LANES blocks from `block` on; they wrap where the elements do.
GB_INLINE void gb_philox_lanes(const struct gb_random_key *key, uint32_t block, gb_vi words[4]) {
    const int32_t last_block = UINT32_MAX / 4;
    gb_vi c0 = (gb_vi_set((int32_t)block) + gb_philox_lane_blocks()) & last_block;
    gb_vi c1 = gb_vi_set((int32_t)key->sample);
    gb_vi c2 = gb_vi_set((int32_t)key->step), c3 = gb_vi_set((int32_t)key->purpose);
    uint32_t k0 = (uint32_t)key->seed, k1 = (uint32_t)(key->seed >> 32);
    for (int round = 0; round < GB_PHILOX_ROUNDS; round++) {
        gb_vi upper0, lower0, upper1, lower1;
        gb_philox_multiply(c0, GB_PHILOX_M0, &upper0, &lower0);
        gb_philox_multiply(c2, GB_PHILOX_M1, &upper1, &lower1);
        c0 = upper1 ^ c1 ^ (int32_t)k0;
        c1 = lower1;
        c2 = upper0 ^ c3 ^ (int32_t)k1;
        c3 = lower0;
        k0 += GB_PHILOX_W0;
        k1 += GB_PHILOX_W1;
    }
    words[0] = c0;
    words[1] = c1;
    words[2] = c2;
    words[3] = c3;
}

// Stores number k of every lane's block at its index in the group. Within each 128 bits this is a
// 4 x 4 transpose; the order of gb_philox_lane_blocks saves a permutation across them.
GB_INLINE void gb_philox_interleave(gb_v numbers[4], float *out) {
    gb_transpose_quads(numbers);
    for (int q = 0; q < 4; q++)
        gb_v_store(out + q * GB_LANES, numbers[q]);
}

#endif

// The words of GB_PHILOX_GROUP elements, from the first of `block` on.
GB_INLINE void gb_philox_words(const struct gb_random_key *key, uint32_t block, uint32_t *out) {
#if GB_LANES >= 4
    gb_vi words[4];
    gb_philox_lanes(key, block, words);
    gb_v numbers[4];
    for (int k = 0; k < 4; k++)
        numbers[k] = (gb_v)words[k];
    gb_philox_interleave(numbers, (float *)out);
#else
    for (uint32_t b = 0; b < GB_LANES; b++)
        gb_philox(key, (block + b) & (UINT32_MAX / 4), out + 4 * b);
#endif
}

#endif
