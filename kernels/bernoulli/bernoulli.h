// SPDX-License-Identifier: MIT
// Weighted Bernoulli likelihood of binary masks (CNF, Eq. 9), with p = sigmoid(logit) for a one:
//   log L = weight_one * log p  where y is 1,  weight_zero * log(1 - p)  where it is 0,
// which is the training loss (weighted cross-entropy; with weights of 1, cross-entropy). If
// `normalised`, log(p^weight_one + (1 - p)^weight_zero) is subtracted: the result is the
// log-probability of y under a Bernoulli distribution with the logit
// weight_one * log p - weight_zero * log(1 - p).
#ifndef GB_BERNOULLI_H
#define GB_BERNOULLI_H

#include "kernels/operation.h"

struct gb_bernoulli {
    float weight_one, weight_zero;
    bool normalised;
};

// y and logits: n x h x w x c, any strides; y holds 0 and 1. Adds to log_likelihood[n] (natural
// logarithms); rows are summed as in gb_coupling_forward_fn. Scratch: gb_row_sums_bytes(y). Error
// bound, with e = 2^-24: (12 + w*c)*e * sum of (|log L| + |logit| + 1).
typedef void (*gb_bernoulli_forward_fn)(const struct gb_exec *exec,
                                        const struct gb_bernoulli *bernoulli,
                                        const struct gb_tensor *y, const struct gb_tensor *logits,
                                        double *log_likelihood);
// From d_log_likelihood[n]: d_logits, overwritten; it may be the same view as logits. Error bound:
// 16*e*(1 + |logit|)*|d_logit|.
typedef void (*gb_bernoulli_backward_fn)(const struct gb_exec *exec,
                                         const struct gb_bernoulli *bernoulli,
                                         const struct gb_tensor *y, const struct gb_tensor *logits,
                                         const float *d_log_likelihood,
                                         const struct gb_tensor *d_logits);
// The probability of a one: p, or if normalised that of the distribution above. The output may be
// the same view as logits. Error bound: 16*e*(1 + |log(mean)|)*mean.
typedef void (*gb_bernoulli_mean_fn)(const struct gb_exec *exec,
                                     const struct gb_bernoulli *bernoulli,
                                     const struct gb_tensor *logits, const struct gb_tensor *mean);
// 1 where a uniform number of [0, 1) is below the mean, else 0; either, within the mean's error of
// it. y may be the same view as uniform.
typedef void (*gb_bernoulli_sample_fn)(const struct gb_exec *exec,
                                       const struct gb_bernoulli *bernoulli,
                                       const struct gb_tensor *uniform,
                                       const struct gb_tensor *logits, const struct gb_tensor *y);

// The shape of y, and whether the likelihood is normalised; text "n2h64w64c1",
// "n2h64w64c1normalised".
struct gb_bernoulli_problem {
    struct gb_image_problem image;
    int normalised; // 0 or 1
};

#endif
