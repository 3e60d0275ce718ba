// SPDX-License-Identifier: MIT
// Softmax likelihood of labels: with p = exp(logits) / sum(exp(logits)) over a pixel's channels,
// one per class,
//   log L = sum over channels of y * log p,
// which is minus the cross-entropy. y is one-hot, or any non-negative weights of the classes; a
// pixel of zeros is ignored.
#ifndef GB_CATEGORICAL_H
#define GB_CATEGORICAL_H

#include "kernels/operation.h"

enum { GB_MAX_CLASSES = 64 };

// y and logits: n x h x w x c, any strides, c from 1 to GB_MAX_CLASSES. Adds to log_likelihood[n]
// (natural logarithms); rows are summed as in gb_coupling_forward_fn. Error of an element: y * (8 +
// c) * 2^-24 * (1 + the largest difference of its pixel's logits). Scratch:
// gb_row_sums_bytes(y).
typedef void (*gb_categorical_forward_fn)(const struct gb_exec *exec, const struct gb_tensor *y,
                                          const struct gb_tensor *logits, double *log_likelihood);
// From d_log_likelihood[n]: d_logits, overwritten; it may be the same view as logits.
typedef void (*gb_categorical_backward_fn)(const struct gb_exec *exec, const struct gb_tensor *y,
                                           const struct gb_tensor *logits,
                                           const float *d_log_likelihood,
                                           const struct gb_tensor *d_logits);
// p, which may be the same view as logits.
typedef void (*gb_categorical_mean_fn)(const struct gb_exec *exec, const struct gb_tensor *logits,
                                       const struct gb_tensor *mean);

// The shape of y is a problem: struct gb_image_problem, text "n2h64w64c3".

#endif
