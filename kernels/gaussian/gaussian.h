// SPDX-License-Identifier: MIT
// Log-density of a diagonal Gaussian, log N(z; mean, sigma^2), summed over a sample's elements:
// -1/2 * sum of (log(2 pi) + 2*log(sigma) + ((z - mean) / sigma)^2).
#ifndef GB_GAUSSIAN_H
#define GB_GAUSSIAN_H

#include "kernels/operation.h"

#define GB_HALF_LOG_2PI 0.91893853320467274178

// How the prior's network gives sigma.
enum gb_sigma_form {
    GB_SIGMA_EXP,      // c-Glow: sigma = exp(raw)
    GB_SIGMA_SOFTPLUS, // CNF: sigma = softplus(raw); raw above -87, where sigma would vanish
};

// z: n x h x w x c; `prior`: n x h x w x 2c, first c channels the mean, last c the raw sigma, or
// NULL for the standard normal. Adds to log_density[n]; sums in the shape of
// gb_coupling_forward_fn. Scratch: gb_row_sums_bytes(z). Error bound, with e = 2^-24 and
// d = (z - mean)/sigma: sum of ((12 + w*c)*e*(|log(sigma)| + d^2 + s) + 1e-12), s = 1 for the
// softplus and 0 otherwise.
typedef void (*gb_gaussian_forward_fn)(const struct gb_exec *exec, enum gb_sigma_form form,
                                       const struct gb_tensor *z, const struct gb_tensor *prior,
                                       double *log_density);
// From d_log_density[n]: dz and, with a prior, d_prior, both overwritten. They overlap nothing, z
// and prior included. dz = -d_mean, d_mean = d_log_density*d/sigma, d_raw = d_log_density*(d^2 -
// 1)*d(log(sigma))/d(raw). Error bounds: 12*e*|d_mean| of both; of d_raw 16*e*|d_log_density|*(d^2
// + 1).
typedef void (*gb_gaussian_backward_fn)(const struct gb_exec *exec, enum gb_sigma_form form,
                                        const struct gb_tensor *z, const struct gb_tensor *prior,
                                        const float *d_log_density, const struct gb_tensor *dz,
                                        const struct gb_tensor *d_prior);
// z = mean + sigma * noise * temperature. noise and z may be the same view. Error bound:
// 8*e*(|mean| + |sigma * noise * temperature|).
typedef void (*gb_gaussian_sample_fn)(const struct gb_exec *exec, enum gb_sigma_form form,
                                      const struct gb_tensor *noise, const struct gb_tensor *prior,
                                      float temperature, const struct gb_tensor *z);

// The shape of z, and the prior: none, one with sigma = exp, or softplus; text "n2h4w4c48",
// "n2h4w4c48prior", "n2h4w4c48softplus".
enum gb_prior_kind { GB_PRIOR_NONE, GB_PRIOR_EXP, GB_PRIOR_SOFTPLUS };
struct gb_gaussian_problem {
    struct gb_image_problem image;
    enum gb_prior_kind prior;
};

#endif
