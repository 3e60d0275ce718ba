// SPDX-License-Identifier: MIT
// What models that consist of one feed-forward network share: the network computes the parameters
// of the distribution of every element of y (likelihood.h). Such a model is a description of its
// network, gb_model_kind.form: GB_REGRESSION_MODEL.
#ifndef GB_REGRESSION_H
#define GB_REGRESSION_H

#include "flows/models/likelihood.h"
#include "flows/models/model.h"
#include "flows/networks/feed_forward.h"

// `config`: the model's own.
struct gb_regression_form {
    // Adds the network to `net`; returns its output, a whole buffer of y's height and width and of
    // the likelihood's channels.
    struct gb_slice (*network)(const void *config, struct gb_feed_forward *net, struct gb_slice x);
    // What training maximises, or what a trained model is scored by.
    struct gb_likelihood (*likelihood)(const void *config, bool training);
    // The value in y that stands for the likelihood's 0; its 1 is 1 above. NULL: 0.
    float (*zero)(const void *config);
};

// The model.
struct gb_regression {
    struct gb_model base;
    struct gb_image_sizes sizes;
    struct gb_likelihood likelihood;
    float zero; // the value in y that stands for 0
    struct gb_feed_forward net;
    float *workspace;        // of the net's backward
    struct gb_tensor raw;    // the net's output, repeated for each sample
    struct gb_tensor d_raw;  // forward leaves there what backward needs
    struct gb_tensor zeros;  // if zero is not 0: y's shape, filled with it
    struct gb_tensor labels; // and y minus it
    struct gb_tensor y;      // of the last forward, or `labels`
};

// A `likelihood`: squared error of images in [0, 1], as a Gaussian of sigma 0.1.
struct gb_likelihood gb_image_error(const void *config, bool training);

// condition runs the network, forward evaluates the likelihood, inverse makes the prediction. There
// is no dy, and y has no latents.
enum gb_dequantisation gb_regression_dequantisation(const void *config);
enum gb_status gb_regression_plan(struct gb_model *model, const void *config);
void gb_regression_bind(struct gb_model *model);
void gb_regression_release(struct gb_model *model);
void gb_regression_latent_shapes(const struct gb_model *model, struct gb_latents *shapes);
enum gb_status gb_regression_condition(struct gb_model *model, const struct gb_tensor *x);
enum gb_status gb_regression_forward(struct gb_model *model, const struct gb_tensor *y,
                                     const struct gb_tensor *noise, double *log_likelihood,
                                     struct gb_latents *latents);
void gb_regression_backward(struct gb_model *model, const float *d_log_likelihood,
                            const struct gb_adam *adam, const struct gb_tensor *dx,
                            const struct gb_tensor *dy);
void gb_regression_inverse(struct gb_model *model, const struct gb_latents *noise,
                           float temperature, const struct gb_tensor *y);

// A struct gb_model_kind of a file's `table` and `check`, with the functions of struct
// gb_regression_form; members of the kind follow.
#define GB_REGRESSION_MODEL(name, network, likelihood, zero, ...)                                  \
    {                                                                                              \
        .title = name, .table = &table, .check = check,                                            \
        .form = &(const struct gb_regression_form){network, likelihood, zero},                     \
        .dequantisation = gb_regression_dequantisation, .size = sizeof(struct gb_regression),      \
        .plan = gb_regression_plan, .bind = gb_regression_bind, .release = gb_regression_release,  \
        .latent_shapes = gb_regression_latent_shapes, .condition = gb_regression_condition,        \
        .forward = gb_regression_forward, .backward = gb_regression_backward,                      \
        .inverse = gb_regression_inverse, __VA_ARGS__                                              \
    }

#endif
