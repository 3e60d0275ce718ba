// SPDX-License-Identifier: MIT
// How the weight gradient of the units on dot products divides its sums over pixels. The
// reference takes the end of each segment from here: blocks of tiles end with it.
//
// A block is what is packed at a time, so that it stays in the second-level cache; within it a tap
// reads segments, rows of pixels whose pairs follow each other in the packed x: an image, or part
// of one. Where images are small or rows are read by strides, x is packed for each filter row, and
// the whole block is one segment.
#ifndef GB_BF16_WEIGHT_GRADIENT_H
#define GB_BF16_WEIGHT_GRADIENT_H

#include "base/minmax.h"
#include "kernels/conv/conv.h"

struct gb_bf16_gradient {
    size_t pairs;        // of pixels in a row of dy; an odd row ends with a zero
    size_t rows, image;  // of dy in all images, in one
    size_t block_rows;   // at most
    size_t segment_rows; // at most
    bool by_filter_row;  // x is packed for each filter row
};

static inline struct gb_bf16_gradient gb_bf16_gradient_of(const struct gb_conv_problem *p) {
    enum { BLOCK_BYTES = 5 << 18, MIN_PAIRS = 128, MAX_PAIRS = 512, SMALL_IMAGE = 64 };
    const size_t image = (size_t)gb_conv_out_h(p), pairs = ((size_t)gb_conv_out_w(p) + 1) / 2;
    const size_t a_vectors = gb_round_up((size_t)p->c, 16) / 16 * (size_t)p->kernel_w;
    const size_t b_vectors = gb_round_up((size_t)p->k, 16) / 16;
    struct gb_bf16_gradient g = {.pairs = pairs,
                                 .rows = (size_t)p->n * image,
                                 .image = image,
                                 .by_filter_row = p->kernel_h == 1 || p->stride_h > 1 ||
                                                  image * pairs < SMALL_IMAGE};
    const size_t a_rows = g.by_filter_row ? (size_t)p->kernel_h : 1;
    const size_t pair_bytes = (a_rows * a_vectors + b_vectors) * 64;
    const size_t block_pairs =
        gb_min_size(gb_max_size(BLOCK_BYTES / pair_bytes, MIN_PAIRS), MAX_PAIRS);
    const size_t rows = gb_min_size(gb_max_size(block_pairs / pairs, 1), g.rows);
    if (g.by_filter_row) {
        g.block_rows = g.segment_rows = rows;
    } else if (rows >= image) {
        g.segment_rows = image;
        g.block_rows = rows / image * image;
    } else {
        const size_t parts = (image + rows - 1) / rows;
        g.block_rows = g.segment_rows = (image + parts - 1) / parts;
    }
    return g;
}

// The rows of the block that begins at row `first`.
static inline size_t gb_bf16_gradient_block(const struct gb_bf16_gradient *g, size_t first) {
    const size_t rows = gb_min_size(g->block_rows, g->rows - first);
    if (g->by_filter_row || g->segment_rows == g->image)
        return rows;
    return gb_min_size(rows, g->image - first % g->image);
}

// True for the last row of a segment.
static inline bool gb_bf16_gradient_ends(const struct gb_bf16_gradient *g, size_t row) {
    if (g->by_filter_row)
        return (row + 1) % g->block_rows == 0 || row + 1 == g->rows;
    return (row % g->image + 1) % g->segment_rows == 0 || (row + 1) % g->image == 0;
}

// Where a micro-kernel reads packed operands; distances in elements, lengths in pairs of pixels.
struct gb_gradient_operands {
    const gb_bf16 *a, *b;
    size_t a_panel, b_vector;    // to the next panel of channels, vector of outputs
    size_t a_row, a_pair;        // to the next channel, pair; tiles are read at every 16th pair
    size_t segments, pairs;      // of each segment
    size_t a_segment, b_segment; // to the next
};

// The plan of the weight gradient in each unit (weight_gradient_body.c, compiled for each).
struct gb_conv_choice gb_bf16_weight_gradient__avx512_bf16(const struct gb_conv_problem *problem);
struct gb_conv_choice gb_bf16_weight_gradient__amx_bf16(const struct gb_conv_problem *problem);
struct gb_conv_choice gb_bf16_weight_gradient__neon_bf16(const struct gb_conv_problem *problem);

#endif
