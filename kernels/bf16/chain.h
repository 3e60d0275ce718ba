// SPDX-License-Identifier: MIT
// A sum of bf16 products in the order of a unit, for the reference. The caller has flushed
// denormals on its thread. Part of *_widened.c.
#ifndef GB_BF16_CHAIN_H
#define GB_BF16_CHAIN_H

#include <math.h>
#include <stdbool.h>

#include "kernels/bf16/units.h"
#include "kernels/simd/simd.h"

struct gb_chain {
    enum gb_bf16_order order;
    float sum;
    float even, odd; // of the tile's block
    int pairs;       // in the block
    bool pending;    // the first of a pair is
    float x, w;
};

static inline struct gb_chain gb_chain_of(enum gb_bf16_order order) {
    return (struct gb_chain){.order = order};
}

static inline float gb_chain_fma(float a, float b, float c) {
    return gb_v_fma(gb_v_set(a), gb_v_set(b), gb_v_set(c))[0];
}

// Infinite beyond the largest float, zero below the smallest normal one. A double holds a product
// of bf16 exactly.
static inline float gb_chain_round_to_odd(double value) {
    if (fabs(value) < 0x1p-126)
        return copysignf(0, (float)value);
    if (fabs(value) >= 0x1p128)
        return copysignf(INFINITY, (float)value);
    float rounded = (float)value;
    uint32_t bits;
    memcpy(&bits, &rounded, sizeof bits);
    if (fabs((double)rounded) > fabs(value))
        bits--; // towards zero
    memcpy(&rounded, &bits, sizeof bits);
    bits |= rounded != value;
    memcpy(&rounded, &bits, sizeof bits);
    return rounded;
}

// Of floats that differ by more than 2^29, a double does not hold the sum either: it is rounded to
// odd first, which the second rounding does not notice.
static inline float gb_chain_add_to_odd(float a, float b) {
    double sum = (double)a + b;
    const double part = sum - a, error = (a - (sum - part)) + (b - part);
    uint64_t bits;
    memcpy(&bits, &sum, sizeof bits);
    if (isfinite(sum) && error != 0 && bits % 2 == 0)
        bits += (error > 0) == (sum > 0) ? 1 : UINT64_MAX;
    memcpy(&sum, &bits, sizeof bits);
    return gb_chain_round_to_odd(sum);
}

// Ends a block of tiles.
static inline void gb_chain_close(struct gb_chain *chain) {
    if (chain->pairs)
        chain->sum += chain->even + chain->odd;
    chain->even = chain->odd = 0;
    chain->pairs = 0;
}

static inline void gb_chain_add(struct gb_chain *chain, gb_bf16 x, gb_bf16 w) {
    if (!chain->pending) {
        chain->pending = true;
        chain->x = gb_bf16_value(x);
        chain->w = gb_bf16_value(w);
        return;
    }
    chain->pending = false;
    if (chain->order == GB_PAIRS) {
        chain->sum = gb_chain_fma(gb_bf16_value(x), gb_bf16_value(w), chain->sum);
        chain->sum = gb_chain_fma(chain->x, chain->w, chain->sum);
        return;
    }
    if (chain->order == GB_ODD_PAIRS) {
        const float even = gb_chain_round_to_odd((double)chain->x * chain->w);
        const float odd = gb_chain_round_to_odd((double)gb_bf16_value(x) * gb_bf16_value(w));
        chain->sum = gb_chain_add_to_odd(chain->sum, gb_chain_add_to_odd(even, odd));
        return;
    }
    chain->odd = gb_chain_fma(gb_bf16_value(x), gb_bf16_value(w), chain->odd);
    chain->even = gb_chain_fma(chain->x, chain->w, chain->even);
    if (++chain->pairs == GB_TILE_PAIRS)
        gb_chain_close(chain);
}

// Completes a pair with zeros.
static inline void gb_chain_pad(struct gb_chain *chain) {
    if (chain->pending)
        gb_chain_add(chain, 0, 0);
}

#endif
