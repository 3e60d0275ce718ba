// SPDX-License-Identifier: MIT
// What the epilogues share: whole and partial vectors of channels, and sums over pixels. Part of
// conv_body.c and epilogue_body.c.
#ifndef GB_EPILOGUE_TMPL_H
#define GB_EPILOGUE_TMPL_H

#include "base/minmax.h"
#include "kernels/epilogue/activation.h"
#include "kernels/parallel.h"

// A pixel; gb_pixel_next walks them in memory order.
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

GB_INLINE gb_v load_lanes(const float *p, int lanes) {
    return lanes == GB_LANES ? gb_v_load(p) : gb_v_load_part(p, lanes);
}
GB_INLINE void store_lanes(float *p, gb_v v, int lanes) {
    if (lanes == GB_LANES)
        gb_v_store(p, v);
    else
        gb_v_store_part(p, v, lanes);
}
// The same of a tensor of floats or bf16, `column` channels into a pixel. Callers pass constants
// for `bf16`, or branch outside their loops.
GB_INLINE gb_v load_channels(const struct gb_tensor *t, struct gb_pixel p, int column, int lanes,
                             bool bf16) {
    return bf16 ? gb_v_load_bf16(gb_bf16_at(t, p.n, p.i, p.j) + column, lanes)
                : load_lanes(gb_at(t, p.n, p.i, p.j) + column, lanes);
}
GB_INLINE void store_channels(const struct gb_tensor *t, struct gb_pixel p, int column, gb_v v,
                              int lanes, bool bf16) {
    if (bf16)
        gb_v_store_bf16(gb_bf16_at(t, p.n, p.i, p.j) + column, v, lanes);
    else
        store_lanes(gb_at(t, p.n, p.i, p.j) + column, v, lanes);
}
GB_INLINE int lanes_from(int channels, size_t channel) {
    return (int)gb_min_size((size_t)channels - channel, GB_LANES);
}

// Sums per channel are kept for each span of pixels, d_bias then d_log_scale, and added in the
// order of the spans: thread counts do not change them.
static size_t partial_row(int channels) {
    return 2 * gb_round_up((size_t)channels, GB_CHANNEL_PAD);
}

static void add_partials(const float *partials, size_t count, int channels, float *d_bias,
                         float *d_log_scale, int rank, int size) {
    size_t padded = partial_row(channels) / 2;
    struct gb_range share = gb_partition(padded / GB_LANES, rank, size);
    for (size_t v = share.begin; v < share.end; v++) {
        gb_v bias = {0}, log_scale = {0};
        for (size_t s = 0; s < count && v * GB_LANES < (size_t)channels; s++) {
            bias += gb_v_load(partials + s * 2 * padded + v * GB_LANES);
            log_scale += gb_v_load(partials + (s * 2 + 1) * padded + v * GB_LANES);
        }
        if (d_bias)
            gb_v_store(d_bias + v * GB_LANES, bias);
        if (d_log_scale)
            gb_v_store(d_log_scale + v * GB_LANES, log_scale);
    }
}

#endif
