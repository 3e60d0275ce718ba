// SPDX-License-Identifier: MIT
// The backend `onednn`: oneDNN's convolutions, inner products, matrix products, max-pooling and
// nearest-neighbour resampling behind the contracts of conv.h, fc.h, inv1x1.h, pool.h and resample.h.
// It builds against oneDNN 2.6 and 3.x.
//
// Primitives are made by the plan, for the plan's number of threads, and run on that many whatever
// the execution says. Running one points its memory objects at the operands, so a plan is executed
// by one caller at a time. Nothing is allocated: oneDNN's scratchpads lie in the execution's
// scratch.
//
// Activations are dense NHWC to oneDNN. It takes other strides too, but only its plain reference
// does (measured with 2.6 and 3.2: 200 times slower), so a view that is not dense goes through a
// dense copy. Packed weights have the layout that the forward primitive asks for. Where a gradient
// wants another, they are reordered. Both count as reordering (gb_exec.reorder_seconds).
//
// Bias, scale and activation are fused forward. Backward oneDNN has no such thing: the input's
// epilogue and Adam's update follow the primitive, by the fallback's kernels.
#ifndef GB_ONEDNN_H
#define GB_ONEDNN_H

struct gb_backend;

// Lays oneDNN's entries over `table`, a copy of its fallback's. Called once, before any plan is made.
void gb_onednn_overlay(struct gb_backend *table);

#endif
