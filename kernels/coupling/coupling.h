// SPDX-License-Identifier: MIT
// The affine coupling's elementwise part. `raw` is what the coupling network gives, 2*c channels:
// the first c the shift, the last c the raw scale (checkpoints interleave them, even = shift;
// packing reorders). For c-Glow
//   shift = tanh(raw_t);  scale = sigmoid(tanh(raw_s) + 2);  u = (v + shift) * scale
// and the log-determinant of a sample is the sum of log(scale).
#ifndef GB_COUPLING_H
#define GB_COUPLING_H

#include "kernels/parallel.h"
#include "kernels/tensor.h"

// v and u: n x h x w x c, any strides, u may be the same view as v; raw: n x h x w x 2c.
// Adds to log_det[n] (doubles): each image row is summed in float lanes, then the rows in order in
// double. Scratch: gb_coupling_scratch_floats(v).
typedef void (*gb_coupling_forward_fn)(const struct gb_exec *exec, const struct gb_tensor *v,
                                       const struct gb_tensor *raw, const struct gb_tensor *u,
                                       double *log_det);
typedef void (*gb_coupling_inverse_fn)(const struct gb_exec *exec, const struct gb_tensor *u,
                                       const struct gb_tensor *raw, const struct gb_tensor *v);
// From the output u, raw, du and d_log_det[n] (the loss's gradient for each sample's
// log-determinant): dv and d_raw. It needs u, not v, because d(scale)*scale = du*(v + shift)*scale
// = du*u: the coupling can then work in place. dv may be the same view as du.
typedef void (*gb_coupling_backward_fn)(const struct gb_exec *exec, const struct gb_tensor *u,
                                        const struct gb_tensor *raw, const struct gb_tensor *du,
                                        const float *d_log_det, const struct gb_tensor *dv,
                                        const struct gb_tensor *d_raw);
size_t gb_coupling_scratch_floats(const struct gb_tensor *v);

#endif
