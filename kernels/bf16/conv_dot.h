// SPDX-License-Identifier: MIT
// Convolution on VDPBF16PS, BFMMLA or AMX tiles, the units avx512_bf16, neon_bf16 and amx_bf16: the
// forward pass, and the data gradient as convolutions of dy with reversed taps and transposed
// weights, one for each remainder of the stride. Each is one product, C = A * B: M are output
// pixels, N output channels, and K filter rows of (tap, channel pair). Packed weights are B
// (kernels/bf16/packed.h).
#ifndef GB_BF16_CONV_DOT_H
#define GB_BF16_CONV_DOT_H

#include "kernels/bf16/packed.h"
#include "kernels/bf16/units.h"

// Output o of `outputs` reads the input at o*stride + origin + tap, zeros outside of it, and is
// stored at out_first + o*out_step.
struct gb_dot_axis {
    int inputs, outputs, taps, stride, origin, out_first, out_step;
    // Of the packed weights: tap t of the product is first_tap + t*tap_step.
    int first_tap, tap_step;
};

struct gb_dot_product {
    struct gb_dot_axis rows, columns;
    int n, in_c, out_c;
    size_t pixel;     // in_c, padded to an even number
    size_t row_pairs; // of a filter row
    struct gb_bf16_packed b;
    // The input with its padding in bf16, dense, where it cannot be read in place: rows of all
    // images one after the other, of which a thread copies up to window_rows at a time.
    int copy_h, copy_w;
    size_t window_rows;
    size_t mr, spans;   // M in spans of mr pixels
    size_t block_spans; // in a block of MC pixels, which goes by all panels of B
};

struct gb_dot_plan {
    struct gb_bf16_packed weights;
    struct gb_dot_product forward;
    // The data gradient: its products, one after the other in the same scratch, and the rows of its
    // epilogue's partial sums, one for each span.
    size_t transposed_bytes, partials;
    int data_count;
    struct gb_dot_product data[];
};

#endif
