// SPDX-License-Identifier: MIT
// What follows a product: from the sums of a span's pixels and a panel's outputs to the tensor.
// Part of conv_dot_body.c.
#ifndef GB_BF16_CONV_DOT_STORE_TMPL_H
#define GB_BF16_CONV_DOT_STORE_TMPL_H

#include "kernels/epilogue/epilogue_tmpl.h"

struct stores {
    const struct gb_tensor *out;
    enum gb_activation activation; // of the one that follows; both NULL: nothing does
    const struct gb_conv_epilogue *forward;
    const struct gb_conv_input_epilogue *backward;
    float *partials; // of `backward`: d_bias and d_log_scale of each span
};

// A pixel in the output, and in the input that `backward` reads.
struct pixel {
    void *out;
    const void *x;
};

// Two vectors of neighbouring channels, 64 bytes in bf16: all of them, some of the second, or the
// first alone.
struct two {
    gb_v first, second;
};
enum width { FULL, PARTIAL, SINGLE };

GB_INLINE int first_lanes(int lanes) {
    return gb_min_int(lanes, GB_LANES);
}

GB_INLINE struct two load_two(const void *p, size_t channel, int lanes, enum width width,
                              bool bf16) {
    const gb_bf16 *b = (const gb_bf16 *)p + channel;
    const float *f = (const float *)p + channel;
    struct two v = {0};
    if (width == FULL) {
        v.first = bf16 ? gb_v_load_bf16(b, GB_LANES) : gb_v_load(f);
        v.second = bf16 ? gb_v_load_bf16(b + GB_LANES, GB_LANES) : gb_v_load(f + GB_LANES);
        return v;
    }
    const int first = first_lanes(lanes);
    v.first = bf16 ? gb_v_load_bf16(b, first) : gb_v_load_part(f, first);
    if (width == PARTIAL)
        v.second = bf16 ? gb_v_load_bf16(b + first, lanes - first)
                        : gb_v_load_part(f + first, lanes - first);
    return v;
}

GB_INLINE void store_two(void *p, size_t channel, int lanes, struct two v, enum width width,
                         bool bf16) {
    gb_bf16 *b = (gb_bf16 *)p + channel;
    float *f = (float *)p + channel;
    if (bf16) {
        if (width == FULL)
            gb_pairs_store(b, gb_pairs_round(v.first, v.second));
        else if (width == PARTIAL)
            gb_pairs_store_part(b, gb_pairs_round(v.first, v.second), lanes);
        else
            gb_v_store_bf16(b, v.first, lanes);
        return;
    }
    if (width == FULL)
        gb_v_store(f, v.first);
    else
        gb_v_store_part(f, v.first, first_lanes(lanes));
    if (width == FULL)
        gb_v_store(f + GB_LANES, v.second);
    else if (width == PARTIAL)
        gb_v_store_part(f + GB_LANES, v.second, lanes - GB_LANES);
}

GB_INLINE struct two sums_of(const float *sums, enum width width) {
    struct two v = {gb_v_load(sums), {0}};
    if (width != SINGLE)
        v.second = gb_v_load(sums + GB_LANES);
    return v;
}

// Per channel, padded to two vectors.
GB_INLINE struct two parameters(const float *p, size_t channel, float absent) {
    return p ? sums_of(p + channel, FULL) : (struct two){gb_v_set(absent), gb_v_set(absent)};
}

GB_INLINE void store_forward(const struct stores *s, const struct pixel *pixels, size_t count,
                             size_t channel, int lanes, const float *sums, size_t row,
                             enum gb_activation activation, enum width width, bool bf16) {
    const struct two bias = parameters(s->forward->bias, channel, 0);
    const struct two scale = parameters(s->forward->scale, channel, 1);
    for (size_t m = 0; m < count; m++, sums += row) {
        struct two u = sums_of(sums, width);
        u.first = gb_v_activate(activation, (u.first + bias.first) * scale.first);
        if (width != SINGLE)
            u.second = gb_v_activate(activation, (u.second + bias.second) * scale.second);
        store_two(pixels[m].out, channel, lanes, u, width, bf16);
    }
}

// A span's partial sums grow from call to call; `begins`: this is the first.
GB_INLINE void store_backward(const struct stores *s, const struct pixel *pixels, size_t count,
                              size_t channel, int lanes, const float *sums, size_t row,
                              float *partial, bool begins, enum gb_activation activation,
                              enum width width, bool bf16) {
    const struct two scale = parameters(s->backward->scale, channel, 1);
    float *const bias = partial + channel;
    float *const log_scale = bias + partial_row(s->out->c) / 2;
    struct two d_bias = {0}, d_log_scale = {0};
    const int first = first_lanes(lanes);
    if (!begins) {
        d_bias = sums_of(bias, FULL);
        d_log_scale = sums_of(log_scale, FULL);
    }
    for (size_t m = 0; m < count; m++, sums += row) {
        const struct two x = load_two(pixels[m].x, channel, lanes, width, bf16);
        struct two g = sums_of(sums, width);
        if (width != FULL)
            g.first = gb_v_keep(g.first, first);
        if (width == PARTIAL)
            g.second = gb_v_keep(g.second, lanes - first);
        g.first = gb_v_activation_gradient(activation, g.first, x.first);
        d_log_scale.first += g.first * x.first;
        g.first *= scale.first;
        d_bias.first += g.first;
        if (width != SINGLE) {
            g.second = gb_v_activation_gradient(activation, g.second, x.second);
            d_log_scale.second += g.second * x.second;
            g.second *= scale.second;
            d_bias.second += g.second;
        }
        store_two(pixels[m].out, channel, lanes, g, width, bf16);
    }
    gb_v_store(bias, d_bias.first);
    gb_v_store(bias + GB_LANES, d_bias.second);
    gb_v_store(log_scale, d_log_scale.first);
    gb_v_store(log_scale + GB_LANES, d_log_scale.second);
}

// Sums of a span's pixels by up to two vectors of outputs, of which `stored` pixels are done; a
// vector behind them is readable.
struct sums {
    const struct pixel *pixels;
    size_t count, stored;
    size_t channel, lanes;
    const float *at;
    size_t row; // floats from a pixel to the next
    float *partial;
};

GB_INLINE void store_as(const struct stores *s, const struct sums *sums, size_t count,
                        enum gb_activation activation, enum width width, bool bf16) {
    const struct pixel *pixels = sums->pixels + sums->stored;
    const float *at = sums->at + sums->stored * sums->row;
    const size_t channel = sums->channel, row = sums->row;
    const int lanes = (int)sums->lanes;
    if (s->forward) {
        store_forward(s, pixels, count, channel, lanes, at, row, activation, width, bf16);
        return;
    }
    if (s->backward) {
        store_backward(s, pixels, count, channel, lanes, at, row, sums->partial, sums->stored == 0,
                       activation, width, bf16);
        return;
    }
    for (size_t m = 0; m < count; m++, at += row)
        store_two(pixels[m].out, channel, lanes, sums_of(at, width), width, bf16);
}

GB_INLINE void store_typed(const struct stores *s, const struct sums *sums, size_t count,
                           enum width width, bool bf16) {
    switch (s->activation) {
    case GB_IDENTITY:
        store_as(s, sums, count, GB_IDENTITY, width, bf16);
        break;
    case GB_RELU:
        store_as(s, sums, count, GB_RELU, width, bf16);
        break;
    case GB_LEAKY_RELU:
        store_as(s, sums, count, GB_LEAKY_RELU, width, bf16);
        break;
    case GB_TANH:
        store_as(s, sums, count, GB_TANH, width, bf16);
        break;
    }
}

// Up to `pixels` more.
static void store_some(const struct stores *s, struct sums *sums, size_t pixels) {
    const bool bf16 = s->out->type == GB_BF16;
    const size_t count = gb_min_size(pixels, sums->count - sums->stored);
    if (count == 0)
        return;
    if (sums->lanes == 2 * GB_LANES)
        bf16 ? store_typed(s, sums, count, FULL, true) : store_typed(s, sums, count, FULL, false);
    else if (sums->lanes > GB_LANES)
        bf16 ? store_typed(s, sums, count, PARTIAL, true)
             : store_typed(s, sums, count, PARTIAL, false);
    else
        bf16 ? store_typed(s, sums, count, SINGLE, true)
             : store_typed(s, sums, count, SINGLE, false);
    sums->stored += count;
}

// What a micro-kernel makes: `width` outputs of a span, from `column` on.
struct tile {
    const struct stores *stores;
    const struct pixel *pixels;
    size_t count, column, width;
    float *partial;
};

// Two vectors of a tile's outputs from number `vector` on; without lanes where all are padding.
static struct sums sums_at(const struct tile *tile, size_t vector, const float *at, size_t row) {
    const size_t channel = tile->column + vector * GB_LANES, c = (size_t)tile->stores->out->c;
    const size_t end = gb_min_size(tile->column + tile->width, c);
    return (struct sums){.pixels = tile->pixels,
                         .count = channel < end ? tile->count : 0,
                         .channel = channel,
                         .lanes = channel < end ? gb_min_size(end - channel, 2 * GB_LANES) : 0,
                         .at = at,
                         .row = row,
                         .partial = tile->partial};
}

#endif
