// SPDX-License-Identifier: MIT
// The micro-kernel: MR rows of A by one panel of B of NR columns, whose MR x NR sums stay in
// registers over all of the K it is given, so that every element is one chain of fused
// multiply-adds in the order of K. NR is 1 to GB_NR vectors wide, and MR as large as the registers
// allow: with AVX-512, 24 multiply-adds take 25 loads as 24 rows by 1 vector, 14 as 12 by 2 and 10
// as 6 by 4. Part of conv_body.c.
#ifndef GB_CONV_MICRO_KERNEL_TMPL_H
#define GB_CONV_MICRO_KERNEL_TMPL_H

#include <stdbool.h>

#include "kernels/conv/native.h"
#include "kernels/epilogue/activation.h"
#include "kernels/simd/simd.h"

enum {
    GB_MAX_MR = 24,
    GB_MAX_NR = 4,                                    // in vectors
    GB_MICROTILE_FLOATS = GB_ACCUMULATORS * GB_LANES, // the largest MR x NR
};
_Static_assert(GB_NR <= GB_MAX_NR && GB_ACCUMULATORS <= GB_MAX_MR, "micro-kernels to list below");

// ---- Packed B ----

// Panels of nearly equal width: 5 vectors are 3 and 2.
GB_INLINE struct gb_packed_b gb_packed_b_of(size_t k, size_t n) {
    size_t vectors = (n + GB_LANES - 1) / GB_LANES;
    size_t panels = (vectors + GB_NR - 1) / GB_NR;
    return (struct gb_packed_b){k, n, (vectors + panels - 1) / panels * GB_LANES};
}
GB_INLINE size_t gb_panel_count(struct gb_packed_b b) {
    return (b.n + b.nr - 1) / b.nr;
}
GB_INLINE size_t gb_padded_n(struct gb_packed_b b) {
    return (b.n + GB_LANES - 1) / GB_LANES * GB_LANES;
}
GB_INLINE size_t gb_packed_floats(struct gb_packed_b b) {
    return b.k * gb_padded_n(b);
}
GB_INLINE size_t gb_panel_width(struct gb_packed_b b, size_t panel) {
    size_t rest = gb_padded_n(b) - panel * b.nr;
    return rest < b.nr ? rest : b.nr;
}
GB_INLINE size_t gb_panel_offset(struct gb_packed_b b, size_t panel) {
    return panel * b.nr * b.k;
}
GB_INLINE size_t gb_packed_index(struct gb_packed_b b, size_t k, size_t n) {
    size_t panel = n / b.nr;
    return gb_panel_offset(b, panel) + k * gb_panel_width(b, panel) + n % b.nr;
}
// Rows of the micro-kernel for B's panels.
GB_INLINE size_t gb_mr_of(struct gb_packed_b b) {
    return GB_MICROTILE_FLOATS / b.nr;
}

// ---- The micro-kernel ----

// `count` steps of K from step `k` on, over which A is contiguous; `a` is where it begins.
struct gb_k_span {
    ptrdiff_t a;
    size_t k, count;
};

// An epilogue applied in registers: out[r*row + :] = act(scale * (sum + bias)), `lanes` columns of
// the last vector. Not for GB_TANH. NULL means bias 0, scale 1.
struct gb_store {
    float *out;
    ptrdiff_t row;
    int lanes;
    enum gb_activation activation;
    const float *bias, *scale;
};

// C = (first ? 0 : C) + A * B. A is row-major: row r begins at a + r*a_row, and K is contiguous
// within a span. With `store` the sums go there instead of to c.
typedef void gb_micro_kernel_nn(const float *a, const struct gb_k_span *spans, size_t count,
                                ptrdiff_t a_row, const float *b, float *c, ptrdiff_t c_row,
                                bool first, const struct gb_store *store);

// The same with A column-major: rows are contiguous and steps of K are a_k apart. C is contiguous.
typedef void gb_micro_kernel_tn(const float *a, const struct gb_k_span *spans, size_t count,
                                ptrdiff_t a_k, const float *b, float *c, bool first);

typedef gb_v gb_accumulators[GB_ACCUMULATORS][GB_NR];

GB_INLINE void gb_store_accumulators(int mr, int vectors, gb_accumulators sum,
                                     const struct gb_store *store, enum gb_activation activation) {
    GB_UNROLL
    for (int v = 0; v < vectors; v++) {
        gb_v bias = store->bias ? gb_v_load(store->bias + v * GB_LANES) : (gb_v){0};
        gb_v scale = store->scale ? gb_v_load(store->scale + v * GB_LANES) : gb_v_set(1.0f);
        GB_UNROLL
        for (int r = 0; r < mr; r++) {
            float *out = store->out + r * store->row + v * GB_LANES;
            gb_v y = gb_v_activate(activation, (sum[r][v] + bias) * scale);
            if (v < vectors - 1)
                gb_v_store(out, y);
            else
                gb_v_store_part(out, y, store->lanes);
        }
    }
}

// Rows of A are addressed by one pointer for every `base_rows`. Addressing modes scale a register
// by 8 at most: with a single pointer compilers spilled registers at 24 rows (1.1 times the time).
enum { GB_BASE_ROWS = 5 };

GB_INLINE void gb_micro_kernel(int mr, int vectors, int base_rows, const float *a,
                               const struct gb_k_span *spans, size_t count, ptrdiff_t a_row,
                               ptrdiff_t a_k, const float *b, float *c, ptrdiff_t c_row, bool first,
                               const struct gb_store *store) {
    if (vectors > GB_NR || mr * vectors > GB_ACCUMULATORS)
        return; // listed below, but not in the tables
    const int nr = vectors * GB_LANES;
    gb_accumulators sum;
    GB_UNROLL
    for (int r = 0; r < mr; r++) {
        GB_UNROLL
        for (int v = 0; v < vectors; v++)
            sum[r][v] = first ? (gb_v){0} : gb_v_load(c + r * c_row + v * GB_LANES);
    }
    do {
        const float *as[GB_ACCUMULATORS], *bs = b + spans->k * (size_t)nr;
        size_t steps = spans->count;
        GB_UNROLL
        for (int r = 0; r < mr; r += base_rows) {
            as[r / base_rows] = a + spans->a + r * a_row;
            GB_FORGET(as[r / base_rows]);
        }
        do {
            gb_v bv[GB_NR];
            GB_UNROLL
            for (int v = 0; v < vectors; v++)
                bv[v] = gb_v_load(bs + v * GB_LANES);
            GB_UNROLL
            for (int r = 0; r < mr; r++) {
                gb_v av = gb_v_set(as[r / base_rows][r % base_rows * a_row]);
                GB_UNROLL
                for (int v = 0; v < vectors; v++)
                    sum[r][v] = gb_v_fma(av, bv[v], sum[r][v]);
            }
            GB_UNROLL
            for (int r = 0; r < mr; r += base_rows)
                as[r / base_rows] += a_k;
            bs += nr;
        } while (--steps);
        spans++;
    } while (--count);
    if (store) {
        if (store->activation == GB_RELU)
            gb_store_accumulators(mr, vectors, sum, store, GB_RELU);
        else if (store->activation == GB_LEAKY_RELU)
            gb_store_accumulators(mr, vectors, sum, store, GB_LEAKY_RELU);
        else
            gb_store_accumulators(mr, vectors, sum, store, GB_IDENTITY);
        return;
    }
    GB_UNROLL
    for (int r = 0; r < mr; r++) {
        GB_UNROLL
        for (int v = 0; v < vectors; v++)
            gb_v_store(c + r * c_row + v * GB_LANES, sum[r][v]);
    }
}

// X(MR, NR in vectors) for all sizes that any instruction set may have.
// clang-format off
#define GB_EACH_MR(X, v)                                                                           \
    X(1, v) X(2, v) X(3, v) X(4, v) X(5, v) X(6, v) X(7, v) X(8, v) X(9, v) X(10, v) X(11, v)      \
    X(12, v) X(13, v) X(14, v) X(15, v) X(16, v) X(17, v) X(18, v) X(19, v) X(20, v) X(21, v)      \
    X(22, v) X(23, v) X(24, v)
// clang-format on
#define GB_EACH_MICRO_KERNEL(X) GB_EACH_MR(X, 1) GB_EACH_MR(X, 2) GB_EACH_MR(X, 3) GB_EACH_MR(X, 4)

#define GB_MICRO_KERNELS(mr, v)                                                                    \
    static void gb_micro_kernel_nn_##mr##x##v(                                                     \
        const float *a, const struct gb_k_span *spans, size_t count, ptrdiff_t a_row,              \
        const float *b, float *c, ptrdiff_t c_row, bool first, const struct gb_store *store) {     \
        gb_micro_kernel(mr, v, GB_BASE_ROWS, a, spans, count, a_row, 1, b, c, c_row, first,        \
                        store);                                                                    \
    }                                                                                              \
    static void gb_micro_kernel_tn_##mr##x##v(const float *a, const struct gb_k_span *spans,       \
                                              size_t count, ptrdiff_t a_k, const float *b,         \
                                              float *c, bool first) {                              \
        gb_micro_kernel(mr, v, mr, a, spans, count, 1, a_k, b, c, v *GB_LANES, first, NULL);       \
    }
GB_EACH_MICRO_KERNEL(GB_MICRO_KERNELS)
#undef GB_MICRO_KERNELS

// By vectors - 1 and MR - 1; NULL beyond this instruction set's registers.
#define GB_FITS(mr, v) ((v) <= GB_NR && (mr) * (v) <= GB_ACCUMULATORS)
#define GB_ENTRY_NN(mr, v) [v - 1][mr - 1] = GB_FITS(mr, v) ? gb_micro_kernel_nn_##mr##x##v : NULL,
#define GB_ENTRY_TN(mr, v) [v - 1][mr - 1] = GB_FITS(mr, v) ? gb_micro_kernel_tn_##mr##x##v : NULL,
static gb_micro_kernel_nn *const gb_micro_kernels_nn[GB_MAX_NR][GB_MAX_MR] = {
    GB_EACH_MICRO_KERNEL(GB_ENTRY_NN)};
static gb_micro_kernel_tn *const gb_micro_kernels_tn[GB_MAX_NR][GB_MAX_MR] = {
    GB_EACH_MICRO_KERNEL(GB_ENTRY_TN)};
#undef GB_ENTRY_NN
#undef GB_ENTRY_TN
#undef GB_FITS

GB_INLINE gb_micro_kernel_nn *gb_micro_kernel_nn_of(size_t mr, size_t nr) {
    return gb_micro_kernels_nn[nr / GB_LANES - 1][mr - 1];
}
GB_INLINE gb_micro_kernel_tn *gb_micro_kernel_tn_of(size_t mr, size_t nr) {
    return gb_micro_kernels_tn[nr / GB_LANES - 1][mr - 1];
}

#endif
