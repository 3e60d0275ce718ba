// SPDX-License-Identifier: MIT
// Products of bf16 matrices in tile registers, added to fp32: 16 x 32 times 32 x 16.
#include <immintrin.h>
#include <stdint.h>

#include "bench/peaks/peaks_body.h"
#include "kernels/cpu.h"

enum { ROWS = 16, COLUMNS = 16, DEPTH = 32, SUMS = 4, TILES = 8 };

// The layout that LDTILECFG reads.
struct tile_configuration {
    uint8_t palette, start_row, reserved[14];
    uint16_t row_bytes[16];
    uint8_t rows[16];
};

static float tile_rounds(size_t rounds) {
    struct tile_configuration configuration = {.palette = 1};
    for (int tile = 0; tile < TILES; tile++) {
        configuration.row_bytes[tile] = 64;
        configuration.rows[tile] = ROWS;
    }
    _tile_loadconfig(&configuration);
    uint16_t ones[ROWS * DEPTH];
    for (int i = 0; i < ROWS * DEPTH; i++)
        ones[i] = 0x3f80; // 1 as bf16
    // Four sums, as a kernel of two by two tiles has, hide the latency.
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
    _tile_loadd(4, ones, 64);
    _tile_loadd(5, ones, 64);
    _tile_loadd(6, ones, 64);
    _tile_loadd(7, ones, 64);
    for (size_t round = 0; round < rounds; round++) {
        _tile_dpbf16ps(0, 4, 6);
        _tile_dpbf16ps(1, 4, 7);
        _tile_dpbf16ps(2, 5, 6);
        _tile_dpbf16ps(3, 5, 7);
    }
    float sum[ROWS * COLUMNS];
    _tile_stored(0, sum, 64);
    _tile_release();
    return sum[0];
}

const struct gb_fma_body gb_fma_body__amx_bf16 = {
    .isa = "amx_bf16",
    .precision = "bf16",
    .cpu_level = offsetof(struct gb_cpu, amx_bf16),
    .flops_a_round = 2.0 * SUMS * ROWS * COLUMNS * DEPTH,
    .run = tile_rounds,
};
