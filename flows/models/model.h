// SPDX-License-Identifier: MIT
// A conditional model p(y|x), whichever: all that trainers, samplers, benchmarks and tests do with
// one.
#ifndef GB_MODEL_H
#define GB_MODEL_H

#include <jansson.h>

#include "flows/models/cglow.h"
#include "flows/models/cnf.h"
#include "flows/models/dncnn.h"
#include "flows/models/factored.h"
#include "flows/models/fcn.h"
#include "flows/models/ffn.h"
#include "flows/models/latents.h"
#include "flows/models/srcnn.h"
#include "flows/models/use.h"
#include "flows/params.h"

// Who fills the distance between the levels of a discrete target.
enum gb_dequantisation {
    GB_DEQUANTISED_BY_CALLER, // uniform noise is in y already
    GB_DEQUANTISED_BY_MODEL,  // forward takes y as it is, and standard normal noise of its shape
    GB_NOT_DEQUANTISED,       // the likelihood is of the levels themselves, or y is real-valued
};

// x and y of `batch` targets: dense views with data == NULL.
struct gb_model_shapes {
    struct gb_tensor x, y;
    enum gb_dequantisation dequantisation;
};

// Every model's configuration.
union gb_model_config {
    struct gb_image_sizes sizes; // which each begins with, as GB_SIZE_FIELDS counts on
    struct gb_cglow_config cglow;
    struct gb_cnf_config cnf;
    struct gb_factored_config factored;
    struct gb_dncnn_config dncnn;
    struct gb_srcnn_config srcnn;
    struct gb_ffn_config ffn;
    struct gb_fcn_config fcn;
};

#define GB_BEGINS_WITH_SIZES(config)                                                               \
    _Static_assert(offsetof(struct config, sizes) == 0, #config " does not begin with its sizes")
GB_BEGINS_WITH_SIZES(gb_cglow_config);
GB_BEGINS_WITH_SIZES(gb_cnf_config);
GB_BEGINS_WITH_SIZES(gb_factored_config);
GB_BEGINS_WITH_SIZES(gb_dncnn_config);
GB_BEGINS_WITH_SIZES(gb_srcnn_config);
GB_BEGINS_WITH_SIZES(gb_ffn_config);
GB_BEGINS_WITH_SIZES(gb_fcn_config);
#undef GB_BEGINS_WITH_SIZES

// `config`: the model's member of gb_model_config. `model`: what create made of it.
struct gb_model_kind {
    const char *title; // for people: "c-Glow"
    const struct gb_config_table *table;
    // One answer to an x: inverse gives the same y whatever the noise, and log_likelihood is that
    // of noise of a fixed width around it, which compares with no other model's.
    bool point_estimate;
    bool uniform_noise; // that inverse wants is uniform in [0, 1), not standard normal

    // GB_BAD_INPUT with a message where the configuration is not one.
    enum gb_status (*check)(const void *config);
    // Plans and allocates; parameters are zero until gb_params_initialise or a checkpoint fills
    // them. *model is NULL where it fails.
    enum gb_status (*create)(const void *config, const struct gb_model_use *use,
                             const struct gb_backend *backend, void **model);
    void (*free)(void *model); // NULL is no model
    struct gb_params *(*params)(void *model);
    // Bytes of activations and scratch, beside the parameter blocks; the high-water mark of the
    // plan.
    size_t (*activation_bytes)(const void *model);
    // Needed floating-point operations of one training step at the model's batch
    // (kernels/conv/conv.h says what is needed; data gradients of the first convolutions on x are
    // not, nor is what `reversible` computes again).
    double (*step_flops)(const void *model);
    void (*shapes)(const void *config, int batch, struct gb_model_shapes *shapes);
    // The shapes that inverse's noise must have: dense views with data == NULL.
    void (*latent_shapes)(const void *model, struct gb_latents *shapes);

    // All that depends on x (batch / samples_per_x images) alone. GB_CHECK_FAILED where a matrix is
    // singular. `x` must stay valid until backward.
    enum gb_status (*condition)(void *model, const struct gb_tensor *x);
    // Starts every parameter that starts from data from the batch y, given the conditioning: before
    // the first training step. `noise` as for forward. NULL: there are none.
    enum gb_status (*start)(void *model, const struct gb_tensor *y, const struct gb_tensor *noise);
    // y to latents given the conditioning: log p(y|x) in nats for each of the batch, into
    // log_likelihood. `noise` is for GB_DEQUANTISED_BY_MODEL, else NULL; both must stay valid until
    // backward. `latents` may be NULL. GB_CHECK_FAILED where a log-likelihood is not finite, or the
    // dequantiser's matrix is singular.
    enum gb_status (*forward)(void *model, const struct gb_tensor *y, const struct gb_tensor *noise,
                              double *log_likelihood, struct gb_latents *latents);
    // Gradients of the sum over the batch of d_log_likelihood[n] * log p(y_n | x_n), after forward,
    // whose activations are spent. adam == NULL: stored in the gradient block. Otherwise every
    // parameter is updated as soon as its gradient is complete, with the bits of gb_params_apply on
    // stored gradients, and the conditioning is spent too. dx and dy may be NULL;
    // dy must be NULL where y is not what the flow sees (GB_DEQUANTISED_BY_MODEL) and where there
    // is no flow.
    void (*backward)(void *model, const float *d_log_likelihood, const struct gb_adam *adam,
                     const struct gb_tensor *dx, const struct gb_tensor *dy);
    // A sample of y given the conditioning, from noise of the latents' shapes, multiplied by
    // `temperature` before priors scale and shift it. Of a model that dequantises, y > 0.5 is the
    // mask.
    void (*inverse)(void *model, const struct gb_latents *noise, float temperature,
                    const struct gb_tensor *y);

    // The module path that the authors' code gives to the parameter `name`, or an empty string.
    // NULL: nobody published weights.
    void (*published_name)(const void *config, const char *name, char published[static 96]);
};

extern const struct gb_model_kind gb_cglow_model, gb_cnf_model, gb_factored_model, gb_dncnn_model,
    gb_srcnn_model, gb_ffn_model, gb_fcn_model;

// All kinds, ended by NULL.
const struct gb_model_kind *const *gb_model_kinds(void);

// The name in files, "cglow".
static inline const char *gb_model_name(const struct gb_model_kind *kind) {
    return kind->table->model;
}

// Under what name logs and results have the likelihood, in bits per dimension: point_estimate's is told
// as what it is.
static inline const char *gb_model_loss_name(const struct gb_model_kind *kind) {
    return kind->point_estimate ? "loss" : "bits_per_dimension";
}

// What heights and widths of targets must be multiples of: they are halved at every level.
int gb_model_multiple(const struct gb_model_kind *kind, const void *config);

// Gives a configuration other heights and widths of x and y; GB_BAD_INPUT where the model does not
// take them. Weights do not depend on them but in c-Glow's fully connected layers.
enum gb_status gb_model_resize(const struct gb_model_kind *kind, void *config, int x_h, int x_w,
                               int y_h, int y_w);

#endif
