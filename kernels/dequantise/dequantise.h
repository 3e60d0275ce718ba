// SPDX-License-Identifier: MIT
// Dequantisation of binary masks with half-infinite noise (CNF, Section 3.2):
//   v = 0.5 + sign(y - 0.5) * softplus(u),
// so that v > 0.5 is the mask. (Where softplus(u) is below 2^-25, u < -17.3, v rounds to 0.5.)
#ifndef GB_DEQUANTISE_H
#define GB_DEQUANTISE_H

#include "kernels/operation.h"

// y, u, v: n x h x w x c, any strides; y holds 0 and 1; v may be the same view as u. Adds a
// sample's sum of log |dv/du| = log(sigmoid(u)) to log_det[n] (doubles), summed in the shape of
// gb_coupling_forward_fn. Scratch: gb_row_sums_bytes(u). Error bounds, here and below with e =
// 2^-24: of v 6*e*(1 + |v|), of log_det (4 + w*c)*e * sum of |log(sigmoid(u))|.
typedef void (*gb_dequantise_forward_fn)(const struct gb_exec *exec, const struct gb_tensor *y,
                                         const struct gb_tensor *u, const struct gb_tensor *v,
                                         double *log_det);
// u = log(exp(|v - 0.5|) - 1); v must be on the mask's side of 0.5. u may be the same view as v.
// Error bound: 4*e*((1 + |v|)/(1 - exp(-|v - 0.5|)) + |u|).
typedef void (*gb_dequantise_inverse_fn)(const struct gb_exec *exec, const struct gb_tensor *y,
                                         const struct gb_tensor *v, const struct gb_tensor *u);
// From the input u, dv and d_log_det[n]: du = sign(y - 0.5) * dv * sigmoid(u) +
// d_log_det * sigmoid(-u). du may be the same view as dv. Error bound: 10*e times the sum of both
// terms' magnitudes.
typedef void (*gb_dequantise_backward_fn)(const struct gb_exec *exec, const struct gb_tensor *y,
                                          const struct gb_tensor *u, const struct gb_tensor *dv,
                                          const float *d_log_det, const struct gb_tensor *du);

#endif
