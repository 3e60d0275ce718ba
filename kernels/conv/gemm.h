// SPDX-License-Identifier: MIT
// The matrix products that convolution is made of. Both micro-kernels keep a tile of some rows by
// one to GB_TILE_VECTORS vectors of columns in registers for the whole sum, so that every element
// is one chain of fused multiply-adds in the order of the sum. A tile has as many rows as the
// registers allow: with AVX-512, 24 multiply-adds take 25 loads by 24 rows and 1 vector, 14 by 12
// rows and 2, 10 by 6 rows and 4; AVX2 has half the registers.
#ifndef GB_CONV_GEMM_H
#define GB_CONV_GEMM_H

#include <stdbool.h>

#include "kernels/conv/activation.h"
#include "kernels/simd/simd.h"

#define GB_SIX_TILES(X, v) X(1, v) X(2, v) X(3, v) X(4, v) X(5, v) X(6, v)
#define GB_EIGHT_TILES(X, v) GB_SIX_TILES(X, v) X(7, v) X(8, v)
#define GB_TWELVE_TILES(X, v) GB_EIGHT_TILES(X, v) X(9, v) X(10, v) X(11, v) X(12, v)
#define GB_NEXT_SIX_TILES(X, v) X(13, v) X(14, v) X(15, v) X(16, v) X(17, v) X(18, v)
#define GB_LAST_SIX_TILES(X, v) X(19, v) X(20, v) X(21, v) X(22, v) X(23, v) X(24, v)
enum { GB_TILE_VECTORS = GB_NR, GB_TILE_SUMS = GB_ACCUMULATORS };
#if GB_NR == 4 && GB_ACCUMULATORS == 24
#define GB_FOR_TILES(X)                                                                            \
    GB_TWELVE_TILES(X, 1)                                                                          \
    GB_NEXT_SIX_TILES(X, 1)                                                                        \
    GB_LAST_SIX_TILES(X, 1) GB_TWELVE_TILES(X, 2) GB_EIGHT_TILES(X, 3) GB_SIX_TILES(X, 4)
#elif GB_NR == 2 && GB_ACCUMULATORS == 12
#define GB_FOR_TILES(X) GB_TWELVE_TILES(X, 1) GB_SIX_TILES(X, 2)
#else
#error "no list of micro-kernels for these tile sizes"
#endif
enum { GB_TILE_FLOATS = GB_TILE_SUMS * GB_LANES };

// A matrix stored by panels of `width` columns, each panel row after row; the last panel is as many
// vectors wide as hold the rest. Columns of padding hold zeros.
struct gb_panels {
    size_t rows, columns, width;
};
// Panels of about equal width: 5 vectors are 3 and 2.
GB_INLINE struct gb_panels gb_panels_of(size_t rows, size_t columns) {
    size_t vectors = (columns + GB_LANES - 1) / GB_LANES;
    size_t panels = (vectors + GB_TILE_VECTORS - 1) / GB_TILE_VECTORS;
    return (struct gb_panels){rows, columns, (vectors + panels - 1) / panels * GB_LANES};
}
GB_INLINE size_t gb_panel_count(struct gb_panels p) {
    return (p.columns + p.width - 1) / p.width;
}
GB_INLINE size_t gb_panels_width(struct gb_panels p) { // all columns, padding included
    return (p.columns + GB_LANES - 1) / GB_LANES * GB_LANES;
}
GB_INLINE size_t gb_panels_floats(struct gb_panels p) {
    return p.rows * gb_panels_width(p);
}
GB_INLINE size_t gb_panel_width(struct gb_panels p, size_t panel) {
    size_t rest = gb_panels_width(p) - panel * p.width;
    return rest < p.width ? rest : p.width;
}
GB_INLINE size_t gb_panel_offset(struct gb_panels p, size_t panel) {
    return panel * p.width * p.rows;
}
GB_INLINE size_t gb_panel_index(struct gb_panels p, size_t row, size_t column) {
    size_t panel = column / p.width;
    return gb_panel_offset(p, panel) + row * gb_panel_width(p, panel) + column % p.width;
}
// The most rows of a tile beside a panel.
GB_INLINE size_t gb_tile_rows(struct gb_panels p) {
    return GB_TILE_FLOATS / p.width;
}

// Steps of a sum that run through memory evenly: where `a` is at the first of them, counted from a
// tile's base, and b's row there.
struct gb_segment {
    ptrdiff_t a;
    size_t b, steps;
};

// Where finished sums go, and by which epilogue: out[r*row + :] = act(scale * (sum + bias)), of
// whose last vector `lanes` columns are written. Not for GB_TANH. bias NULL is 0, scale NULL 1.
struct gb_tile_end {
    float *out;
    ptrdiff_t row;
    int lanes;
    enum gb_activation activation;
    const float *bias, *scale;
};

// c[r][:] = (fresh ? 0 : c[r][:]) + sum over all steps of a[r*a_row] * b[step][:] for one panel b,
// where `a` advances by one float from step to step and starts each segment anew. With `end` not
// NULL the sums go there instead.
typedef void gb_row_kernel(const float *a, const struct gb_segment *segments, size_t count,
                           ptrdiff_t a_row, const float *b, float *c, ptrdiff_t c_row, bool fresh,
                           const struct gb_tile_end *end);

// The same with a[r], where `a` advances by a_step; rows of c are contiguous.
typedef void gb_step_kernel(const float *a, const struct gb_segment *segments, size_t count,
                            ptrdiff_t a_step, const float *b, float *c, bool fresh);

// By rows and vectors; a tile has GB_TILE_SUMS of them at most.
typedef gb_v gb_tile_sums[GB_TILE_SUMS][GB_TILE_VECTORS];

GB_INLINE void gb_tile_finish(int rows, int vectors, gb_tile_sums sum,
                              const struct gb_tile_end *end, enum gb_activation activation) {
    GB_UNROLL
    for (int v = 0; v < vectors; v++) {
        gb_v bias = end->bias ? gb_v_load(end->bias + v * GB_LANES) : (gb_v){0};
        gb_v scale = end->scale ? gb_v_load(end->scale + v * GB_LANES) : gb_v_set(1.0f);
        GB_UNROLL
        for (int r = 0; r < rows; r++) {
            float *out = end->out + r * end->row + v * GB_LANES;
            gb_v y = gb_v_activate(activation, (sum[r][v] + bias) * scale);
            if (v < vectors - 1)
                gb_v_store(out, y);
            else
                gb_v_store_part(out, y, end->lanes);
        }
    }
}

// Rows of `a` are reached by one pointer for every base_rows of them. Processors add at most eight
// times a register to one: with a pointer for all, compilers spilled what 24 rows need, and 3x3
// from 3 to 16 channels took 1.1 times as long.
enum { GB_BASE_ROWS = 5 };

GB_INLINE void gb_tile(int rows, int vectors, int base_rows, const float *a,
                       const struct gb_segment *segments, size_t count, ptrdiff_t a_row,
                       ptrdiff_t a_step, const float *b, float *c, ptrdiff_t c_row, bool fresh,
                       const struct gb_tile_end *end) {
    const int width = vectors * GB_LANES;
    gb_tile_sums sum;
    GB_UNROLL
    for (int r = 0; r < rows; r++) {
        GB_UNROLL
        for (int v = 0; v < vectors; v++)
            sum[r][v] = fresh ? (gb_v){0} : gb_v_load(c + r * c_row + v * GB_LANES);
    }
    do {
        const float *as[GB_TILE_SUMS], *bs = b + segments->b * (size_t)width;
        size_t steps = segments->steps;
        GB_UNROLL
        for (int r = 0; r < rows; r += base_rows) {
            as[r / base_rows] = a + segments->a + r * a_row;
            GB_FORGET(as[r / base_rows]);
        }
        do {
            gb_v bv[GB_TILE_VECTORS];
            GB_UNROLL
            for (int v = 0; v < vectors; v++)
                bv[v] = gb_v_load(bs + v * GB_LANES);
            GB_UNROLL
            for (int r = 0; r < rows; r++) {
                gb_v av = gb_v_set(as[r / base_rows][r % base_rows * a_row]);
                GB_UNROLL
                for (int v = 0; v < vectors; v++)
                    sum[r][v] = gb_v_fma(av, bv[v], sum[r][v]);
            }
            GB_UNROLL
            for (int r = 0; r < rows; r += base_rows)
                as[r / base_rows] += a_step;
            bs += width;
        } while (--steps);
        segments++;
    } while (--count);
    if (end) {
        if (end->activation == GB_RELU)
            gb_tile_finish(rows, vectors, sum, end, GB_RELU);
        else if (end->activation == GB_LEAKY_RELU)
            gb_tile_finish(rows, vectors, sum, end, GB_LEAKY_RELU);
        else
            gb_tile_finish(rows, vectors, sum, end, GB_IDENTITY);
        return;
    }
    GB_UNROLL
    for (int r = 0; r < rows; r++) {
        GB_UNROLL
        for (int v = 0; v < vectors; v++)
            gb_v_store(c + r * c_row + v * GB_LANES, sum[r][v]);
    }
}

#define GB_ONE_TILE(r, v)                                                                          \
    static void gb_row_tile_##r##x##v(                                                             \
        const float *a, const struct gb_segment *segments, size_t count, ptrdiff_t a_row,          \
        const float *b, float *c, ptrdiff_t c_row, bool fresh, const struct gb_tile_end *end) {    \
        gb_tile(r, v, GB_BASE_ROWS, a, segments, count, a_row, 1, b, c, c_row, fresh, end);        \
    }                                                                                              \
    static void gb_step_tile_##r##x##v(const float *a, const struct gb_segment *segments,          \
                                       size_t count, ptrdiff_t a_step, const float *b, float *c,   \
                                       bool fresh) {                                               \
        gb_tile(r, v, r, a, segments, count, 1, a_step, b, c, v *GB_LANES, fresh, NULL);           \
    }
GB_FOR_TILES(GB_ONE_TILE)
#undef GB_ONE_TILE

// By vectors - 1 and rows - 1.
#define GB_ROW_KERNEL(r, v) [v - 1][r - 1] = gb_row_tile_##r##x##v,
#define GB_STEP_KERNEL(r, v) [v - 1][r - 1] = gb_step_tile_##r##x##v,
static gb_row_kernel *const gb_row_kernels[GB_TILE_VECTORS][GB_TILE_SUMS] = {
    GB_FOR_TILES(GB_ROW_KERNEL)};
static gb_step_kernel *const gb_step_kernels[GB_TILE_VECTORS][GB_TILE_SUMS] = {
    GB_FOR_TILES(GB_STEP_KERNEL)};
#undef GB_ROW_KERNEL
#undef GB_STEP_KERNEL

#endif
