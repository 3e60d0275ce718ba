// SPDX-License-Identifier: MIT
// Which input pixel a filter tap reads at an output pixel: forward, backward (the data gradient is
// a convolution with reversed taps), and for a 1x1 kernel, where a tap reads its own pixel. Rows of
// the im2col matrix are output pixels, its columns taps by input channels. Part of conv_body.c.
#ifndef GB_CONV_WINDOW_TMPL_H
#define GB_CONV_WINDOW_TMPL_H

#include "kernels/conv/native.h"
#include "kernels/epilogue/epilogue_tmpl.h"

GB_INLINE int gb_axis_input(const struct gb_axis *axis, int output, int tap) { // -1: zero
    int position = output * axis->stride + axis->origin + tap * axis->step;
    if (position < 0)
        return -1;
    if (axis->divisor > 1) {
        if (position % axis->divisor)
            return -1;
        position /= axis->divisor;
    }
    return position < axis->inputs ? position : -1;
}

// The first tap whose division leaves no remainder, for taps that step backwards; then every
// divisor-th does.
GB_INLINE int gb_axis_first_tap(const struct gb_axis *axis, int output) {
    return axis->divisor > 1 ? (output + axis->origin) % axis->divisor : 0;
}

static inline struct gb_window gb_window_forward(const struct gb_conv_problem *p) {
    return (struct gb_window){
        {gb_conv_out_h(p), p->h, p->kernel_h, p->stride_h, -p->pad_h, 1, 1},
        {gb_conv_out_w(p), p->w, p->kernel_w, p->stride_w, -p->pad_w, 1, 1},
    };
}

static inline struct gb_window gb_window_backward(const struct gb_conv_problem *p) {
    return (struct gb_window){
        {p->h, gb_conv_out_h(p), p->kernel_h, 1, p->pad_h, -1, p->stride_h},
        {p->w, gb_conv_out_w(p), p->kernel_w, 1, p->pad_w, -1, p->stride_w},
    };
}

static inline struct gb_window gb_window_pointwise(int h, int w) {
    return (struct gb_window){{h, h, 1, 1, 0, 1, 1}, {w, w, 1, 1, 0, 1, 1}};
}

GB_INLINE int gb_window_taps(const struct gb_window *w) {
    return w->rows.taps * w->columns.taps;
}

// The outputs at which tap `tap` reads inside the input, for an axis without division.
struct gb_tap_range {
    int begin, end;
};
GB_INLINE struct gb_tap_range gb_axis_inside(const struct gb_axis *axis, int tap) {
    int shift = axis->origin + tap * axis->step; // output o reads o*stride + shift
    int last = axis->inputs - 1 - shift;
    int begin = shift >= 0 ? 0 : (-shift + axis->stride - 1) / axis->stride;
    int end = last < 0 ? 0 : last / axis->stride + 1;
    if (end > axis->outputs)
        end = axis->outputs;
    return (struct gb_tap_range){begin < end ? begin : end, end};
}

// The taps that read inside the input at an output, for an axis without division: at least one, as
// padding is smaller than the kernel.
GB_INLINE struct gb_tap_range gb_axis_taps_inside(const struct gb_axis *axis, int output) {
    int position = output * axis->stride + axis->origin; // of tap 0
    int before = axis->step > 0 ? -position : position - (axis->inputs - 1);
    int end = axis->step > 0 ? axis->inputs - position : position + 1;
    return (struct gb_tap_range){before > 0 ? before : 0, end < axis->taps ? end : axis->taps};
}

// Copies `count` floats of every row.
GB_INLINE void gb_copy_rows(size_t rows, size_t count, const float *from, ptrdiff_t from_row,
                            float *to, ptrdiff_t to_row) {
    for (; rows > 0; rows--, from += from_row, to += to_row) {
        size_t i = 0;
        for (; i + GB_LANES <= count; i += GB_LANES)
            gb_v_store(to + i, gb_v_load(from + i));
        if (i < count)
            gb_v_store_part(to + i, gb_v_load_part(from + i, (int)(count - i)), (int)(count - i));
    }
}
GB_INLINE void gb_clear_rows(size_t rows, size_t count, float *to, ptrdiff_t to_row) {
    for (; rows > 0; rows--, to += to_row) {
        size_t i = 0;
        for (; i + GB_LANES <= count; i += GB_LANES)
            gb_v_store(to + i, (gb_v){0});
        if (i < count)
            gb_v_store_part(to + i, (gb_v){0}, (int)(count - i));
    }
}

// ---- im2col ----

// Output pixels [p.j, p.j + pixels) of one image row, channels [channel, channel + count) of one
// tap.
static inline void gb_im2col_tap(const struct gb_window *w, const struct gb_tensor *t,
                                 struct gb_pixel p, int pixels, int tap, size_t channel,
                                 size_t count, float *to, ptrdiff_t to_row) {
    if (pixels == 0)
        return;
    int i = gb_axis_input(&w->rows, p.i, tap / w->columns.taps), b = tap % w->columns.taps;
    struct gb_tap_range inside = gb_axis_inside(&w->columns, b);
    int begin = inside.begin > p.j ? inside.begin : p.j, last = p.j + pixels;
    int end = inside.end < last ? inside.end : last;
    if (i < 0 || begin >= end) {
        gb_clear_rows((size_t)pixels, count, to, to_row);
        return;
    }
    int column = begin * w->columns.stride + w->columns.origin + b * w->columns.step;
    gb_clear_rows((size_t)(begin - p.j), count, to, to_row);
    gb_copy_rows((size_t)(end - begin), count, gb_at(t, p.n, i, column) + channel,
                 w->columns.stride * t->pixel, to + (begin - p.j) * to_row, to_row);
    gb_clear_rows((size_t)(last - end), count, to + (end - p.j) * to_row, to_row);
}

// The same for all taps of filter row `a`, which are contiguous in the input: pixels whose taps are
// all inside take one copy.
static inline void gb_im2col_filter_row(const struct gb_window *w, const struct gb_tensor *t,
                                        struct gb_pixel p, int pixels, int a, float *to,
                                        ptrdiff_t to_row) {
    int taps = w->columns.taps, c = t->c, last = p.j + pixels;
    int begin = gb_axis_inside(&w->columns, 0).begin;
    int end = gb_axis_inside(&w->columns, taps - 1).end;
    begin = begin < p.j ? p.j : begin > last ? last : begin;
    end = end < begin ? begin : end > last ? last : end;
    for (int b = 0; b < taps; b++) {
        int tap = a * taps + b;
        float *left = to + (ptrdiff_t)b * c, *right = left + (end - p.j) * to_row;
        gb_im2col_tap(w, t, p, begin - p.j, tap, 0, (size_t)c, left, to_row);
        gb_im2col_tap(w, t, (struct gb_pixel){p.n, p.i, end}, last - end, tap, 0, (size_t)c, right,
                      to_row);
    }
    int i = gb_axis_input(&w->rows, p.i, a), j = begin * w->columns.stride + w->columns.origin;
    size_t middle = (size_t)(end - begin), count = (size_t)taps * (size_t)c;
    to += (begin - p.j) * to_row;
    if (i < 0 || middle == 0)
        gb_clear_rows(middle, count, to, to_row);
    else
        gb_copy_rows(middle, count, gb_at(t, p.n, i, j), w->columns.stride * t->pixel, to, to_row);
}

// Rows [row, row + rows) and columns [column, column + columns) of the im2col matrix.
static inline void gb_im2col(const struct gb_window *w, const struct gb_tensor *t, size_t row,
                             size_t rows, size_t column, size_t columns, float *to,
                             ptrdiff_t to_row) {
    size_t c = (size_t)t->c, filter_row = (size_t)w->columns.taps * c;
    bool contiguous = w->columns.taps > 1 && w->columns.step == 1 && t->pixel == t->c;
    int first_tap = (int)(column / c), width = w->columns.outputs;
    struct gb_pixel p = gb_pixel_at(row, w->rows.outputs, width);
    while (rows > 0) {
        size_t pixels = (size_t)(width - p.j) < rows ? (size_t)(width - p.j) : rows;
        size_t channel = column % c;
        int tap = first_tap;
        for (size_t at = 0, run; at < columns; at += run, channel = 0) {
            if (contiguous && channel == 0 && tap % w->columns.taps == 0 &&
                columns - at >= filter_row) {
                run = filter_row;
                gb_im2col_filter_row(w, t, p, (int)pixels, tap / w->columns.taps, to + at, to_row);
                tap += w->columns.taps;
            } else {
                run = c - channel < columns - at ? c - channel : columns - at;
                gb_im2col_tap(w, t, p, (int)pixels, tap++, channel, run, to + at, to_row);
            }
        }
        rows -= pixels;
        to += (ptrdiff_t)pixels * to_row;
        p.j += (int)pixels - 1;
        gb_pixel_next(&p, w->rows.outputs, width);
    }
}

#endif
