// SPDX-License-Identifier: MIT
// The micro-kernel on AMX tiles: 16 pixels by 16 outputs in each of four sums, over all of K in
// blocks of 16 pairs along the filter rows. Part of conv_dot_body.c.
#ifndef GB_BF16_MULTIPLY_TILES_TMPL_H
#define GB_BF16_MULTIPLY_TILES_TMPL_H

#include "kernels/bf16/conv_dot.h"
#include "kernels/bf16/conv_dot_store_tmpl.h"
#include "kernels/simd/simd.h"

enum { WORK_SAVED = 4 }; // against fp32, or more
enum { TILE_ROWS = 16, MAX_MR = 4 * TILE_ROWS, MAX_BLOCK_PIXELS = 256 };
enum { TILE_ELEMENTS = 2 * GB_TILE_PAIRS, MAX_TILES = MAX_BLOCK_PIXELS / TILE_ROWS };

// Two by two sums read an operand half as often; one column of tiles needs four rows of them to
// hide the latency of 52 cycles.
static size_t micro_kernel_mr(size_t columns) {
    return columns > GB_LANES ? 2 * TILE_ROWS : MAX_MR;
}

// A block is one span where all of B stays in the second-level cache: its pixels stay in the first
// level, which is worth more than to keep a panel there.
static size_t block_pixels(const struct gb_dot_product *g) {
    enum { B_BYTES = 1 << 20 };
    return gb_bf16_packed_count(&g->b) * sizeof(gb_bf16) <= B_BYTES ? g->mr : MAX_BLOCK_PIXELS;
}

// Sums of 32 x 32 or 64 x 16, dense and stored at once: little of the first-level cache, which A
// and what passes of B fill.
struct kernel_state {
    _Alignas(GB_ALIGNMENT) float sums[MAX_MR * GB_LANES + GB_LANES];
};

// Where the pixels of a block read their windows; those of a tile are at equal distances, in the
// input or gathered in scratch.
struct dot_input {
    const gb_bf16 *a[MAX_BLOCK_PIXELS];
    ptrdiff_t row; // from a filter row to the next
    struct tile_rows {
        const gb_bf16 *a;
        ptrdiff_t pixel, row;
    } tiles[MAX_TILES];
};

static size_t row_elements(const struct gb_dot_product *g) {
    return 2 * g->row_pairs;
}
static size_t pixel_elements(const struct gb_dot_product *g) {
    return (size_t)g->rows.taps * row_elements(g);
}

static size_t micro_kernel_scratch(const struct gb_dot_product *g) {
    return g->block_spans * g->mr * pixel_elements(g) * sizeof(gb_bf16);
}

// Tile registers: sums 0 to 3; whole blocks of K in 4 and 6, the rest of a filter row in 5 and 7.
static void micro_kernel_begin(const struct gb_dot_product *g, struct kernel_state *state) {
    (void)state;
    const size_t rest = g->row_pairs % GB_TILE_PAIRS;
    struct gb_tile_shapes shapes = {.palette = 1};
    for (int tile = 0; tile < 8; tile++) {
        shapes.rows[tile] = TILE_ROWS;
        shapes.row_bytes[tile] = 2 * TILE_ELEMENTS;
    }
    if (rest) {
        shapes.row_bytes[5] = (uint16_t)(2 * sizeof(gb_bf16) * rest);
        shapes.rows[7] = (uint8_t)rest;
    }
    gb_tiles_configure(&shapes);
}
static void micro_kernel_end(struct kernel_state *state) {
    (void)state;
    gb_tiles_release();
}

static bool at_equal_distances(const gb_bf16 *const *a) {
    for (int m = 2; m < TILE_ROWS; m++)
        if (a[m] - a[m - 1] != a[1] - a[0])
            return false;
    return true;
}

static void micro_kernel_enter(const struct gb_dot_product *g, struct dot_input *in, size_t count,
                               void *scratch) {
    const size_t elements = pixel_elements(g), row = row_elements(g);
    gb_bf16 *gathered = scratch;
    for (size_t first = 0; first < count; first += TILE_ROWS) {
        struct tile_rows *tile = &in->tiles[first / TILE_ROWS];
        if (count - first >= TILE_ROWS && at_equal_distances(in->a + first)) {
            *tile = (struct tile_rows){in->a[first], in->a[first + 1] - in->a[first], in->row};
            continue;
        }
        *tile = (struct tile_rows){gathered, (ptrdiff_t)elements, (ptrdiff_t)row};
        for (size_t m = 0; m < TILE_ROWS; m++) {
            const gb_bf16 *a = in->a[gb_min_size(first + m, count - 1)];
            for (int r = 0; r < g->rows.taps; r++, gathered += row)
                memcpy(gathered, a + r * in->row, row * sizeof *gathered);
        }
    }
    gb_tiles_written();
}

#define LOAD_A(t, tile) gb_tile_load(t, a[tile], (size_t)in[tile].pixel * sizeof(gb_bf16))
#define LOAD_B(t, vector) gb_tile_load(t, b + 2 * GB_LANES * (vector), b_row)

// A block of K: A and B in the tiles `a_tile` and `b_tile`, and where all blocks have one length
// (`whole`) in `a_next` and `b_next`. Otherwise B's first tile is loaded again, which leaves
// registers for the blocks of another length.
#define STEP(a_tile, b_tile, a_next, b_next, whole)                                                \
    do {                                                                                           \
        LOAD_B(b_tile, 0);                                                                         \
        LOAD_A(a_tile, 0);                                                                         \
        gb_tile_multiply(0, a_tile, b_tile);                                                       \
        if (tiles == 2 && vectors == 2 && (whole)) {                                               \
            LOAD_B(b_next, 1);                                                                     \
            gb_tile_multiply(1, a_tile, b_next);                                                   \
            LOAD_A(a_next, 1);                                                                     \
            gb_tile_multiply(2, a_next, b_tile);                                                   \
            gb_tile_multiply(3, a_next, b_next);                                                   \
            break;                                                                                 \
        }                                                                                          \
        if (tiles == 2 && vectors == 2) {                                                          \
            LOAD_B(b_tile, 1);                                                                     \
            gb_tile_multiply(1, a_tile, b_tile);                                                   \
            LOAD_A(a_tile, 1);                                                                     \
            gb_tile_multiply(3, a_tile, b_tile);                                                   \
            LOAD_B(b_tile, 0);                                                                     \
            gb_tile_multiply(2, a_tile, b_tile);                                                   \
            break;                                                                                 \
        }                                                                                          \
        if (vectors > 1) {                                                                         \
            LOAD_B(b_tile, 1);                                                                     \
            gb_tile_multiply(1, a_tile, b_tile);                                                   \
        }                                                                                          \
        if (vectors > 2) {                                                                         \
            LOAD_B(b_tile, 2);                                                                     \
            gb_tile_multiply(2, a_tile, b_tile);                                                   \
        }                                                                                          \
        if (vectors > 3) {                                                                         \
            LOAD_B(b_tile, 3);                                                                     \
            gb_tile_multiply(3, a_tile, b_tile);                                                   \
        }                                                                                          \
        if (tiles > 1) {                                                                           \
            LOAD_A(a_tile, 1);                                                                     \
            gb_tile_multiply(1, a_tile, b_tile);                                                   \
        }                                                                                          \
        if (tiles > 2) {                                                                           \
            LOAD_A(a_tile, 2);                                                                     \
            gb_tile_multiply(2, a_tile, b_tile);                                                   \
        }                                                                                          \
        if (tiles > 3) {                                                                           \
            LOAD_A(a_tile, 3);                                                                     \
            gb_tile_multiply(3, a_tile, b_tile);                                                   \
        }                                                                                          \
    } while (0)

// `tiles` of pixels by `vectors` of outputs: 2 by 2, or up to 4 by 1.
GB_INLINE void multiply(const struct gb_dot_product *g, const struct tile_rows *in,
                        const gb_bf16 *b, size_t width, float *sums, int tiles, int vectors,
                        bool whole) {
    const size_t b_row = width * 2 * sizeof *b;
    const size_t row = (size_t)vectors * GB_LANES, down = TILE_ROWS * row;
    gb_tile_clear(0);
    gb_tile_clear(1);
    gb_tile_clear(2);
    gb_tile_clear(3);
    for (int r = 0; r < g->rows.taps; r++) {
        const gb_bf16 *a[4];
        size_t pairs = g->row_pairs;
        for (int t = 0; t < tiles; t++)
            a[t] = in[t].a + r * in[t].row;
        for (; pairs >= GB_TILE_PAIRS; pairs -= GB_TILE_PAIRS) {
            STEP(4, 6, 5, 7, whole);
            b += TILE_ELEMENTS * width;
            for (int t = 0; t < tiles; t++)
                a[t] += TILE_ELEMENTS;
        }
        if (!whole && pairs) {
            STEP(5, 7, 5, 7, false);
            b += 2 * pairs * width;
        }
    }
    gb_tile_store(0, sums, row * sizeof *sums);
    if (tiles == 2 && vectors == 2) {
        gb_tile_store(1, sums + GB_LANES, row * sizeof *sums);
        gb_tile_store(2, sums + down, row * sizeof *sums);
        gb_tile_store(3, sums + down + GB_LANES, row * sizeof *sums);
        return;
    }
    if (tiles * vectors > 1)
        gb_tile_store(1, sums + (tiles > 1 ? down : GB_LANES), row * sizeof *sums);
    if (tiles > 2)
        gb_tile_store(2, sums + 2 * down, row * sizeof *sums);
    if (tiles > 3)
        gb_tile_store(3, sums + 3 * down, row * sizeof *sums);
}

#define MULTIPLY(tiles, vectors)                                                                   \
    static void multiply_##tiles##_##vectors(const struct gb_dot_product *g,                       \
                                             const struct tile_rows *in, const gb_bf16 *b,         \
                                             size_t width, float *sums) {                          \
        if (g->row_pairs % GB_TILE_PAIRS == 0)                                                     \
            multiply(g, in, b, width, sums, tiles, vectors, true);                                 \
        else                                                                                       \
            multiply(g, in, b, width, sums, tiles, vectors, false);                                \
    }
MULTIPLY(1, 1)
MULTIPLY(2, 1)
MULTIPLY(3, 1)
MULTIPLY(4, 1)
MULTIPLY(1, 2)
MULTIPLY(2, 2)

// A panel of outputs, two vectors at a time.
static void micro_kernel(const struct gb_dot_product *g, const struct dot_input *in, size_t first,
                         const gb_bf16 *b, const struct tile *tile, struct kernel_state *state) {
    typedef void kernel(const struct gb_dot_product *, const struct tile_rows *, const gb_bf16 *,
                        size_t, float *);
    static kernel *const one[] = {multiply_1_1, multiply_2_1, multiply_3_1, multiply_4_1};
    static kernel *const two[] = {multiply_1_2, multiply_2_2};
    const struct tile_rows *tiles = &in->tiles[first / TILE_ROWS];
    const size_t tile_count = gb_ceil_div(tile->count, TILE_ROWS);
    const size_t vectors = tile->width / GB_LANES;
    for (size_t v = 0, some; v < vectors; v += some, b += 2 * GB_LANES * some) {
        some = tile_count <= 2 && v + 2 <= vectors ? 2 : 1;
        kernel *const multiply_some = some == 2 ? two[tile_count - 1] : one[tile_count - 1];
        multiply_some(g, tiles, b, tile->width, state->sums);
        struct sums sums = sums_at(tile, v, state->sums, some * GB_LANES);
        store_some(tile->stores, &sums, tile->count);
    }
}

#endif
