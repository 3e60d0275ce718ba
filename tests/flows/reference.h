// SPDX-License-Identifier: MIT
// c-Glow and CNF in double precision, written from their definitions with plain loops
// (reference_cglow.c, reference_cnf.c): what the tests compare the float models with. One image at
// a time and parameters by name, both in PyTorch's order (C, H, W). Test code: running out of
// memory aborts.
#ifndef REFERENCE_H
#define REFERENCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "flows/models/model.h"

// ---- Models ----

struct reference_param {
    char name[96];
    int dims, shape[4];
    size_t count;
    double *value;
};

struct reference {
    const struct gb_model_kind *kind;
    const void *config; // the caller's
    int count;
    struct reference_param *params; // in the float model's order
    // CNF's instance norms by the image's own moments, as in training; otherwise by the stored
    // ones.
    bool own_moments;
};

// Parameters from the seed: every path is live, every 1x1 matrix well conditioned and far from
// symmetric. Their values are floats, so that a float model can hold the same.
struct reference *reference_new(const struct gb_model_kind *kind, const void *config,
                                uint64_t seed);
void reference_free(struct reference *model);

// The parameter `prefix``leaf`; NULL if there is none.
struct reference_param *reference_find(const struct reference *model, const char *prefix,
                                       const char *leaf);

// log p(y|x) = log_det + log_prior - log_q.
struct reference_density {
    double log_det;   // of d latents / d v, v the (dequantised) target
    double log_prior; // of the latents
    double log_q;     // of v given y, with a dequantiser
};

// What y becomes: the dequantised target, the latents of all levels one after the other as they
// leave, and the same standardised by their priors. Each has as many elements as y and may be NULL.
struct reference_outputs {
    double *v, *latents, *standard;
};

// `noise`: the dequantiser's, of y's shape; NULL without one.
struct reference_density reference_forward(const struct reference *model, const double *x,
                                           const double *y, const double *noise,
                                           struct reference_outputs outputs);

// ---- Images and networks ----

struct reference_shape {
    int c, h, w;
};

static inline size_t reference_elements(struct reference_shape shape) {
    return (size_t)shape.c * (size_t)shape.h * (size_t)shape.w;
}

// An image with its own memory; free(image.data).
struct reference_image {
    struct reference_shape shape;
    double *data;
};
struct reference_image reference_image_new(int c, int h, int w); // zeros
struct reference_image reference_image_of(int c, int h, int w, const double *values);
struct reference_image reference_copy(const struct reference_image *from);
// Channels [first, first + count).
struct reference_image reference_channels(const struct reference_image *from, int first, int count);
// Frees both.
struct reference_image reference_concatenate(struct reference_image a, struct reference_image b);

enum reference_activation {
    REFERENCE_IDENTITY,
    REFERENCE_RELU,
    REFERENCE_LEAKY_RELU, // slope 0.2
    REFERENCE_TANH
};
double reference_activate(enum reference_activation activation, double u);

// act((conv(in) + bias [+ new_bias]) * exp(log_factor * log_scale)) with the parameters
// `prefix`weight, bias and, where the model has them, new_bias and log_scale. Frees `in`.
struct reference_convolution {
    int stride_h, stride_w; // 0: the size is kept, by padding; otherwise nothing is padded
    double log_factor;
    enum reference_activation activation;
};
struct reference_image reference_convolve(const struct reference *model, const char *prefix,
                                          struct reference_convolution conv,
                                          struct reference_image in);

// ---- Layers, in place; they return the log-determinant ----

// (v + bias) * exp(log_scale) per channel.
double reference_actnorm(const double *bias, const double *log_scale, struct reference_image *v);
// The c x c matrix, row-major, at every pixel.
double reference_inv1x1(const double *matrix, struct reference_image *v);

// 2h x 2w pixels of c channels to h x w of 4c, and back. Free what they are given.
struct reference_image reference_squeeze(struct reference_image wide);
struct reference_image reference_unsqueeze(struct reference_image deep);

// log N(z; 0, 1).
double reference_log_normal(double z);

// ---- The flows' parts, for reference_forward ----

// The steps of a level, given the image or the features of that level, in place.
double reference_cglow_level(const struct reference *model, int level,
                             const struct reference_image *x, struct reference_image *v);
double reference_cnf_level(const struct reference *model, int level,
                           const struct reference_image *features, struct reference_image *v);

// The log-density of the latent z that leaves at a level, given the half that is kept (no channels
// at the top); `standard`: z standardised.
double reference_cglow_prior(const struct reference *model, int level,
                             const struct reference_image *kept, const struct reference_image *z,
                             double *standard);
double reference_cnf_prior(const struct reference *model, int level,
                           const struct reference_image *features,
                           const struct reference_image *kept, const struct reference_image *z,
                           double *standard);

// Of all levels; frees x.
void reference_cnf_features(const struct reference *model, struct reference_image x,
                            struct reference_image *features);
// y becomes v; returns log q(v | y, x).
double reference_cnf_dequantise(const struct reference *model,
                                const struct reference_image *features, const double *noise,
                                struct reference_image *y);

// ---- Numbers ----

// Aborts unless it holds, in every kind of build.
void reference_require(bool holds);

// Zeros; free() them.
void *reference_allocate(size_t count, size_t size);

// Uniform in [0, 1) and standard normal, from a counter that they advance.
double reference_uniform(uint64_t *state);
double reference_normal(uint64_t *state);

// log|det| of an n x n matrix, which is overwritten; -infinity where it is singular.
double reference_log_abs_det(int n, double *matrix);

#endif
