// SPDX-License-Identifier: MIT
// Which input pixel a filter tap reads at an output pixel: forwards, backwards (the data gradient
// is a convolution with the taps reversed), and for a 1x1 kernel, where a tap reads its own pixel.
// Rows of the "gathered" matrix are output pixels; its columns are taps times input channels.
#ifndef GB_CONV_WINDOW_H
#define GB_CONV_WINDOW_H

#include "kernels/conv/conv.h"
#include "kernels/simd/simd.h"

// Tap t at output position i reads input position (i*stride + origin + t*step) / divisor; outside
// [0, inputs), or where the division leaves a rest, it reads zero.
struct gb_axis {
    int outputs, inputs, taps, stride, origin, step, divisor;
};
struct gb_window {
    struct gb_axis rows, columns;
};

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

// True where the gathered matrix is the view's own memory.
GB_INLINE bool gb_window_is_view(const struct gb_window *w, const struct gb_tensor *t) {
    return gb_window_taps(w) == 1 && w->rows.stride == 1 && w->columns.stride == 1 &&
           w->rows.outputs == t->h && w->columns.outputs == t->w && w->rows.origin == 0 &&
           w->columns.origin == 0 && gb_is_matrix(t);
}

// An output pixel, walked in memory order.
struct gb_pixel {
    int n, i, j;
};
GB_INLINE struct gb_pixel gb_pixel_at(size_t index, int h, int w) {
    size_t row = index / (size_t)w;
    return (struct gb_pixel){(int)(row / (size_t)h), (int)(row % (size_t)h),
                             (int)(index % (size_t)w)};
}
GB_INLINE void gb_pixel_next(struct gb_pixel *p, int h, int w) {
    if (++p->j < w)
        return;
    p->j = 0;
    if (++p->i < h)
        return;
    p->i = 0;
    p->n++;
}

GB_INLINE void gb_copy(float *to, const float *from, size_t count) {
    size_t i = 0;
    for (; i + GB_LANES <= count; i += GB_LANES)
        gb_v_store(to + i, gb_v_load(from + i));
    if (i < count)
        gb_v_store_part(to + i, gb_v_load_part(from + i, (int)(count - i)), (int)(count - i));
}

GB_INLINE void gb_clear(float *to, size_t count) {
    size_t i = 0;
    for (; i + GB_LANES <= count; i += GB_LANES)
        gb_v_store(to + i, (gb_v){0});
    if (i < count)
        gb_v_store_part(to + i, (gb_v){0}, (int)(count - i));
}

// Columns [first, first + count) of the gathered matrix's row for pixel `p`.
static inline void gb_window_gather(const struct gb_window *w, const struct gb_tensor *t,
                                    struct gb_pixel p, size_t first, size_t count, float *to) {
    size_t c = (size_t)t->c, tap = first / c, channel = first % c;
    int taps_w = w->columns.taps;
    int a = (int)tap / taps_w, b = (int)tap % taps_w;
    while (count > 0) {
        size_t run = c - channel < count ? c - channel : count;
        int i = gb_axis_input(&w->rows, p.i, a), j = gb_axis_input(&w->columns, p.j, b);
        if (i >= 0 && j >= 0)
            gb_copy(to, gb_at(t, p.n, i, j) + channel, run);
        else
            gb_clear(to, run);
        to += run;
        count -= run;
        channel = 0;
        if (++b == taps_w) {
            b = 0;
            a++;
        }
    }
}

#endif
