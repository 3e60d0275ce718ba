// SPDX-License-Identifier: MIT
// c-Glow in double precision, written from the definition with plain loops: what the tests hold the
// float model to. One image at a time, in PyTorch's order (C, H, W); parameters by name, in
// PyTorch's order. Test code: running out of memory aborts.
#ifndef REFERENCE_CGLOW_H
#define REFERENCE_CGLOW_H

#include <stddef.h>
#include <stdint.h>

#include "flows/models/cglow.h"
#include "tests/flows/reference_image.h"

struct reference_cglow {
    struct gb_cglow_config config;
    int count;
    struct reference_param *params;
};

// What a step takes from x.
struct reference_step {
    double *log_scale, *bias; // c each
    double *matrix;           // c x c, row-major, rows = outputs
    double *features;         // c/2 x h x w
};

// Of all steps, level by level, for one image.
struct reference_conditions {
    int count;
    struct reference_step *step;
};

// All parameters of the configuration, zero.
struct reference_cglow *reference_cglow_create(const struct gb_cglow_config *config);
void reference_cglow_free(struct reference_cglow *model);

// The parameter of that name; aborts if it is missing.
struct reference_param *reference_cglow_param(const struct reference_cglow *model,
                                              const char *format, ...)
    __attribute__((format(printf, 2, 3)));

// Fills all parameters so that every path is live and every 1x1 matrix well conditioned. The values
// are floats, so that a float model can hold the same.
void reference_cglow_randomise(struct reference_cglow *model, uint64_t seed);

// The shape of the flow inside a level (after its squeeze), and of the latent that leaves there.
struct reference_shape reference_cglow_level(const struct gb_cglow_config *config, int level);
struct reference_shape reference_cglow_latent(const struct gb_cglow_config *config, int level);
struct reference_conditions *reference_cglow_condition(const struct reference_cglow *model,
                                                       const double *x);
void reference_conditions_free(struct reference_conditions *conditions);

// What y becomes: latents of all levels one after the other, in the order of the levels, as they
// leave (latents) and standardised by their prior (noise); each has as many elements as y. Either
// may be NULL.
struct reference_density {
    double log_det;   // of d latents / d y
    double log_prior; // of the latents
};
struct reference_density reference_cglow_forward(const struct reference_cglow *model,
                                                 const struct reference_conditions *conditions,
                                                 const double *y, double *latents, double *noise);
// From noise, in the order of forward, times the temperature.
void reference_cglow_inverse(const struct reference_cglow *model,
                             const struct reference_conditions *conditions, const double *noise,
                             double temperature, double *y);

// log p(y|x) in nats, from the image and the target.
double reference_cglow_log_likelihood(const struct reference_cglow *model, const double *x,
                                      const double *y);

// The layers. `shape` is that of v and u; forward returns the log-determinant.
double reference_actnorm_forward(struct reference_shape shape, const struct reference_step *step,
                                 const double *v, double *u);
void reference_actnorm_inverse(struct reference_shape shape, const struct reference_step *step,
                               const double *u, double *v);
double reference_inv1x1_forward(struct reference_shape shape, const struct reference_step *step,
                                const double *v, double *u);
void reference_inv1x1_inverse(struct reference_shape shape, const struct reference_step *step,
                              const double *u, double *v);
double reference_coupling_forward(const struct reference_cglow *model, int level, int step,
                                  const struct reference_step *condition, const double *v,
                                  double *u);
void reference_coupling_inverse(const struct reference_cglow *model, int level, int step,
                                const struct reference_step *condition, const double *u, double *v);

// The prior of level's second half given the first, `kept`: mean and log sigma of c/2 channels
// each.
void reference_split_prior(const struct reference_cglow *model, int level, const double *kept,
                           double *mean, double *log_sigma);

// log N(z; mean, exp(log_sigma)^2); NULL mean and log_sigma: the standard normal.
double reference_log_normal(size_t count, const double *z, const double *mean,
                            const double *log_sigma);

#endif
