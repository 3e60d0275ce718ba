// SPDX-License-Identifier: MIT
// The loops that peaks are measured with, one set per instruction set.
#ifndef GB_PEAKS_BODY_H
#define GB_PEAKS_BODY_H

#include <stddef.h>

#include "kernels/isas.h"

// Multiply-adds, or dot products, in registers only.
struct gb_fma_body {
    const char *isa, *precision; // of the operands; sums are fp32
    size_t cpu_level;            // what it needs, for gb_cpu_has
    double flops_a_round;        // a multiply-add is two
    float (*run)(size_t rounds); // the result depends on all of them
};

enum gb_stream { GB_STREAM_READ, GB_STREAM_COPY, GB_STREAM_TRIAD, GB_STREAM_UPDATE, GB_STREAMS };

// Array lengths are multiples of a chunk of floats; arrays are aligned to 64 bytes.
enum { GB_STREAM_CHUNK = 128, GB_STREAM_ARRAYS = 3 };

// Passes `rounds` times over `count` floats of each array that the stream has:
//   read    sums a                                    4 bytes per element counted
//   copy    a = b                                     8
//   triad   a = b + s*c                              12
//   update  a, b and c, each from two of them        24
typedef float (*gb_stream_fn)(float *const arrays[GB_STREAM_ARRAYS], size_t count, size_t rounds);

#define GB_DECLARE_PEAKS(isa)                                                                      \
    extern const struct gb_fma_body gb_fma_body__##isa;                                            \
    extern const gb_stream_fn gb_streams__##isa[GB_STREAMS];
GB_ISAS(GB_DECLARE_PEAKS)
#undef GB_DECLARE_PEAKS

// By vdpbf16ps or bfdot, and by tdpbf16ps after gb_cpu_enable_amx.
#define GB_DECLARE_DOT(isa) extern const struct gb_fma_body gb_fma_body__##isa;
GB_DOT_ISAS(GB_DECLARE_DOT)
#undef GB_DECLARE_DOT

#endif
