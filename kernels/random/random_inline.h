// SPDX-License-Identifier: MIT
// From Philox words to numbers, for any instruction set.
#ifndef GB_RANDOM_INLINE_H
#define GB_RANDOM_INLINE_H

#include "kernels/simd/math.h"

// Philox4x32-10: the multipliers, and the key's increments per round.
enum { GB_PHILOX_ROUNDS = 10 };
#define GB_PHILOX_M0 0xD2511F53u
#define GB_PHILOX_M1 0xCD9E8D57u
#define GB_PHILOX_W0 0x9E3779B9u
#define GB_PHILOX_W1 0xBB67AE85u

// The upper 24 bits of a word, 0 .. 2^24 - 1.
GB_INLINE gb_v gb_random_upper(gb_vi word) {
    return gb_vi_to_float((word >> 8) & 0xffffff);
}

// [0, 1).
GB_INLINE gb_v gb_random_unit(gb_vi word) {
    return gb_random_upper(word) * 0x1p-24f;
}

// Box-Muller: two words give the two numbers of a pair.
GB_INLINE void gb_random_pair(gb_vi word0, gb_vi word1, gb_v *even, gb_v *odd) {
    gb_v positive = (gb_random_upper(word0) + 1.0f) * 0x1p-24f; // (0, 1]: its logarithm is finite
    gb_v radius = gb_v_sqrt(-2.0f * gb_v_log(positive)), sine, cosine;
    gb_v_sincos_2pi(gb_random_unit(word1), &sine, &cosine);
    *even = radius * cosine;
    *odd = radius * sine;
}

#endif
