// SPDX-License-Identifier: MIT
// Kernels for problems with bf16 operands. They need other instructions than the vectors of an
// instruction set, so that a native backend takes them from the best unit that its level and the
// CPU have: AMX tiles, VDPBF16PS or BFDOT, or, where none exists, the reference, which widens
// operands.
//
// A unit fixes the order of every sum; the reference computes any unit's order, one sum at a time,
// and kernels are bitwise identical to it:
//
//   forward and data gradient   filter row by filter row; within a row over (tap, channel) with the
//                               channels padded to an even number, in pairs
//   weight gradient             image row by image row, over pixels of the output in pairs, zeros
//                               where a tap reads outside of the image; blocks of pairs run through
//                               rows, and end with the segments of kernels/bf16/weight_gradient.h
//   fully connected             inputs in the order of memory, outputs, or samples, in pairs
//
// GB_PAIRS (VDPBF16PS): for each pair fma(even, fma(odd, sum)). GB_TILES (TDPBF16PS): for each
// block of up to 16 pairs the odd and the even products are two chains from zero; their sum is
// added. GB_ODD_PAIRS (BFDOT, and BFMMLA, which is two of them): the two products of a pair are
// added, and their sum to the sum, both rounded to odd: bit 0 of an inexact result is 1, and NaN is
// the default one. Subnormal operands, products and sums count as zero, as in all instructions.
#ifndef GB_BF16_UNITS_H
#define GB_BF16_UNITS_H

#include "kernels/conv/conv.h"
#include "kernels/fc/fc.h"

enum gb_bf16_order { GB_PAIRS, GB_TILES, GB_ODD_PAIRS };
enum { GB_TILE_PAIRS = 16 };

struct gb_bf16_unit {
    const char *name;    // "widened", "avx512_bf16", ...: also what rows call the algorithm
    const char *fc_name; // of the unit that multiplies in its fully connected layers
    const struct gb_bf16_unit *reference; // in this unit's order
    gb_conv_plan_fn conv_plan;
    gb_conv_plan_free_fn conv_plan_free;
    gb_conv_pack_fn conv_pack;
    gb_conv_unpack_fn conv_unpack;
    gb_conv_forward_fn conv_forward;
    gb_conv_backward_data_fn conv_backward_data;
    gb_conv_backward_weights_fn conv_backward_weights;
    gb_fc_plan_fn fc_plan;
    gb_fc_plan_free_fn fc_plan_free;
    gb_fc_pack_fn fc_pack;
    gb_fc_unpack_fn fc_unpack;
    gb_fc_forward_fn fc_forward;
    gb_fc_backward_fn fc_backward;
};

// The reference in the order of each unit. With tiles, fully connected layers are summed in pairs.
extern const struct gb_bf16_unit gb_bf16_widened_pairs, gb_bf16_widened_tiles, gb_bf16_widened_odd;
__typeof__(*(gb_fc_plan_fn)0) gb_bf16_widened_fc_plan;
__typeof__(*(gb_fc_plan_free_fn)0) gb_bf16_widened_fc_plan_free;
__typeof__(*(gb_fc_pack_fn)0) gb_bf16_widened_fc_pack;
__typeof__(*(gb_fc_unpack_fn)0) gb_bf16_widened_fc_unpack;
__typeof__(*(gb_fc_forward_fn)0) gb_bf16_widened_fc_forward_pairs, gb_bf16_widened_fc_forward_odd;
__typeof__(*(gb_fc_backward_fn)0) gb_bf16_widened_fc_backward_pairs,
    gb_bf16_widened_fc_backward_odd;

// Convolution on VDPBF16PS, BFMMLA and AMX tiles (conv_dot_body.c, compiled for each).
#define GB_BF16_CONV(isa)                                                                          \
    __typeof__(*(gb_conv_plan_fn)0) gb_bf16_conv_plan__##isa;                                      \
    __typeof__(*(gb_conv_plan_free_fn)0) gb_bf16_conv_plan_free__##isa;                            \
    __typeof__(*(gb_conv_pack_fn)0) gb_bf16_conv_pack__##isa;                                      \
    __typeof__(*(gb_conv_unpack_fn)0) gb_bf16_conv_unpack__##isa;                                  \
    __typeof__(*(gb_conv_forward_fn)0) gb_bf16_conv_forward__##isa;                                \
    __typeof__(*(gb_conv_backward_data_fn)0) gb_bf16_conv_backward_data__##isa;                    \
    __typeof__(*(gb_conv_backward_weights_fn)0) gb_bf16_conv_backward_weights__##isa;
GB_BF16_CONV(avx512_bf16)
GB_BF16_CONV(amx_bf16)
GB_BF16_CONV(neon_bf16)

// The fully connected layer on VDPBF16PS or BFDOT, for every unit of a CPU that has it (fc_dot.c).
__typeof__(*(gb_fc_plan_fn)0) gb_bf16_dot_fc_plan;
__typeof__(*(gb_fc_plan_free_fn)0) gb_bf16_dot_fc_plan_free;
__typeof__(*(gb_fc_pack_fn)0) gb_bf16_dot_fc_pack;
__typeof__(*(gb_fc_unpack_fn)0) gb_bf16_dot_fc_unpack;
__typeof__(*(gb_fc_forward_fn)0) gb_bf16_dot_fc_forward;
__typeof__(*(gb_fc_backward_fn)0) gb_bf16_dot_fc_backward;

// All units of this build for this CPU, best first, the reference last, ended by NULL.
const struct gb_bf16_unit *const *gb_bf16_units(void);

// The unit of a native backend, or of a vendor library's fallback: the reference unless the backend
// is of the level that the CPU's units belong to. $GB_BF16_UNIT names another, for comparison.
// GB_UNSUPPORTED with a message where it names none of this CPU's.
enum gb_status gb_bf16_unit_of(const struct gb_backend *backend, const struct gb_bf16_unit **unit);

// The plan entries of native backends for bf16 operands: the unit's, noted in the plan. Their other
// entries hand such plans to plan->unit.
__typeof__(*(gb_conv_plan_fn)0) gb_bf16_conv_plan;
__typeof__(*(gb_fc_plan_fn)0) gb_bf16_fc_plan;

// First in each entry of a backend that runs such a plan.
#define GB_BF16_ROUTE(entry, ...)                                                                  \
    do {                                                                                           \
        if (plan->unit) {                                                                          \
            plan->unit->entry(__VA_ARGS__);                                                        \
            return;                                                                                \
        }                                                                                          \
    } while (0)

#endif
