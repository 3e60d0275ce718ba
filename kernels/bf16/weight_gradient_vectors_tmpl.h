// SPDX-License-Identifier: MIT
// The weight gradient's micro-kernel on VDPBF16PS or BFMMLA: MR channels by NR outputs, whose sums
// stay in registers over all pairs of a block. Part of weight_gradient_body.c.
#ifndef GB_BF16_WEIGHT_GRADIENT_VECTORS_TMPL_H
#define GB_BF16_WEIGHT_GRADIENT_VECTORS_TMPL_H

#include "kernels/bf16/packed.h"
#include "kernels/bf16/weight_gradient.h"
#include "kernels/simd/simd.h"

// Sixteen sums, of channels that one vector of packed x has.
enum { MR = GB_LANES < 8 ? GB_LANES : 8, VECTORS = 16 / MR, NR = VECTORS * GB_LANES };
static_assert((int)NR == (int)GB_BF16_VECTOR || VECTORS == 2,
              "one vector is left of a panel, or none");

enum { WORK_SAVED = 1 }; // against fp32
enum { A_IS_TRANSPOSED = false };

static void micro_kernel_begin(void) {}
static void micro_kernel_end(void) {}

#ifdef GB_HAS_PAIR_BLOCKS
static_assert((int)MR == (int)GB_LANES && MR == 4, "x is two times two channels");

// Two pairs, or the last one and zeros. A sum has the products of two channels with two outputs:
// [channels][vector][lower, upper].
GB_INLINE void multiply_pairs(gb_v sum[MR / 2][VECTORS][2], const gb_bf16 *a, const gb_bf16 *b,
                              size_t b_vector, bool last, int vectors) {
    const gb_pairs x0 = gb_pairs_load(a);
    const gb_pairs x1 = last ? gb_pairs_negative_zeros() : gb_pairs_load(a + 2 * GB_LANES);
    const gb_pairs x[] = {gb_pairs_lower_rows(x0, x1), gb_pairs_upper_rows(x0, x1)};
    GB_UNROLL
    for (int v = 0; v < vectors; v++, b += b_vector) {
        const gb_pairs y0 = gb_pairs_load(b);
        const gb_pairs y1 = last ? (gb_pairs){0} : gb_pairs_load(b + 2 * GB_LANES);
        const gb_pairs y[] = {gb_pairs_lower_rows(y0, y1), gb_pairs_upper_rows(y0, y1)};
        GB_UNROLL
        for (int i = 0; i < 4; i++) {
            gb_v *s = &sum[i / 2][v][i % 2];
            *s = gb_pairs_multiply(*s, x[i / 2], y[i % 2]);
        }
    }
}

GB_INLINE void multiply(const struct gb_gradient_operands *in, const gb_bf16 *a, const gb_bf16 *b,
                        size_t width, float *sums, bool add, int vectors) {
    gb_v sum[MR / 2][VECTORS][2] = {0};
    GB_UNROLL
    for (int m = 0; m < MR; m += 2) {
        GB_UNROLL
        for (int v = 0; add && v < vectors; v++) {
            const float *row = sums + (size_t)m * width + v * GB_LANES;
            const gb_v first = gb_v_load(row), second = gb_v_load(row + width);
            sum[m / 2][v][0] = gb_pairs_row_sums(first, second, 0); // its own inverse
            sum[m / 2][v][1] = gb_pairs_row_sums(first, second, 1);
        }
    }
    for (size_t s = 0; s < in->segments; s++) {
        const gb_bf16 *pa = a + s * in->a_segment * 2 * GB_LANES;
        const gb_bf16 *pb = b + s * in->b_segment * 2 * GB_LANES;
        size_t p = 0;
        for (; p + 2 <= in->pairs; p += 2, pa += 4 * GB_LANES, pb += 4 * GB_LANES)
            multiply_pairs(sum, pa, pb, in->b_vector, false, vectors);
        if (p < in->pairs)
            multiply_pairs(sum, pa, pb, in->b_vector, true, vectors);
    }
    GB_UNROLL
    for (int m = 0; m < MR; m++) {
        GB_UNROLL
        for (int v = 0; v < vectors; v++) {
            const gb_v *s = sum[m / 2][v];
            gb_v_store(sums + (size_t)m * width + v * GB_LANES,
                       gb_pairs_row_sums(s[0], s[1], m % 2));
        }
    }
}
#else
GB_INLINE void multiply(const struct gb_gradient_operands *in, const gb_bf16 *a, const gb_bf16 *b,
                        size_t width, float *sums, bool add, int vectors) {
    gb_v sum[MR][VECTORS] = {0};
    for (int m = 0; add && m < MR; m++)
        for (int v = 0; v < vectors; v++)
            sum[m][v] = gb_v_load(sums + (size_t)m * width + v * GB_LANES);
    for (size_t s = 0; s < in->segments; s++) {
        const gb_bf16 *pa = a + s * in->a_segment * 2 * GB_LANES;
        const gb_bf16 *pb = b + s * in->b_segment * 2 * GB_LANES;
        for (size_t p = 0; p < in->pairs; p++, pa += 2 * GB_LANES, pb += 2 * GB_LANES) {
            gb_pairs dy[VECTORS];
            GB_UNROLL
            for (int v = 0; v < vectors; v++)
                dy[v] = gb_pairs_load(pb + (size_t)v * in->b_vector);
            GB_UNROLL
            for (int m = 0; m < MR; m++) {
                const gb_pairs x = gb_pairs_set(pa + 2 * m);
                GB_UNROLL
                for (int v = 0; v < vectors; v++)
                    sum[m][v] = gb_pairs_dot(sum[m][v], x, dy[v]);
            }
        }
    }
    for (int m = 0; m < MR; m++)
        for (int v = 0; v < vectors; v++)
            gb_v_store(sums + (size_t)m * width + v * GB_LANES, sum[m][v]);
}
#endif

static void multiply_1(const struct gb_gradient_operands *in, const gb_bf16 *a, const gb_bf16 *b,
                       size_t width, float *sums, bool add) {
    multiply(in, a, b, width, sums, add, 1);
}
static void multiply_all(const struct gb_gradient_operands *in, const gb_bf16 *a, const gb_bf16 *b,
                         size_t width, float *sums, bool add) {
    multiply(in, a, b, width, sums, add, VECTORS);
}

// `channels` by `width` sums, rounded up to whole micro-tiles; added to those before, or set.
static void multiply_unit(const struct gb_gradient_operands *in, size_t channels, size_t width,
                          float *sums, bool add) {
    for (size_t m = 0; m < channels; m += MR) {
        const gb_bf16 *a = in->a + m / GB_LANES * in->a_panel + m % GB_LANES * 2;
        for (size_t o = 0; o < width; o += NR)
            (o + NR <= width ? multiply_all : multiply_1)(
                in, a, in->b + o / GB_LANES * in->b_vector, width, sums + m * width + o, add);
    }
}

#endif
