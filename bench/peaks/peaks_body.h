// SPDX-License-Identifier: MIT
// The loops that peaks are measured with, a set of them for each instruction set.
#ifndef GB_PEAKS_BODY_H
#define GB_PEAKS_BODY_H

#include <stddef.h>

// Multiply-adds, or dot products, in registers alone.
struct gb_fma_body {
    const char *isa, *precision; // of the operands; sums are fp32
    double flops_a_round;        // a multiply-add is two
    float (*run)(size_t rounds); // the result depends on all of them
};

extern const struct gb_fma_body gb_fma_body__scalar;
#if defined(__x86_64__)
extern const struct gb_fma_body gb_fma_body__avx2, gb_fma_body__avx512;
extern const struct gb_fma_body gb_fma_body__avx512_bf16; // vdpbf16ps
// The calling process must have been granted the tiles' registers (arch_prctl).
extern const struct gb_fma_body gb_fma_body__amx_bf16; // tdpbf16ps
#endif

enum gb_stream { GB_STREAM_READ, GB_STREAM_COPY, GB_STREAM_TRIAD, GB_STREAM_UPDATE, GB_STREAMS };

// Arrays are whole chunks of this many floats, aligned to 64 bytes.
enum { GB_STREAM_CHUNK = 128, GB_STREAM_ARRAYS = 3 };

// Goes `rounds` times over `count` floats of each array that the stream has:
//   read    sums a                                    4 bytes an element counted
//   copy    a = b                                     8
//   triad   a = b + s*c                              12
//   update  a, b and c, each from two of them        24
typedef float (*gb_stream_fn)(float *const arrays[GB_STREAM_ARRAYS], size_t count, size_t rounds);

extern const gb_stream_fn gb_streams__scalar[GB_STREAMS];
#if defined(__x86_64__)
extern const gb_stream_fn gb_streams__avx2[GB_STREAMS], gb_streams__avx512[GB_STREAMS];
#endif

#endif
