// SPDX-License-Identifier: MIT
// How the native vector backends choose a convolution's algorithms, and what they keep with a plan.
#ifndef GB_CONV_NATIVE_H
#define GB_CONV_NATIVE_H

#include "kernels/conv/conv.h"

// ---- What a user asks for ----

// $GB_CONV_ALGORITHM overrides the choice of the native vector backends, for comparison. It is a
// list such as "implicit_gemm" or "forward=winograd,backward_data=col2im": a name alone goes for
// every direction that can take it, and at least one must; a direction's own must fit the shape.
struct gb_conv_request {
    const char *text;                             // NULL: no request
    int any, directions[GB_BACKWARD_WEIGHTS + 1]; // -1: no request
    unsigned applicable;                          // to any direction so far
    bool any_taken;
};

// GB_BAD_INPUT with a message that lists the names where one is unknown.
enum gb_status gb_conv_request_read(struct gb_conv_request *request);

// Replaces *algorithm by what is requested in this direction. `applicable` has bit 1 << a set for
// every algorithm a that the problem allows. GB_BAD_INPUT, listing those, for another.
enum gb_status gb_conv_request_apply(struct gb_conv_request *request, const void *problem,
                                     enum gb_direction direction, unsigned applicable,
                                     enum gb_conv_algorithm *algorithm);

// After all directions: GB_BAD_INPUT if a name alone was applicable in none.
enum gb_status gb_conv_request_finish(const struct gb_conv_request *request, const void *problem);

// ---- How the native vector backends run a plan ----

// Tap t at output position i reads input position (i*stride + origin + t*step) / divisor; outside
// [0, inputs), or where the division leaves a remainder, it reads zero.
struct gb_axis {
    int outputs, inputs, taps, stride, origin, step, divisor;
};
struct gb_window {
    struct gb_axis rows, columns;
};

// B, K x N, packed in panels of `nr` columns, each row after row. The last panel has as many whole
// vectors as hold the remaining columns; columns of padding hold zeros.
struct gb_packed_b {
    size_t k, n, nr;
};

// The rows of images (pixels, or Winograd tiles) divided into spans of nearly equal length: of a
// row's `per_row` spans the first `longer` have length + 1 elements, the others `length`.
struct gb_spans {
    int images, height, width, per_row, longer, length;
};

// The input with its padding, dense. Its position (0, 0) is the input's (shift_h, shift_w).
struct gb_padded_input {
    int h, w, shift_h, shift_w;
    size_t floats;
};

// The forward pass or the data gradient as one product: M are pixels, N and K channels and taps.
// The data gradient is the convolution of dy with transposed weights and reversed taps.
struct gb_conv_gemm {
    enum gb_conv_algorithm lowering; // IMPLICIT_GEMM, COL2IM or DEPTH_TO_SPACE
    struct gb_window window;         // of the convolution
    struct gb_window a_window;       // of A's rows: the same, or pointwise
    int n, in_c, out_c;
    struct gb_packed_b b;
    struct gb_conv_blocks blocks;
    struct gb_spans spans;      // of A's rows: each at most MR pixels
    struct gb_spans flat_spans; // with all pixels in one row, where the operands' strides allow it
    struct gb_spans out_spans;  // COL2IM: of the output's pixels
    size_t mc_spans;            // in a block of MC rows
    int out_step_h, out_step_w; // from a row of C to the next in the output, in pixels
    struct gb_padded_input padded;
    // Scratch in floats. COL2IM stores C. The data gradient packs transposed weights: threads share
    // them, but where one block holds all of M each thread packs the panels that it needs, rather
    // than read them from another core's cache. Between blocks of KC a thread keeps MC x NR sums.
    size_t c_floats, shared_b_floats, private_b_floats, sum_floats;
};

// The weight gradient as one product: M are the rows of packed weights, N their columns, K pixels.
struct gb_conv_weight_gemm {
    struct gb_window a_window, b_window; // how the pixels of K read x and dy
    struct gb_spans spans; // of M: rows of a filter row or of a tap share their pixels
    bool filter_rows;
    struct gb_conv_blocks blocks;
    size_t mc_spans;
    size_t kc_rows, k_blocks; // rows of pixels in a block of KC, and the number of blocks
    size_t k_splits;          // parts of K that are summed separately and then added: more to share
    size_t sum_floats, panel_floats, k_span_floats; // scratch of a thread
};

// 16 products, one for each element of the transform. M are tiles, K input and N output channels;
// for the weight gradient M are input channels, N output channels and K tiles.
struct gb_conv_winograd {
    struct gb_spans spans;      // of tiles, in rows of tiles
    struct gb_packed_b filters; // of one element
    struct gb_conv_blocks blocks;
    size_t block_spans; // in a block of tiles
    size_t input_row;   // floats of a tile's input channels: an odd number of cache lines
    // Floats from one element of the transform to the next, of filters, input tiles and output
    // tiles.
    size_t filter_step, input_step, output_step;
    // Threads divide output channels and take all tiles; otherwise they divide tiles (for the
    // weight gradient: input channels).
    bool divides_n;
};

struct gb_conv_native {
    struct gb_conv_gemm forward, data; // forward.b is the layout of packed weights in any case
    struct gb_conv_weight_gemm weights;
    struct gb_conv_winograd forward_tiles, data_tiles, weight_tiles;
};

#endif
