// SPDX-License-Identifier: MIT
// A sum of bf16 products in the order of a unit, for the reference. The caller has flushed
// denormals on its thread. Part of *_widened.c.
#ifndef GB_BF16_CHAIN_H
#define GB_BF16_CHAIN_H

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
