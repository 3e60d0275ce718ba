// SPDX-License-Identifier: MIT
// The micro-kernel on VDPBF16PS or BFMMLA: MR pixels by up to four vectors of outputs, whose sums
// stay in registers over all of K. Part of conv_dot_body.c.
#ifndef GB_BF16_MULTIPLY_VECTORS_TMPL_H
#define GB_BF16_MULTIPLY_VECTORS_TMPL_H

#include "kernels/bf16/conv_dot.h"
#include "kernels/bf16/conv_dot_store_tmpl.h"
#include "kernels/simd/simd.h"

enum { MAX_MR = 12, MAX_BLOCK_PIXELS = 192 };
enum { WORK_SAVED = 1 }; // against fp32
enum { SLICE = 4 * GB_LANES };

// At most 24 sums; a vector takes 12 broadcasts, enough to hide the latency of the additions.
static size_t micro_kernel_mr(size_t columns) {
    return columns >= 4 * GB_LANES ? 6 : columns > 2 * GB_LANES ? 8 : MAX_MR;
}

static size_t block_pixels(const struct gb_dot_product *g) {
    (void)g;
    return MAX_BLOCK_PIXELS;
}

struct kernel_state {
    _Alignas(GB_ALIGNMENT) float sums[MAX_MR * GB_BF16_NR + GB_LANES];
};

// Where the pixels of a block read their windows.
struct dot_input {
    const gb_bf16 *a[MAX_BLOCK_PIXELS];
    ptrdiff_t row; // from a filter row to the next
};

static size_t micro_kernel_scratch(const struct gb_dot_product *g) {
    (void)g;
    return 0;
}
static void micro_kernel_begin(const struct gb_dot_product *g, struct kernel_state *state) {
    (void)g, (void)state;
}
static void micro_kernel_end(struct kernel_state *state) {
    (void)state;
}
static void micro_kernel_enter(const struct gb_dot_product *g, struct dot_input *in, size_t count,
                               void *scratch) {
    (void)g, (void)in, (void)count, (void)scratch;
}

// Elements from a row of the panel to the next, and of the sums.
static inline size_t row_width(size_t width, int vectors) {
    return (int)SLICE < (int)GB_BF16_NR ? width : (size_t)vectors * GB_LANES;
}

#ifdef GB_HAS_PAIR_BLOCKS
// Two rows of B, or the last one and zeros, for `mr` pixels in twos. A sum has the products of two
// pixels with two outputs: [pixels][vector][lower, upper].
GB_INLINE void multiply_rows(gb_v *sum, const gb_pairs *x, const gb_bf16 *b, size_t row, bool last,
                             int mr, int vectors) {
    GB_UNROLL
    for (int v = 0; v < vectors; v++, b += 2 * GB_LANES) {
        const gb_pairs first = gb_pairs_load(b);
        const gb_pairs second = last ? (gb_pairs){0} : gb_pairs_load(b + 2 * row);
        const gb_pairs lower = gb_pairs_lower_rows(first, second);
        const gb_pairs upper = gb_pairs_upper_rows(first, second);
        GB_UNROLL
        for (int m = 0; m < mr / 2; m++) {
            gb_v *s = sum + 2 * (m * vectors + v);
            s[0] = gb_pairs_multiply(s[0], x[m], lower);
            s[1] = gb_pairs_multiply(s[1], x[m], upper);
        }
    }
}

GB_INLINE void multiply(const struct gb_dot_product *g, const struct dot_input *in, size_t first,
                        size_t count, const gb_bf16 *b, size_t width, float *sums, int mr,
                        int vectors) {
    const size_t row = row_width(width, vectors);
    gb_v sum[24] = {0};
    for (int r = 0; r < g->rows.taps; r++) {
        const gb_bf16 *a[MAX_MR];
        gb_pairs x[MAX_MR / 2];
        size_t p = 0;
        GB_UNROLL
        for (int m = 0; m < mr; m++)
            a[m] = in->a[first + gb_min_size((size_t)m, count - 1)] + r * in->row;
        for (; p + 2 <= g->row_pairs; p += 2, b += 4 * row) {
            GB_UNROLL
            for (int m = 0; m < mr; m += 2)
                x[m / 2] = gb_pairs_rows(a[m] + 2 * p, a[m + 1] + 2 * p, false);
            multiply_rows(sum, x, b, row, false, mr, vectors);
        }
        if (p == g->row_pairs)
            continue;
        GB_UNROLL
        for (int m = 0; m < mr; m += 2)
            x[m / 2] = gb_pairs_rows(a[m] + 2 * p, a[m + 1] + 2 * p, true);
        multiply_rows(sum, x, b, row, true, mr, vectors);
        b += 2 * row;
    }
    GB_UNROLL
    for (int m = 0; m < mr; m++) {
        GB_UNROLL
        for (int v = 0; v < vectors; v++) {
            const gb_v *s = sum + 2 * (m / 2 * vectors + v);
            gb_v_store(sums + (size_t)m * row + v * GB_LANES, gb_pairs_row_sums(s[0], s[1], m % 2));
        }
    }
}
#else
GB_INLINE void multiply(const struct gb_dot_product *g, const struct dot_input *in, size_t first,
                        size_t count, const gb_bf16 *b, size_t width, float *sums, int mr,
                        int vectors) {
    const size_t row = row_width(width, vectors);
    gb_v sum[24] = {0};
    for (int r = 0; r < g->rows.taps; r++) {
        const gb_bf16 *a[MAX_MR];
        GB_UNROLL
        for (int m = 0; m < mr; m++)
            a[m] = in->a[first + gb_min_size((size_t)m, count - 1)] + r * in->row;
        for (size_t p = 0; p < g->row_pairs; p++, b += 2 * row) {
            gb_pairs pairs[4];
            GB_UNROLL
            for (int v = 0; v < vectors; v++)
                pairs[v] = gb_pairs_load(b + 2 * GB_LANES * v);
            GB_UNROLL
            for (int m = 0; m < mr; m++) {
                const gb_pairs x = gb_pairs_set(a[m] + 2 * p);
                GB_UNROLL
                for (int v = 0; v < vectors; v++)
                    sum[m * vectors + v] = gb_pairs_dot(sum[m * vectors + v], x, pairs[v]);
            }
        }
    }
    GB_UNROLL
    for (int m = 0; m < mr; m++) {
        GB_UNROLL
        for (int v = 0; v < vectors; v++)
            gb_v_store(sums + (size_t)m * row + v * GB_LANES, sum[m * vectors + v]);
    }
}
#endif

#define MULTIPLY(mr, vectors)                                                                      \
    static void multiply_##mr##_##vectors(const struct gb_dot_product *g,                          \
                                          const struct dot_input *in, size_t first, size_t count,  \
                                          const gb_bf16 *b, size_t width, float *sums) {           \
        multiply(g, in, first, count, b, width, sums, mr, vectors);                                \
    }
MULTIPLY(2, 4)
MULTIPLY(4, 4)
MULTIPLY(6, 4)
MULTIPLY(2, 3)
MULTIPLY(4, 3)
MULTIPLY(6, 3)
MULTIPLY(8, 3)
MULTIPLY(2, 2)
MULTIPLY(4, 2)
MULTIPLY(8, 2)
MULTIPLY(12, 2)
MULTIPLY(4, 1)
MULTIPLY(8, 1)
MULTIPLY(12, 1)

// The fewest pixels of those above that hold `count`, by up to four vectors of outputs.
static void multiply_slice(const struct gb_dot_product *g, const struct dot_input *in, size_t first,
                           size_t count, const gb_bf16 *b, size_t width, size_t vectors,
                           float *sums) {
    switch (vectors) {
    case 4:
        (count > 4   ? multiply_6_4
         : count > 2 ? multiply_4_4
                     : multiply_2_4)(g, in, first, count, b, width, sums);
        break;
    case 3:
        (count > 6   ? multiply_8_3
         : count > 4 ? multiply_6_3
         : count > 2 ? multiply_4_3
                     : multiply_2_3)(g, in, first, count, b, width, sums);
        break;
    case 2:
        (count > 8   ? multiply_12_2
         : count > 4 ? multiply_8_2
         : count > 2 ? multiply_4_2
                     : multiply_2_2)(g, in, first, count, b, width, sums);
        break;
    default:
        (count > 8   ? multiply_12_1
         : count > 4 ? multiply_8_1
                     : multiply_4_1)(g, in, first, count, b, width, sums);
    }
}

// A panel, which is several slices where vectors are short.
static void micro_kernel(const struct gb_dot_product *g, const struct dot_input *in, size_t first,
                         const gb_bf16 *b, const struct tile *tile, struct kernel_state *state) {
    const size_t width = tile->width;
    for (size_t at = 0; at < width; at += SLICE)
        multiply_slice(g, in, first, tile->count, b + 2 * at, width,
                       gb_min_size(width - at, SLICE) / GB_LANES, state->sums + at);
    for (size_t v = 0; v * GB_LANES < width; v += 2) {
        struct sums sums = sums_at(tile, v, state->sums + v * GB_LANES, width);
        store_some(tile->stores, &sums, tile->count);
    }
}

#endif
