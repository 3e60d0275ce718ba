// SPDX-License-Identifier: MIT
// How a convolution is computed. conv_plan decides it once for a shape: the algorithm of each
// direction, its block sizes, and the shapes of what it packs. Run functions only read it.
//
// Names are those of a blocked matrix product as in BLIS: C[M x N] = A[M x K] * B[K x N], B packed
// in panels of NR columns, computed by a micro-kernel that keeps MR x NR sums in registers over KC
// steps of K, within blocks of MC rows and NC columns.
#ifndef GB_CONV_ALGORITHM_H
#define GB_CONV_ALGORITHM_H

#include <stddef.h>

enum gb_conv_algorithm {
    GB_CONV_DIRECT,         // the definition, one sum at a time
    GB_CONV_IMPLICIT_GEMM,  // im2col(x) * W, where im2col(x) is read in place and never stored
    GB_CONV_IM2COL,         // the same with the im2col matrix packed
    GB_CONV_COL2IM,         // x * W for all taps at once, whose outputs are then summed per pixel
    GB_CONV_DEPTH_TO_SPACE, // the same where no two taps share an output: stored, not summed
    GB_CONV_WINOGRAD,       // F(2x2, 3x3)
    GB_CONV_ALGORITHMS
};
extern const char *const gb_conv_algorithm_names[GB_CONV_ALGORITHMS];

// Block sizes in elements; 0: no such block, or the library does not report it.
struct gb_conv_blocks {
    size_t mr, nr, kc, mc, nc;
};

// What a plan chose in one direction.
struct gb_conv_choice {
    const char *name; // one of those above, or a library's own while the plan lives; NULL: unknown
    enum gb_conv_algorithm algorithm; // not a library's
    struct gb_conv_blocks blocks;
    size_t shared_bytes, thread_bytes; // of the plan's scratch that it needs
    size_t work; // as gb_threads_for counts it; SIZE_MAX: every thread is used
};

#endif
