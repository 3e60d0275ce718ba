// SPDX-License-Identifier: MIT
// The matrix products that convolution is made of. Both micro-kernels keep a tile of GB_TILE_ROWS
// rows by one or two vectors of columns in registers for the whole sum, so that every element is
// one chain of fused multiply-adds in the order of the sum. The tile is as tall as the registers
// allow: with 12 rows, AVX-512 does 24 multiply-adds for 14 loads; AVX2 has half the registers.
#ifndef GB_CONV_GEMM_H
#define GB_CONV_GEMM_H

#include <stdbool.h>

#include "kernels/simd/simd.h"

#if GB_ISA_ID == GB_ISA_ID_avx512
enum { GB_TILE_ROWS = 12 };
#define GB_FOR_TILE_ROWS(X) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11) X(12)
#elif GB_ISA_ID == GB_ISA_ID_avx2
enum { GB_TILE_ROWS = 6 };
#define GB_FOR_TILE_ROWS(X) X(1) X(2) X(3) X(4) X(5) X(6)
#else
#error "no tile for this instruction set"
#endif
enum { GB_TILE_VECTORS = 2, GB_TILE_COLUMNS = GB_TILE_VECTORS * GB_LANES };

// A matrix stored by panels of GB_TILE_COLUMNS columns, each panel row after row; the last panel is
// one vector wide where that holds the rest. Columns of padding hold zeros.
struct gb_panels {
    size_t rows, columns;
};
GB_INLINE size_t gb_panel_count(struct gb_panels p) {
    return (p.columns + GB_TILE_COLUMNS - 1) / GB_TILE_COLUMNS;
}
GB_INLINE size_t gb_panels_width(struct gb_panels p) { // all columns, padding included
    return (p.columns + GB_LANES - 1) / GB_LANES * GB_LANES;
}
GB_INLINE size_t gb_panels_floats(struct gb_panels p) {
    return p.rows * gb_panels_width(p);
}
GB_INLINE size_t gb_panel_width(struct gb_panels p, size_t panel) {
    size_t rest = gb_panels_width(p) - panel * GB_TILE_COLUMNS;
    return rest < GB_TILE_COLUMNS ? rest : GB_TILE_COLUMNS;
}
GB_INLINE size_t gb_panel_offset(struct gb_panels p, size_t panel) {
    return panel * GB_TILE_COLUMNS * p.rows;
}
GB_INLINE size_t gb_panel_index(struct gb_panels p, size_t row, size_t column) {
    size_t panel = column / GB_TILE_COLUMNS;
    return gb_panel_offset(p, panel) + row * gb_panel_width(p, panel) + column % GB_TILE_COLUMNS;
}

// Steps of a sum that run through memory evenly: where `a` is at the first of them, counted from a
// tile's base, and b's row there.
struct gb_segment {
    ptrdiff_t a;
    size_t b, steps;
};

// c[r][:] = (fresh ? 0 : c[r][:]) + sum over all steps of a[r*a_row] * b[step][:] for one panel b,
// where `a` advances by one float from step to step and starts each segment anew.
typedef void gb_row_kernel(const float *a, const struct gb_segment *segments, size_t count,
                           ptrdiff_t a_row, const float *b, float *c, ptrdiff_t c_row, bool fresh);

// The same with a[r], where `a` advances by a_step; rows of c are contiguous.
typedef void gb_step_kernel(const float *a, const struct gb_segment *segments, size_t count,
                            ptrdiff_t a_step, const float *b, float *c, bool fresh);

GB_INLINE void gb_tile(int rows, int vectors, const float *a, const struct gb_segment *segments,
                       size_t count, ptrdiff_t a_row, ptrdiff_t a_step, const float *b, float *c,
                       ptrdiff_t c_row, bool fresh) {
    const int width = vectors * GB_LANES;
    gb_v sum[GB_TILE_ROWS][GB_TILE_VECTORS];
    GB_UNROLL
    for (int r = 0; r < rows; r++) {
        GB_UNROLL
        for (int v = 0; v < vectors; v++)
            sum[r][v] = fresh ? (gb_v){0} : gb_v_load(c + r * c_row + v * GB_LANES);
    }
    do {
        const float *as = a + segments->a, *bs = b + segments->b * (size_t)width;
        size_t steps = segments->steps;
        do {
            gb_v bv[GB_TILE_VECTORS];
            GB_UNROLL
            for (int v = 0; v < vectors; v++)
                bv[v] = gb_v_load(bs + v * GB_LANES);
            GB_UNROLL
            for (int r = 0; r < rows; r++) {
                gb_v av = gb_v_set(as[r * a_row]);
                GB_UNROLL
                for (int v = 0; v < vectors; v++)
                    sum[r][v] = gb_v_fma(av, bv[v], sum[r][v]);
            }
            as += a_step;
            bs += width;
        } while (--steps);
        segments++;
    } while (--count);
    GB_UNROLL
    for (int r = 0; r < rows; r++) {
        GB_UNROLL
        for (int v = 0; v < vectors; v++)
            gb_v_store(c + r * c_row + v * GB_LANES, sum[r][v]);
    }
}

#define GB_ONE_TILE(r)                                                                             \
    static void gb_row_tile_##r##x1(const float *a, const struct gb_segment *segments,             \
                                    size_t count, ptrdiff_t a_row, const float *b, float *c,       \
                                    ptrdiff_t c_row, bool fresh) {                                 \
        gb_tile(r, 1, a, segments, count, a_row, 1, b, c, c_row, fresh);                           \
    }                                                                                              \
    static void gb_step_tile_##r##x1(const float *a, const struct gb_segment *segments,            \
                                     size_t count, ptrdiff_t a_step, const float *b, float *c,     \
                                     bool fresh) {                                                 \
        gb_tile(r, 1, a, segments, count, 1, a_step, b, c, 1 * GB_LANES, fresh);                   \
    }                                                                                              \
    static void gb_row_tile_##r##x2(const float *a, const struct gb_segment *segments,             \
                                    size_t count, ptrdiff_t a_row, const float *b, float *c,       \
                                    ptrdiff_t c_row, bool fresh) {                                 \
        gb_tile(r, 2, a, segments, count, a_row, 1, b, c, c_row, fresh);                           \
    }                                                                                              \
    static void gb_step_tile_##r##x2(const float *a, const struct gb_segment *segments,            \
                                     size_t count, ptrdiff_t a_step, const float *b, float *c,     \
                                     bool fresh) {                                                 \
        gb_tile(r, 2, a, segments, count, 1, a_step, b, c, 2 * GB_LANES, fresh);                   \
    }
GB_FOR_TILE_ROWS(GB_ONE_TILE)
#undef GB_ONE_TILE

// By rows - 1 and vectors - 1.
#define GB_ROW_KERNELS(r) {gb_row_tile_##r##x1, gb_row_tile_##r##x2},
#define GB_STEP_KERNELS(r) {gb_step_tile_##r##x1, gb_step_tile_##r##x2},
static gb_row_kernel *const gb_row_kernels[][GB_TILE_VECTORS] = {GB_FOR_TILE_ROWS(GB_ROW_KERNELS)};
static gb_step_kernel *const gb_step_kernels[][GB_TILE_VECTORS] = {
    GB_FOR_TILE_ROWS(GB_STEP_KERNELS)};
#undef GB_ROW_KERNELS
#undef GB_STEP_KERNELS

#endif
