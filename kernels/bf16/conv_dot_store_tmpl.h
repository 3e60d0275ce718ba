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

// Two vectors of neighbouring channels: 64 bytes in bf16.
struct two {
    gb_v first, second;
};

GB_INLINE struct two load_two(const void *p, size_t channel, int lanes, bool bf16) {
    const int first = gb_min_int(lanes, GB_LANES), second = lanes - first;
    if (bf16) {
        const gb_bf16 *b = (const gb_bf16 *)p + channel;
        return (struct two){gb_v_load_bf16(b, first), gb_v_load_bf16(b + first, second)};
    }
    const float *f = (const float *)p + channel;
    return (struct two){gb_v_load_part(f, first), gb_v_load_part(f + first, second)};
}

GB_INLINE void store_two(void *p, size_t channel, int lanes, struct two v, bool bf16) {
    if (bf16) {
        gb_pairs_store_part((gb_bf16 *)p + channel, gb_pairs_round(v.first, v.second), lanes);
        return;
    }
    const int first = gb_min_int(lanes, GB_LANES);
    gb_v_store_part((float *)p + channel, v.first, first);
    gb_v_store_part((float *)p + channel + first, v.second, lanes - first);
}

GB_INLINE struct two sums_of(const float *sums) {
    return (struct two){gb_v_load(sums), gb_v_load(sums + GB_LANES)};
}

// Per channel, padded to two vectors.
GB_INLINE struct two parameters(const float *p, size_t channel, float absent) {
    return p ? sums_of(p + channel) : (struct two){gb_v_set(absent), gb_v_set(absent)};
}

GB_INLINE void store_forward(const struct stores *s, const struct pixel *pixels, size_t count,
                             size_t channel, int lanes, const float *sums, size_t width,
                             enum gb_activation activation, bool bf16) {
    const struct two bias = parameters(s->forward->bias, channel, 0);
    const struct two scale = parameters(s->forward->scale, channel, 1);
    for (size_t m = 0; m < count; m++, sums += width) {
        struct two u = sums_of(sums);
        u.first = gb_v_activate(activation, (u.first + bias.first) * scale.first);
        u.second = gb_v_activate(activation, (u.second + bias.second) * scale.second);
        store_two(pixels[m].out, channel, lanes, u, bf16);
    }
}

GB_INLINE void store_backward(const struct stores *s, const struct pixel *pixels, size_t count,
                              size_t channel, int lanes, const float *sums, size_t width,
                              float *partial, enum gb_activation activation, bool bf16) {
    const struct two scale = parameters(s->backward->scale, channel, 1);
    struct two d_bias = {0}, d_log_scale = {0};
    const int first = gb_min_int(lanes, GB_LANES);
    for (size_t m = 0; m < count; m++, sums += width) {
        const struct two x = load_two(pixels[m].x, channel, lanes, bf16);
        struct two g = sums_of(sums);
        g.first = gb_v_activation_gradient(activation, gb_v_keep(g.first, first), x.first);
        g.second =
            gb_v_activation_gradient(activation, gb_v_keep(g.second, lanes - first), x.second);
        d_log_scale.first += g.first * x.first;
        d_log_scale.second += g.second * x.second;
        g.first *= scale.first;
        g.second *= scale.second;
        d_bias.first += g.first;
        d_bias.second += g.second;
        store_two(pixels[m].out, channel, lanes, g, bf16);
    }
    const size_t half = partial_row(s->out->c) / 2;
    gb_v_store(partial + channel, d_bias.first);
    gb_v_store(partial + channel + GB_LANES, d_bias.second);
    gb_v_store(partial + half + channel, d_log_scale.first);
    gb_v_store(partial + half + channel + GB_LANES, d_log_scale.second);
}

GB_INLINE void store_as(const struct stores *s, const struct pixel *pixels, size_t count,
                        size_t channel, int lanes, const float *sums, size_t width, float *partial,
                        enum gb_activation activation, bool bf16) {
    if (s->forward) {
        store_forward(s, pixels, count, channel, lanes, sums, width, activation, bf16);
        return;
    }
    if (s->backward) {
        store_backward(s, pixels, count, channel, lanes, sums, width, partial, activation, bf16);
        return;
    }
    for (size_t m = 0; m < count; m++, sums += width)
        store_two(pixels[m].out, channel, lanes, sums_of(sums), bf16);
}

GB_INLINE void store_typed(const struct stores *s, const struct pixel *pixels, size_t count,
                           size_t channel, int lanes, const float *sums, size_t width,
                           float *partial, bool bf16) {
    switch (s->activation) {
    case GB_IDENTITY:
        store_as(s, pixels, count, channel, lanes, sums, width, partial, GB_IDENTITY, bf16);
        break;
    case GB_RELU:
        store_as(s, pixels, count, channel, lanes, sums, width, partial, GB_RELU, bf16);
        break;
    case GB_LEAKY_RELU:
        store_as(s, pixels, count, channel, lanes, sums, width, partial, GB_LEAKY_RELU, bf16);
        break;
    case GB_TANH:
        store_as(s, pixels, count, channel, lanes, sums, width, partial, GB_TANH, bf16);
        break;
    }
}

// Sums of `count` pixels, `width` outputs each from `column` on; a vector behind them is readable.
static void store_sums(const struct stores *s, const struct pixel *pixels, size_t count,
                       size_t column, size_t width, const float *sums, float *partial) {
    const size_t end = gb_min_size(column + width, (size_t)s->out->c);
    for (size_t channel = column; channel < end; channel += 2 * GB_LANES, sums += 2 * GB_LANES) {
        const int lanes = (int)gb_min_size(end - channel, 2 * GB_LANES);
        if (s->out->type == GB_BF16)
            store_typed(s, pixels, count, channel, lanes, sums, width, partial, true);
        else
            store_typed(s, pixels, count, channel, lanes, sums, width, partial, false);
    }
}

#endif
