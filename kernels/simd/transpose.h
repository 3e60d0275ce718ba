// SPDX-License-Identifier: MIT
// Transposes of small squares, for bodies on the vector type.
#ifndef GB_TRANSPOSE_H
#define GB_TRANSPOSE_H

#include "kernels/simd/simd.h"

// Four floats from every fourth row, side by side.
#if GB_ISA_ID == GB_ISA_ID_avx512
GB_INLINE gb_v gb_load_quads(const float *p, size_t row) {
    __m512 quads = _mm512_castps128_ps512(_mm_loadu_ps(p));
    quads = _mm512_insertf32x4(quads, _mm_loadu_ps(p + 4 * row), 1);
    quads = _mm512_insertf32x4(quads, _mm_loadu_ps(p + 8 * row), 2);
    return (gb_v)_mm512_insertf32x4(quads, _mm_loadu_ps(p + 12 * row), 3);
}
#define GB_QUADS(operation) _mm512_##operation##_ps
typedef __m512 gb_quads;
#elif GB_ISA_ID == GB_ISA_ID_avx2
GB_INLINE gb_v gb_load_quads(const float *p, size_t row) {
    __m256 quads = _mm256_castps128_ps256(_mm_loadu_ps(p));
    return (gb_v)_mm256_insertf128_ps(quads, _mm_loadu_ps(p + 4 * row), 1);
}
#define GB_QUADS(operation) _mm256_##operation##_ps
typedef __m256 gb_quads;
#else
#error "no transpose for this instruction set"
#endif

// Transposes the square of 4 by 4 floats that four vectors have in each 128 bits.
GB_INLINE void gb_transpose_quads(gb_v q[4]) {
    gb_quads low01 = GB_QUADS(unpacklo)((gb_quads)q[0], (gb_quads)q[1]);
    gb_quads high01 = GB_QUADS(unpackhi)((gb_quads)q[0], (gb_quads)q[1]);
    gb_quads low23 = GB_QUADS(unpacklo)((gb_quads)q[2], (gb_quads)q[3]);
    gb_quads high23 = GB_QUADS(unpackhi)((gb_quads)q[2], (gb_quads)q[3]);
    q[0] = (gb_v)GB_QUADS(shuffle)(low01, low23, 0x44);
    q[1] = (gb_v)GB_QUADS(shuffle)(low01, low23, 0xee);
    q[2] = (gb_v)GB_QUADS(shuffle)(high01, high23, 0x44);
    q[3] = (gb_v)GB_QUADS(shuffle)(high01, high23, 0xee);
}

// Transposes a square of GB_LANES by GB_LANES floats between two strides. Loads bring quads of four
// columns from every fourth row side by side, so that only the squares of 4 by 4 remain to shuffle:
// half the work of the one shuffle port that transposing in registers alone would take.
GB_INLINE void gb_transpose(const float *from, size_t from_row, float *to, size_t to_row) {
    GB_UNROLL
    for (size_t quad = 0; quad < GB_LANES; quad += 4) {
        gb_v q[4];
        GB_UNROLL
        for (size_t r = 0; r < 4; r++)
            q[r] = gb_load_quads(from + quad + r * from_row, from_row);
        gb_transpose_quads(q);
        GB_UNROLL
        for (size_t r = 0; r < 4; r++)
            gb_v_store(to + (quad + r) * to_row, q[r]);
    }
}

#undef GB_QUADS

#endif
