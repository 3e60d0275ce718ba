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

#endif
