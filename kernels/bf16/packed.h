// SPDX-License-Identifier: MIT
// The layout of packed weights that the units on dot products share: B, K x N, where N are
// output channels and K is (tap, input channel), with each tap's channels padded to an even number.
// Columns are in panels of GB_BF16_NR, the last panel as wide as whole vectors need; a panel has
// its pairs of neighbouring steps of K row after row:
//
//   element (k, column) is at [panel][k / 2][column in the panel][k % 2]
//
// A row of a panel is what VDPBF16PS and BFDOT take from vectors, two rows are what BFMMLA does,
// and 16 rows by 16 columns are a B tile of TDPBF16PS. Padding, of channels and of columns, holds
// zeros. Gradients and moments have the same elements in the same order, in floats.
#ifndef GB_BF16_PACKED_H
#define GB_BF16_PACKED_H

#include "base/minmax.h"
#include "kernels/conv/conv.h"

enum { GB_BF16_NR = 64, GB_BF16_VECTOR = 16 };

struct gb_bf16_packed {
    size_t taps, tap_pairs; // pairs of channels of a tap
    size_t pairs, columns;  // of B; columns as padded
};

static inline struct gb_bf16_packed gb_bf16_packed_of(size_t taps, size_t c, size_t k) {
    const size_t tap_pairs = (c + 1) / 2;
    return (struct gb_bf16_packed){taps, tap_pairs, taps * tap_pairs,
                                   gb_round_up(k, GB_BF16_VECTOR)};
}
static inline struct gb_bf16_packed gb_bf16_packed_weights(const struct gb_conv_problem *p) {
    return gb_bf16_packed_of((size_t)p->kernel_h * (size_t)p->kernel_w, (size_t)p->c, (size_t)p->k);
}

// All elements: a plan's weight_floats.
static inline size_t gb_bf16_packed_count(const struct gb_bf16_packed *b) {
    return 2 * b->pairs * b->columns;
}

static inline size_t gb_bf16_panel_count(const struct gb_bf16_packed *b) {
    return gb_ceil_div(b->columns, GB_BF16_NR);
}
static inline size_t gb_bf16_panel_width(const struct gb_bf16_packed *b, size_t panel) {
    return gb_min_size(b->columns - panel * GB_BF16_NR, GB_BF16_NR);
}
// Its first element.
static inline size_t gb_bf16_panel_offset(const struct gb_bf16_packed *b, size_t panel) {
    return panel * GB_BF16_NR * 2 * b->pairs;
}

// Where the weight of a tap, an input and an output channel is.
static inline size_t gb_bf16_packed_index(const struct gb_bf16_packed *b, size_t tap, size_t q,
                                          size_t o) {
    const size_t panel = o / GB_BF16_NR, pair = tap * b->tap_pairs + q / 2;
    return gb_bf16_panel_offset(b, panel) +
           2 * (pair * gb_bf16_panel_width(b, panel) + o % GB_BF16_NR) + q % 2;
}

#endif
