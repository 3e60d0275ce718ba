// SPDX-License-Identifier: MIT
// AVX-512 with bf16, and tile registers: 16 rows of 64 bytes, multiplied by TDPBF16PS.
#ifndef GB_SIMD_AMX_BF16_H
#define GB_SIMD_AMX_BF16_H

#include "kernels/simd/avx512_bf16.h"

#define GB_HAS_TILES

// What LDTILECFG reads.
struct gb_tile_shapes {
    uint8_t palette, start_row, reserved[14];
    uint16_t row_bytes[16];
    uint8_t rows[16];
};

// Tile numbers are constants. Rows are `step` bytes apart.
#define gb_tiles_configure(shapes) _tile_loadconfig(shapes)
#define gb_tiles_release() _tile_release()
#define gb_tile_clear(tile) _tile_zero(tile)
#define gb_tile_load(tile, p, step) _tile_loadd(tile, p, step)
#define gb_tile_store(tile, p, step) _tile_stored(tile, p, step)
// Before the loads of what C code has written: the compilers do not know that tiles read memory.
#define gb_tiles_written() __asm__ volatile("" ::: "memory")
#define gb_tile_multiply(sum, a, b) _tile_dpbf16ps(sum, a, b)

// GB_LANES channels of 2 * GB_LANES pixels, `at` bytes into each; where the pointer is NULL, those
// at `absent`. With a step there is one pointer, and pixels are that far apart. To a row of values
// for each channel, as tiles of A have them. Loads bring every eighth pixel next to each other, so
// that only 8 x 8 squares remain to shuffle.
GB_INLINE void gb_transpose_pixels(const char *const *pixels, ptrdiff_t step, const char *absent,
                                   ptrdiff_t at, uint16_t *to, size_t to_row) {
    const __m128i *from[2 * GB_LANES];
    for (int m = 0; m < 2 * GB_LANES; m++)
        from[m] = (const void *)(step        ? pixels[0] + m * step + at
                                 : pixels[m] ? pixels[m] + at
                                             : absent);
    GB_UNROLL
    for (int half = 0; half < 2; half++) {
        __m512i v[8], w[8];
        GB_UNROLL
        for (int r = 0; r < 8; r++) {
            v[r] = _mm512_castsi128_si512(_mm_loadu_si128(from[r] + half));
            v[r] = _mm512_inserti32x4(v[r], _mm_loadu_si128(from[r + 8] + half), 1);
            v[r] = _mm512_inserti32x4(v[r], _mm_loadu_si128(from[r + 16] + half), 2);
            v[r] = _mm512_inserti32x4(v[r], _mm_loadu_si128(from[r + 24] + half), 3);
        }
        GB_UNROLL
        for (int r = 0; r < 4; r++) { // pixels 2r and 2r + 1
            w[2 * r] = _mm512_unpacklo_epi16(v[2 * r], v[2 * r + 1]);
            w[2 * r + 1] = _mm512_unpackhi_epi16(v[2 * r], v[2 * r + 1]);
        }
        GB_UNROLL
        for (int r = 0; r < 2; r++) // four pixels: channels 0 and 1, 2 and 3, 4 and 5, 6 and 7
            GB_UNROLL
        for (int h = 0; h < 2; h++) {
            v[4 * r + 2 * h] = _mm512_unpacklo_epi32(w[4 * r + h], w[4 * r + 2 + h]);
            v[4 * r + 2 * h + 1] = _mm512_unpackhi_epi32(w[4 * r + h], w[4 * r + 2 + h]);
        }
        GB_UNROLL
        for (int q = 0; q < 4; q++) {
            uint16_t *row = to + (size_t)(8 * half + 2 * q) * to_row;
            _mm512_storeu_si512(row, _mm512_unpacklo_epi64(v[q], v[4 + q]));
            _mm512_storeu_si512(row + to_row, _mm512_unpackhi_epi64(v[q], v[4 + q]));
        }
    }
}

#endif
