// SPDX-License-Identifier: MIT
// Likelihoods of factored models (CNF, Eq. 6), p(y|x) = prod_d p(y_d|x): the distribution of an
// element (of a pixel, where it is categorical) from the numbers that a network gives for it,
// `raw`.
#ifndef GB_LIKELIHOOD_H
#define GB_LIKELIHOOD_H

#include "flows/networks/network.h"

enum gb_likelihood_form {
    GB_LIKELIHOOD_GAUSSIAN,    // raw: the mean; sigma is fixed, so that this is squared error
    GB_LIKELIHOOD_LOGISTIC,    // kernels/logistic: mean less 1/2, logarithm of the scale
    GB_LIKELIHOOD_BERNOULLI,   // kernels/bernoulli: the logit of a one
    GB_LIKELIHOOD_CATEGORICAL, // kernels/categorical: a logit for each class
};

struct gb_likelihood {
    enum gb_likelihood_form form;
    float
        sigma; // GB_LIKELIHOOD_GAUSSIAN: about the final error: the loss of a wider one is constant
    int levels;                    // GB_LIKELIHOOD_LOGISTIC
    struct gb_bernoulli bernoulli; // GB_LIKELIHOOD_BERNOULLI
};

// Channels of raw for this number of channels of y.
int gb_likelihood_channels(const struct gb_likelihood *likelihood, int y_channels);
// What the functions below need, raw having the shape given.
size_t gb_likelihood_scratch_bytes(const struct gb_tensor *raw);

// Adds log p(y_n | x_n) to log_likelihood[n]. `d_raw` has raw's shape; backward finds there what
// forward left.
void gb_likelihood_forward(const struct gb_likelihood *likelihood, const struct gb_pass *pass,
                           const struct gb_tensor *y, const struct gb_tensor *raw,
                           const struct gb_tensor *d_raw, double *log_likelihood);
// d_raw, from d_log_likelihood[n]. y is data and takes no gradient.
void gb_likelihood_backward(const struct gb_likelihood *likelihood, const struct gb_pass *pass,
                            const struct gb_tensor *y, const struct gb_tensor *raw,
                            const float *d_log_likelihood, const struct gb_tensor *d_raw);
// A sample, from uniform numbers in [0, 1) of y's shape, which only a Gaussian, a categorical and a
// Bernoulli distribution may lack. Always the mean of the first two, and of a Bernoulli
// distribution without numbers or at temperature 0; the temperature multiplies a logistic's scale.
void gb_likelihood_sample(const struct gb_likelihood *likelihood, const struct gb_pass *pass,
                          const struct gb_tensor *uniform, const struct gb_tensor *raw,
                          float temperature, const struct gb_tensor *y);

#endif
