// SPDX-License-Identifier: MIT
// The common interface of conditional models p(y|x): create, initialise or load the parameters
// (flows/params.h, flows/files/checkpoint.h), then for each x `condition`, and `forward` and
// `backward` to train or `inverse` to draw samples.
#ifndef GB_MODEL_H
#define GB_MODEL_H

#include "flows/models/cglow.h"
#include "flows/models/cnf.h"
#include "flows/models/dncnn.h"
#include "flows/models/factored.h"
#include "flows/models/fcn.h"
#include "flows/models/ffn.h"
#include "flows/models/latents.h"
#include "flows/models/srcnn.h"
#include "flows/networks/network.h"
#include "flows/params.h"

// Who adds the noise that spreads the levels of a discrete target.
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

// "fp32" or "bf16".
static inline const char *gb_precision_name(enum gb_type type) {
    return type == GB_BF16 ? "bf16" : "fp32";
}
// The type of this name; the other one where it is NULL.
static inline enum gb_type gb_precision_given(const char *name, enum gb_type otherwise) {
    return !name ? otherwise : strcmp(name, "bf16") == 0 ? GB_BF16 : GB_F32;
}

// What a model is built to do: memory is planned for it.
struct gb_model_use {
    int batch;         // targets per pass
    int samples_per_x; // targets that share one conditioning image: batch = images * samples_per_x
    int threads;
    bool training;  // backward is a step of training: Adam's moments are reserved, running
                    // statistics move; needs samples_per_x == 1
    bool gradients; // backward may store gradients instead of applying Adam: reserves their block
    bool input_gradient; // backward may be asked for dx; slow, for tests
    // Of what convolutions and fully connected layers multiply, GB_F32 or GB_BF16; the flow itself,
    // likelihoods, sums and master weights are floats.
    enum gb_type precision;
    enum gb_type moments; // of Adam: GB_F32 or GB_BF16 (gb_adam_target.bf16_moments)
    // Backward recomputes what forward would have to keep for it, in flows by the inverse; only for
    // kinds that recompute. Log-likelihoods stay bitwise the same. Where a network is run again on
    // the same input (RRDB, VGG, c-Glow's conditioning) gradients do, too: all of the factored
    // models'. The inverse of a step recovers its input up to rounding, about 2^-24 of its size per
    // step, and all gradients of the flow differ by as little from stored ones; in bf16, which
    // rounds that input, by as much as bf16 gradients differ from fp32 ones (flows/README.md).
    bool reversible;
};

// Whether there is a backward.
static inline bool gb_model_trains(const struct gb_model_use *use) {
    return use->training || use->gradients;
}

struct gb_model_kind;

// What every model begins with. Callers read it, and fill the parameters.
struct gb_model {
    const struct gb_model_kind *kind;
    struct gb_model_use use;
    const struct gb_backend *backend;
    struct gb_params params; // zero until gb_params_initialise or a checkpoint fills them
    struct gb_arena arena;   // activations and scratch; arena.bytes is the high-water mark
    struct gb_exec exec;     // of kernels that run on all threads
    // Needed floating-point operations of a training step at the model's batch (kernels/conv/conv.h
    // defines "needed"; data gradients of the first convolutions on x are not, nor is what
    // `reversible` recomputes).
    double step_flops;
    struct gb_tensor x;         // of the last condition
    struct gb_layers layers;    // of the plan
    struct gb_profile *profile; // the caller's, of `layers`; NULL: passes are not timed
};

// A kind of model. `config` is its member of gb_model_config.
struct gb_model_kind {
    const char *title; // for people: "c-Glow"
    const struct gb_config_table *table;
    // A single prediction for each x: inverse ignores the noise, and log_likelihood is that of
    // noise of a fixed width around it, which is not comparable with other models'.
    bool point_estimate;
    bool recomputes;                       // gb_model_use.reversible may be set
    bool uniform_noise;                    // for inverse: in [0, 1) instead of standard normal
    const struct gb_regression_form *form; // of a single network (regression.h); otherwise NULL

    // GB_BAD_INPUT with a message for an invalid configuration.
    enum gb_status (*check)(const void *config);
    enum gb_dequantisation (*dequantisation)(const void *config);

    // For gb_model_create and gb_model_free. `plan` declares layers and parameters and sets
    // exec.scratch_bytes and step_flops; `bind` takes memory from the arena and runs twice, to
    // measure and for good; `release` frees what `plan` allocated, also after it failed.
    size_t size; // of the model's struct
    enum gb_status (*plan)(struct gb_model *model, const void *config);
    void (*bind)(struct gb_model *model);
    void (*release)(struct gb_model *model);

    // The shapes of inverse's noise: dense views with data == NULL.
    void (*latent_shapes)(const struct gb_model *model, struct gb_latents *shapes);

    // Computes all that depends on x alone (batch / samples_per_x images), once for any number of
    // forward and inverse passes. GB_CHECK_FAILED if a matrix is singular. `x` must stay valid
    // until backward.
    enum gb_status (*condition)(struct gb_model *model, const struct gb_tensor *x);
    // Initialises parameters from the batch y, after condition and before the first training step.
    // `noise` as for forward. NULL for a model without such parameters.
    enum gb_status (*start)(struct gb_model *model, const struct gb_tensor *y,
                            const struct gb_tensor *noise);
    // y to latents, after condition: log p(y|x) in nats for each of the batch, into log_likelihood.
    // `noise` is for GB_DEQUANTISED_BY_MODEL, else NULL; both must stay valid until backward.
    // `latents` may be NULL. GB_CHECK_FAILED if a log-likelihood is not finite, or the
    // dequantiser's matrix is singular.
    enum gb_status (*forward)(struct gb_model *model, const struct gb_tensor *y,
                              const struct gb_tensor *noise, double *log_likelihood,
                              struct gb_latents *latents);
    // Gradients of the sum over the batch of d_log_likelihood[n] * log p(y_n | x_n), after forward,
    // whose activations are spent. adam == NULL: stored in the gradient block. Otherwise every
    // parameter is updated as soon as its gradient is complete, with the bits of gb_params_apply on
    // stored gradients, and the conditioning is spent too. dx and dy may be NULL; dy must be NULL
    // if the flow does not see y itself (GB_DEQUANTISED_BY_MODEL) or there is no flow.
    void (*backward)(struct gb_model *model, const float *d_log_likelihood,
                     const struct gb_adam *adam, const struct gb_tensor *dx,
                     const struct gb_tensor *dy);
    // A sample of y, after condition, from noise of the latents' shapes; `temperature` multiplies
    // the noise before priors scale and shift it. Of a model that dequantises, y > 0.5 is the mask.
    void (*inverse)(struct gb_model *model, const struct gb_latents *noise, float temperature,
                    const struct gb_tensor *y);
};

extern const struct gb_model_kind gb_cglow_model, gb_cnf_model, gb_factored_model, gb_dncnn_model,
    gb_srcnn_model, gb_ffn_model, gb_fcn_model;

// All kinds, ended by NULL.
const struct gb_model_kind *const *gb_model_kinds(void);

// Plans a model and allocates its memory. *model is NULL on failure: GB_BAD_INPUT for an invalid
// configuration, GB_OUT_OF_MEMORY, or as the backend's plans fail.
enum gb_status gb_model_create(const struct gb_model_kind *kind, const void *config,
                               const struct gb_model_use *use, const struct gb_backend *backend,
                               struct gb_model **model);
void gb_model_free(struct gb_model *model); // may be NULL

// GB_BAD_INPUT for a kind that has nothing to recompute, as gb_model_create fails then.
enum gb_status gb_model_check_reversible(const struct gb_model_kind *kind);

// The number of parameters that a model of this configuration has.
enum gb_status gb_model_parameters(const struct gb_model_kind *kind, const void *config,
                                   size_t *parameters);

void gb_model_shapes(const struct gb_model_kind *kind, const void *config, int batch,
                     struct gb_model_shapes *shapes);

// For the models themselves: a pass on all threads; `adam` as in backward.
struct gb_pass gb_model_pass(struct gb_model *model, const struct gb_adam *adam);

// The name in files, "cglow".
static inline const char *gb_model_name(const struct gb_model_kind *kind) {
    return kind->table->model;
}

// The name of the negative log-likelihood in bits per dimension in logs and results; a
// point_estimate's is called a loss.
static inline const char *gb_model_loss_name(const struct gb_model_kind *kind) {
    return kind->point_estimate ? "loss" : "bits_per_dimension";
}

// Heights and widths of targets must be multiples of this: they are halved at every level.
int gb_model_multiple(const struct gb_model_kind *kind, const void *config);

// Sets the heights and widths of x and y in a configuration; GB_BAD_INPUT if the model does not
// take them. Weights do not depend on them, except in c-Glow's fully connected layers.
enum gb_status gb_model_resize(const struct gb_model_kind *kind, void *config, int x_h, int x_w,
                               int y_h, int y_w);

#endif
