// SPDX-License-Identifier: MIT
// Log-likelihood of values on `levels` levels 1/levels apart, 0, 1/levels, ..., 1 - 1/levels, each
// element by a logistic distribution of its own, discretised: a level's probability is the mass of
// half a level either side of it; the first and the last level take the tails as well, so that the
// probabilities sum to 1.
#ifndef GB_LOGISTIC_H
#define GB_LOGISTIC_H

#include "kernels/operation.h"

// x: n x h x w x c, the levels; `raw`: n x h x w x 2c, from a network: first c channels the mean
// less 1/2, so that zeros mean the middle, last c the logarithm of the scale, between -70 and 70.
// levels >= 2. Adds to log_likelihood[n] (natural logarithms); sums in the shape of
// gb_coupling_forward_fn. Error of an element with d = (x - mean) / scale and w = 1 / (levels *
// scale): 24 * 2^-24 * (1 + |d| + w + |log w|). Scratch: gb_row_sums_bytes(x).
typedef void (*gb_logistic_forward_fn)(const struct gb_exec *exec, int levels,
                                       const struct gb_tensor *x, const struct gb_tensor *raw,
                                       double *log_likelihood);
// From d_log_likelihood[n]: d_raw, overwritten; it overlaps nothing, raw included. x is data and
// takes no gradient.
typedef void (*gb_logistic_backward_fn)(const struct gb_exec *exec, int levels,
                                        const struct gb_tensor *x, const struct gb_tensor *raw,
                                        const float *d_log_likelihood,
                                        const struct gb_tensor *d_raw);
// Levels by inversion from uniform numbers in [0, 1), multiples of 2^-24 as gb_random_uniform_fn
// gives them; the scale times `temperature` (0: the mean's own level). `uniform` and x may be the
// same view.
typedef void (*gb_logistic_sample_fn)(const struct gb_exec *exec, int levels,
                                      const struct gb_tensor *uniform, const struct gb_tensor *raw,
                                      float temperature, const struct gb_tensor *x);

// The shape of x, and the levels; text "n2h64w64c3l256".
struct gb_logistic_problem {
    struct gb_image_problem image;
    int levels;
};

#endif
