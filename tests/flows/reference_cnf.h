// SPDX-License-Identifier: MIT
// CNF in double precision, written from the definition with plain loops: what the tests hold the
// float model to. One image at a time, in PyTorch's order (C, H, W); parameters by name, in
// PyTorch's order. Test code: running out of memory aborts.
#ifndef REFERENCE_CNF_H
#define REFERENCE_CNF_H

#include <stdbool.h>

#include "flows/models/cnf.h"
#include "flows/params.h"
#include "tests/flows/reference_image.h"

struct reference_cnf {
    struct gb_cnf_config config;
    // Instance norms of the flow by the image's own moments, as in training; else by the stored
    // ones.
    bool own_moments;
    int count;
    struct reference_param *params;
};

// The names and shapes of a float model's parameters, in its order; values are zero.
struct reference_cnf *reference_cnf_create(const struct gb_cnf_config *config,
                                           const struct gb_params *params);
void reference_cnf_free(struct reference_cnf *model);

// Fills all parameters so that every path is live and every 1x1 matrix well conditioned. The values
// are floats, so that a float model can hold the same.
void reference_cnf_randomise(struct reference_cnf *model, uint64_t seed);

// Every layer of the flow: log p(y|x) = log_det + log_prior - log_q.
struct reference_cnf_density {
    double log_det;   // of d latents / d v, v the (dequantised) target
    double log_prior; // of the latents
    double log_q;     // of v given y, with a dequantiser
};

// `noise`: the dequantiser's, of y's shape; NULL without one. v: the dequantised target; latents:
// of all levels one after the other, as they leave, and `standard`, standardised by their prior:
// each has as many elements as y, each may be NULL.
struct reference_cnf_density reference_cnf_forward(const struct reference_cnf *model,
                                                   const double *x, const double *y,
                                                   const double *noise, double *v, double *latents,
                                                   double *standard);
double reference_cnf_log_likelihood(const struct reference_cnf *model, const double *x,
                                    const double *y, const double *noise);

// The shape of the latent that leaves at a level.
struct reference_shape reference_cnf_latent(const struct gb_cnf_config *config, int level);

#endif
