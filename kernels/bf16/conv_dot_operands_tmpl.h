// SPDX-License-Identifier: MIT
// The operands of a product where they cannot be read in place: the input with its padding, in
// bf16, and the data gradient's weights. Part of conv_dot_body.c.
#ifndef GB_BF16_CONV_DOT_OPERANDS_TMPL_H
#define GB_BF16_CONV_DOT_OPERANDS_TMPL_H

#include "kernels/bf16/conv_dot.h"
#include "kernels/epilogue/epilogue_tmpl.h"
#include "kernels/parallel.h"
#include "kernels/simd/simd.h"

// ---- The input ----

// Strides in elements. Read in place, `data` is the window of output (0, 0); of a copy, `data` is
// the first of the rows [first_row, end_row), which are counted through all images.
struct input {
    bool copied;
    size_t first_row, end_row;
    const gb_bf16 *data;
    ptrdiff_t image, row, pixel;
};

static bool stays_inside(const struct gb_dot_axis *a) {
    return a->origin >= 0 && a->origin + (a->outputs - 1) * a->stride + a->taps <= a->inputs;
}

static bool read_in_place(const struct gb_dot_product *g, const struct gb_tensor *in) {
    return in->type == GB_BF16 && in->c % 2 == 0 && stays_inside(&g->rows) &&
           stays_inside(&g->columns) && (g->columns.taps == 1 || in->pixel == in->c);
}

static struct input input_of(const struct gb_dot_product *g, const struct gb_tensor *in) {
    if (read_in_place(g, in))
        return (struct input){.data = gb_bf16_at(in, 0, g->rows.origin, g->columns.origin),
                              .image = in->image,
                              .row = in->row,
                              .pixel = in->pixel};
    const ptrdiff_t row = (ptrdiff_t)((size_t)g->copy_w * g->pixel);
    return (struct input){
        .copied = true, .image = g->copy_h * row, .row = row, .pixel = (ptrdiff_t)g->pixel};
}

static size_t copied_row(const struct gb_dot_product *g, const struct gb_pixel *p) {
    return (size_t)p->n * (size_t)g->copy_h + (size_t)(p->i * g->rows.stride);
}
// Where output pixel `p` reads its window.
static const gb_bf16 *window_at(const struct gb_dot_product *g, const struct input *in,
                                const struct gb_pixel *p) {
    const ptrdiff_t column = p->j * g->columns.stride * in->pixel;
    if (in->copied)
        return in->data + (ptrdiff_t)(copied_row(g, p) - in->first_row) * in->row + column;
    return in->data + p->n * in->image + (ptrdiff_t)p->i * g->rows.stride * in->row + column;
}

// `count` values of a pixel, or of several next to each other.
GB_INLINE void round_values(const struct gb_tensor *in, ptrdiff_t at, size_t count, gb_bf16 *to) {
    enum { VECTOR = 2 * GB_LANES };
    size_t i = 0;
    if (in->type == GB_BF16) {
        memcpy(to, (const gb_bf16 *)in->data + at, count * sizeof *to);
        return;
    }
    const float *from = (const float *)in->data + at;
    for (; i + VECTOR <= count; i += VECTOR)
        gb_pairs_store(to + i, gb_pairs_round(gb_v_load(from + i), gb_v_load(from + i + GB_LANES)));
    for (; i < count; i += GB_LANES) {
        const int lanes = (int)gb_min_size(count - i, GB_LANES);
        gb_v_store_bf16(to + i, gb_v_load_part(from + i, lanes), lanes);
    }
}

// Pixels of few channels, next to each other, several in a vector; zeros are their padding. Returns
// how many, the others are left to the caller.
static size_t round_narrow(const struct gb_tensor *in, ptrdiff_t at, size_t count, size_t pixel,
                           gb_bf16 *to) {
    const size_t c = (size_t)in->c, step = pixel <= GB_LANES ? GB_LANES / pixel : 1;
    if (in->type != GB_F32 || in->pixel != in->c || GB_LANES % pixel)
        return 0;
    unsigned lanes = 0;
    for (size_t lane = 0; lane < GB_LANES; lane++)
        lanes |= lane % pixel < c ? 1u << lane : 0;
    const float *from = (const float *)in->data + at;
    size_t j = 0;
    for (; j + step <= count; j += step, from += step * c)
        gb_v_store_bf16(to + j * pixel, gb_v_load_spread(from, lanes), GB_LANES);
    return j;
}

static void copy_row(const struct gb_dot_product *g, const struct gb_tensor *in, size_t row,
                     gb_bf16 *to) {
    const size_t pixel = g->pixel, c = (size_t)in->c;
    const int n = (int)(row / (size_t)g->copy_h), h = (int)(row % (size_t)g->copy_h);
    const int i = g->rows.origin + h;
    int begin = gb_max_int(-g->columns.origin, 0);
    int end = gb_min_int(in->w - g->columns.origin, g->copy_w);
    if (i < 0 || i >= in->h || begin >= end)
        begin = end = 0;
    memset(to, 0, (size_t)begin * pixel * sizeof *to);
    memset(to + (size_t)end * pixel, 0, (size_t)(g->copy_w - end) * pixel * sizeof *to);
    to += (size_t)begin * pixel;
    const size_t count = (size_t)(end - begin);
    ptrdiff_t at = n * in->image + i * in->row + (begin + g->columns.origin) * in->pixel;
    if (pixel == c && in->pixel == in->c) {
        round_values(in, at, count * c, to);
        return;
    }
    const size_t done = round_narrow(in, at, count, pixel, to);
    at += (ptrdiff_t)done * in->pixel;
    to += done * pixel;
    for (size_t j = done; j < count; j++, at += in->pixel, to += pixel) {
        round_values(in, at, c, to);
        if (pixel > c)
            to[c] = 0;
    }
}

// Rows [first, end) in the thread's window, with as many of the rows up to `last` as it holds.
static void copy_rows(const struct gb_dot_product *g, const struct gb_tensor *in, size_t first,
                      size_t end, size_t last, gb_bf16 *room, struct input *copy) {
    if (first >= copy->first_row && end <= copy->end_row)
        return;
    copy->data = room;
    copy->first_row = first;
    copy->end_row = gb_min_size(gb_max_size(last, end), first + g->window_rows);
    for (size_t row = first; row < copy->end_row; row++)
        copy_row(g, in, row, room + (ptrdiff_t)(row - first) * copy->row);
}

// ---- The data gradient's weights ----

// From GB_LANES rows, each with pairs of input channels of GB_LANES outputs, to GB_LANES / 2 rows,
// each with pairs of outputs of 2*GB_LANES channels. Rows in pairs.
#ifndef gb_pairs_transpose
static void gb_pairs_transpose(const float *from, size_t from_row, float *to, size_t to_row) {
    float square[GB_LANES * GB_LANES];
    gb_transpose(from, from_row, square, GB_LANES);
    for (size_t o = 0; o < GB_LANES / 2; o++) {
        const gb_vi first = gb_v_bits(gb_v_load(square + 2 * o * GB_LANES));
        const gb_vi second = gb_v_bits(gb_v_load(square + (2 * o + 1) * GB_LANES));
        const gb_vi lower = gb_vi_set(0xffff);
        gb_v_store_interleaved(to + o * to_row, gb_vi_float_bits((first & lower) | second << 16),
                               gb_vi_float_bits((first >> 16 & lower) | (second & ~lower)));
    }
}
#endif

// The same at the edges: of `from` only `rows` are there, and of the result `to_rows` are stored,
// and of those both vectors or the first alone.
static void transpose_some(const float *from, size_t from_row, size_t rows, float *to,
                           size_t to_row, size_t to_rows, bool both) {
    float edge[GB_LANES * GB_LANES], square[GB_LANES * GB_LANES];
    if (rows < GB_LANES) {
        for (size_t r = 0; r < GB_LANES; r++)
            gb_v_store(edge + r * GB_LANES, r < rows ? gb_v_load(from + r * from_row) : (gb_v){0});
        from = edge;
        from_row = GB_LANES;
    }
    gb_pairs_transpose(from, from_row, square, 2 * GB_LANES);
    for (size_t p = 0; p < to_rows; p++) {
        const float *row = square + p * 2 * GB_LANES;
        gb_v_store(to + p * to_row, gb_v_load(row));
        if (both)
            gb_v_store(to + p * to_row + GB_LANES, gb_v_load(row + GB_LANES));
    }
}

// Panel number `panel` of the product's B, to `to`.
static void transpose_panel(const struct gb_dot_product *g, const struct gb_bf16_packed *weights,
                            const gb_bf16 *packed, int kernel_w, size_t panel, gb_bf16 *to) {
    const size_t width = gb_bf16_panel_width(&g->b, panel), first = panel * GB_BF16_NR;
    for (size_t tap = 0; tap < g->b.taps; tap++) {
        const int across = g->columns.taps, a = (int)tap / across, b = (int)tap % across;
        const size_t from_tap = (size_t)((g->rows.first_tap + a * g->rows.tap_step) * kernel_w +
                                         g->columns.first_tap + b * g->columns.tap_step);
        for (size_t o = 0; o < (size_t)g->in_c; o += GB_LANES) {
            const size_t from_row = gb_bf16_panel_width(weights, o / GB_BF16_NR);
            const size_t pairs = gb_min_size(g->b.tap_pairs - o / 2, GB_LANES / 2);
            for (size_t q = 0; q < width; q += 2 * GB_LANES) {
                const size_t pair = (first + q) / 2;
                const bool both = width - q >= 2 * GB_LANES;
                const size_t rows = gb_min_size(weights->tap_pairs - pair, GB_LANES);
                const gb_bf16 *from =
                    packed + gb_bf16_packed_index(weights, from_tap, first + q, o);
                float *at =
                    (float *)(void *)(to + 2 * ((tap * g->b.tap_pairs + o / 2) * width + q));
                if (rows == GB_LANES && pairs == GB_LANES / 2 && both)
                    gb_pairs_transpose((const float *)(const void *)from, from_row, at, width);
                else
                    transpose_some((const float *)(const void *)from, from_row, rows, at, width,
                                   pairs, both);
            }
        }
    }
}

#endif
