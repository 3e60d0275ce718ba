// SPDX-License-Identifier: MIT
// The weight gradient's micro-kernel on AMX tiles: 16 channels by 16 outputs in each of up to four
// sums, over all pairs of a block. Part of weight_gradient_body.c.
#ifndef GB_BF16_WEIGHT_GRADIENT_TILES_TMPL_H
#define GB_BF16_WEIGHT_GRADIENT_TILES_TMPL_H

#include "kernels/bf16/units.h"
#include "kernels/bf16/weight_gradient.h"
#include "kernels/simd/simd.h"

enum { TILE = GB_TILE_PAIRS, MR = 2 * TILE, NR = 2 * TILE };
static_assert(GB_LANES == GB_TILE_PAIRS, "a tile is as wide as a vector");

enum { WORK_SAVED = 4 };         // against fp32
enum { KC = 128 };               // pairs of operands of a unit that stay in the first-level cache
enum { A_IS_TRANSPOSED = true }; // a row of pairs for each channel

static void micro_kernel_begin(void) {
    struct gb_tile_shapes shapes = {.palette = 1};
    for (int tile = 0; tile < 8; tile++) {
        shapes.rows[tile] = TILE;
        shapes.row_bytes[tile] = 64;
    }
    gb_tiles_configure(&shapes);
}
static void micro_kernel_end(void) {
    gb_tiles_release();
}

// `tiles` of channels by `vectors` of outputs, at most four sums: 2 by 2, or one row. A is in the
// tile registers 4 and 5, B in 6 and 7.
GB_INLINE void multiply(const struct gb_gradient_operands *in, const gb_bf16 *a, const gb_bf16 *b,
                        size_t width, float *sums, bool add, int tiles, int vectors) {
    const size_t row = width * sizeof *sums, a_row = in->a_row * sizeof *a;
    const size_t a_step = in->a_pair * TILE;
    float *below = sums + TILE * width;
    const bool four = vectors == 4;
    gb_tile_clear(0);
    gb_tile_clear(1);
    gb_tile_clear(2);
    gb_tile_clear(3);
    if (add) {
        gb_tile_load(0, sums, row);
        if (vectors > 1)
            gb_tile_load(1, sums + TILE, row);
        if (tiles > 1 || four)
            gb_tile_load(2, four ? sums + 2 * TILE : below, row);
        if ((tiles > 1 && vectors > 1) || four)
            gb_tile_load(3, four ? sums + 3 * TILE : below + TILE, row);
    }
    for (size_t s = 0; s < in->segments; s++) {
        const gb_bf16 *pa = a + s * in->a_segment * in->a_pair;
        const gb_bf16 *pb = b + s * in->b_segment * 2 * TILE;
        for (size_t p = 0; p < in->pairs; p += TILE, pa += a_step, pb += 2 * TILE * TILE) {
            gb_tile_load(6, pb, 64);
            gb_tile_load(4, pa, a_row);
            gb_tile_multiply(0, 4, 6);
            if (vectors > 1) {
                gb_tile_load(7, pb + in->b_vector, 64);
                gb_tile_multiply(1, 4, 7);
            }
            if (tiles > 1) {
                gb_tile_load(5, pa + in->a_panel, a_row);
                gb_tile_multiply(2, 5, 6);
            }
            if (tiles > 1 && vectors > 1)
                gb_tile_multiply(3, 5, 7);
            if (four) {
                gb_tile_load(5, pb + 2 * in->b_vector, 64);
                gb_tile_multiply(2, 4, 5);
                gb_tile_load(6, pb + 3 * in->b_vector, 64);
                gb_tile_multiply(3, 4, 6);
            }
        }
    }
    gb_tile_store(0, sums, row);
    if (vectors > 1)
        gb_tile_store(1, sums + TILE, row);
    if (tiles > 1 || four)
        gb_tile_store(2, four ? sums + 2 * TILE : below, row);
    if ((tiles > 1 && vectors > 1) || four)
        gb_tile_store(3, four ? sums + 3 * TILE : below + TILE, row);
}

#define MULTIPLY(tiles, vectors)                                                                   \
    static void multiply_##tiles##_##vectors(const struct gb_gradient_operands *in,                \
                                             const gb_bf16 *a, const gb_bf16 *b, size_t width,     \
                                             float *sums, bool add) {                              \
        multiply(in, a, b, width, sums, add, tiles, vectors);                                      \
    }
MULTIPLY(1, 1)
MULTIPLY(1, 2)
MULTIPLY(1, 4)
MULTIPLY(2, 1)
MULTIPLY(2, 2)

// `channels` by `width` sums, rounded up to whole tiles, of some pairs; added to those before, or
// set. A single row of sums takes four at a time: two do not hide the latency of 52 cycles.
static void multiply_pairs(const struct gb_gradient_operands *in, size_t channels, size_t width,
                           float *sums, bool add) {
    for (size_t m = 0; m < channels; m += MR)
        for (size_t o = 0, step; o < width; o += step) {
            const bool row = channels - m <= TILE;
            const gb_bf16 *a = in->a + m / TILE * in->a_panel;
            const gb_bf16 *b = in->b + o / TILE * in->b_vector;
            float *to = sums + m * width + o;
            step = row && o + 2 * NR <= width ? 2 * NR : o + NR <= width ? NR : TILE;
            if (row)
                (step > NR    ? multiply_1_4
                 : step == NR ? multiply_1_2
                              : multiply_1_1)(in, a, b, width, to, add);
            else
                (step == NR ? multiply_2_2 : multiply_2_1)(in, a, b, width, to, add);
        }
}

// The same of all pairs, in pieces whose operands stay in the first-level cache.
static void multiply_unit(const struct gb_gradient_operands *in, size_t channels, size_t width,
                          float *sums, bool add) {
    gb_tiles_written();
    if (channels <= MR && width <= NR) {
        multiply_pairs(in, channels, width, sums, add);
        return;
    }
    for (size_t s = 0; s < in->segments; s++)
        for (size_t p = 0; p < in->pairs; p += KC) {
            struct gb_gradient_operands some = *in;
            some.segments = 1;
            some.pairs = gb_min_size(in->pairs - p, KC);
            some.a += (s * in->a_segment + p) * in->a_pair;
            some.b += (s * in->b_segment + p) * 2 * TILE;
            multiply_pairs(&some, channels, width, sums, add || s > 0 || p > 0);
        }
}

#endif
