// SPDX-License-Identifier: MIT
// What models that are one feed-forward network share: the network gives every element of y the
// numbers of its distribution (likelihood.h). A model is a description of its network, and the
// table of functions (model.h) that this file fills.
#ifndef GB_REGRESSION_H
#define GB_REGRESSION_H

#include "flows/models/config.h"
#include "flows/models/latents.h"
#include "flows/models/likelihood.h"
#include "flows/models/use.h"
#include "flows/networks/feed_forward.h"

struct gb_model_shapes;

// `config`, everywhere: the model's own, which begins with struct gb_image_sizes.
struct gb_regression_form {
    const char *title;                           // for messages
    enum gb_status (*check)(const void *config); // as in struct gb_model_kind
    // Adds the network to `net`; returns what it gives, a whole buffer of y's height and width and
    // of the likelihood's channels.
    struct gb_place (*network)(const void *config, struct gb_feed_forward *net, struct gb_place x);
    // What is maximised in training, or what a trained model is scored by.
    struct gb_likelihood (*likelihood)(const void *config, bool training);
    bool point_estimate; // no samples
    // What y has in place of the likelihood's 0, and 1 more in place of its 1. NULL: 0.
    float (*zero)(const void *config);
};

// As struct gb_model_kind's.
enum gb_status gb_regression_create(const struct gb_regression_form *form, const void *config,
                                    const struct gb_model_use *use,
                                    const struct gb_backend *backend, void **model);

// The number of parameters that a model would have.
enum gb_status gb_regression_parameters(const struct gb_regression_form *form, const void *config,
                                        size_t *parameters);

// A `likelihood` for the form: squared error of images in [0, 1], a Gaussian of sigma 0.1, whatever
// the configuration.
struct gb_likelihood gb_image_error(const void *config, bool training);

// GB_BAD_INPUT unless y has x's height and width.
enum gb_status gb_regression_check_same_size(const struct gb_image_sizes *sizes);

// Functions of struct gb_model_kind: condition runs the network, forward takes the
// likelihood, inverse the answer. There is no dy, nor are there latents of a y.
void gb_regression_free(void *model);
struct gb_params *gb_regression_params(void *model);
size_t gb_regression_activation_bytes(const void *model);
double gb_regression_step_flops(const void *model);
void gb_regression_shapes(const void *config, int batch, struct gb_model_shapes *shapes);
void gb_regression_latent_shapes(const void *model, struct gb_latents *shapes);
enum gb_status gb_regression_condition(void *model, const struct gb_tensor *x);
enum gb_status gb_regression_forward(void *model, const struct gb_tensor *y,
                                     const struct gb_tensor *noise, double *log_likelihood,
                                     struct gb_latents *latents);
void gb_regression_backward(void *model, const float *d_log_likelihood, const struct gb_adam *adam,
                            const struct gb_tensor *dx, const struct gb_tensor *dy);
void gb_regression_inverse(void *model, const struct gb_latents *noise, float temperature,
                           const struct gb_tensor *y);

#define GB_REGRESSION_FUNCTIONS                                                                    \
    .free = gb_regression_free, .params = gb_regression_params,                                    \
    .activation_bytes = gb_regression_activation_bytes, .step_flops = gb_regression_step_flops,    \
    .shapes = gb_regression_shapes, .latent_shapes = gb_regression_latent_shapes,                  \
    .condition = gb_regression_condition, .forward = gb_regression_forward,                        \
    .backward = gb_regression_backward, .inverse = gb_regression_inverse

#endif
