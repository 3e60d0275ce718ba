// SPDX-License-Identifier: MIT
// The backend `onednn`: oneDNN's convolutions, inner products, matrix products, max-pooling and
// nearest-neighbour resampling behind the contracts of conv.h, fc.h, inv1x1.h, pool.h and
// resample.h. It builds against oneDNN 2.6 and 3.x.
//
// The plan creates the primitives for its number of threads, and they run on that many whatever the
// execution says. Running one points its memory objects at the operands, so only one caller at a
// time may execute a plan. Nothing is allocated: oneDNN's scratchpads are part of the execution's
// scratch.
//
// Activations are passed as dense NHWC. oneDNN takes other strides only in its reference
// implementation (200 times slower with 2.6 and 3.2), so other views are copied. Packed weights
// have the layout that the forward primitive prefers; a gradient that prefers another reorders
// them. Both count as reordering (gb_exec.reorder_seconds).
//
// bf16 operands are bf16 tensors with float sums; the packed layout holds the high halves of split
// weights, and gradients and moments take its order of elements in floats. What oneDNN cannot plan
// in bf16 goes to the unit of the fallback (kernels/bf16/units.h).
//
// Bias, scale and activation are fused forward. oneDNN fuses nothing backward: the input's epilogue
// and Adam's update follow the primitive, by the fallback's kernels.
#ifndef GB_ONEDNN_H
#define GB_ONEDNN_H

struct gb_backend;

// Lays oneDNN's entries over `table`, a copy of the fallback that it names.
void gb_onednn_overlay(struct gb_backend *table);

#endif
