// SPDX-License-Identifier: MIT
// The weight gradient's micro-kernel on VDPBF16PS or BFDOT: MR channels by NR outputs, whose sums
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
