// SPDX-License-Identifier: MIT
// CNF (Winkler, Worrall, Hoogeboom and Welling, "Learning Likelihoods with Conditional Normalizing
// Flows"), section 5 and appendix A: a feature network g(x), then L levels of squeeze, K steps
// (flow_steps.h) and a prior. But for the last level the prior is of the half that leaves there.
// Every coupling and every prior sees the features at its level's resolution.
//
// GB_CNF_SUPER_RESOLUTION (section 5.1): actnorm, affine couplings, RRDB features at the target's size
// and a 2x2 convolution of stride 2 to each level's. GB_CNF_SEGMENTATION (section 5.2): instance
// normalisation, additive couplings, the features of Table 4; with dequantiser_steps > 0 the target is
// a binary mask that is dequantised by a flow of its own, and likelihoods are the variational bound.
#ifndef GB_CNF_H
#define GB_CNF_H

#include "flows/layers/flow_steps.h"
#include "flows/models/config.h"
#include "flows/models/latents.h"

enum gb_cnf_kind { GB_CNF_SUPER_RESOLUTION, GB_CNF_SEGMENTATION, GB_CNF_KINDS };

// "super-resolution", "segmentation".
extern const char *const gb_cnf_kind_names[GB_CNF_KINDS];

struct gb_cnf_config {
    enum gb_cnf_kind kind;
    int x_h, x_w, x_c, y_h, y_w, y_c;
    int levels, steps;       // L, K
    int condition_channels;  // of the features
    int coupling_channels;   // hidden ones of the couplings
    int rrdb_blocks, growth; // of super-resolution
    int dequantiser_steps;   // of segmentation; 0: the caller dequantises
};

extern const struct gb_config_table gb_cnf_table; // of its numbers and choices

// What a model is built to do: memory is planned for it.
struct gb_cnf_use {
    int batch;         // targets per pass
    int samples_per_x; // targets that share one conditioning image: batch = images * samples_per_x
    int threads;
    bool training;   // backward, with Adam applied as it goes; needs samples_per_x == 1
    bool gradients;  // a full gradient block as well (tests, gradient statistics); implies backward
    bool reversible; // backward computes the flow's activations again, by the inverse
};

struct gb_cnf;

// GB_BAD_INPUT with a message where the configuration is not one.
enum gb_status gb_cnf_check(const struct gb_cnf_config *config);

// Plans and allocates; parameters are zero until gb_params_initialise or a checkpoint fills them.
// *model is NULL where it fails.
enum gb_status gb_cnf_create(const struct gb_cnf_config *config, const struct gb_cnf_use *use,
                             const struct gb_backend *backend, struct gb_cnf **model);
void gb_cnf_free(struct gb_cnf *model);

// The number of parameters that a model would have.
enum gb_status gb_cnf_parameters(const struct gb_cnf_config *config, size_t *parameters);

struct gb_params *gb_cnf_params(struct gb_cnf *model);
const struct gb_cnf_config *gb_cnf_config(const struct gb_cnf *model);

// Bytes of activations and scratch, beside the parameter blocks; the high-water mark of the plan.
size_t gb_cnf_activation_bytes(const struct gb_cnf *model);

// Needed floating-point operations of one training step at the model's batch (kernels/conv/conv.h
// says what is needed; what GB_MEMORY_REVERSIBLE computes again is not).
double gb_cnf_step_flops(const struct gb_cnf *model);

// The features of x (batch / samples_per_x images) and the inverses of the 1x1 matrices.
// GB_CHECK_FAILED where a matrix is singular. `x` must stay valid until backward.
enum gb_status gb_cnf_condition(struct gb_cnf *model, const struct gb_tensor *x);

// Starts every actnorm from the batch y, given the conditioning: before the first training step.
// `noise` as in gb_cnf_forward.
enum gb_status gb_cnf_start(struct gb_cnf *model, const struct gb_tensor *y,
                            const struct gb_tensor *noise);

// y to latents given the conditioning: log p(y|x) in nats for each of the batch, into log_likelihood.
// With a dequantiser y is a mask of 0 and 1 and `noise` standard normal numbers of its shape, else
// NULL; both must stay valid until backward. `latents` may be NULL.
enum gb_status gb_cnf_forward(struct gb_cnf *model, const struct gb_tensor *y,
                              const struct gb_tensor *noise, double *log_likelihood,
                              struct gb_latents *latents);

// Gradients of the sum over the batch of d_log_likelihood[n] * log p(y_n | x_n), after forward.
// adam == NULL: stored in the gradient block. Otherwise every parameter is updated as soon as its
// gradient is known, and the conditioning and activations are spent. dx may be NULL, and so may dy,
// which a model with a dequantiser does not have.
void gb_cnf_backward(struct gb_cnf *model, const float *d_log_likelihood,
                     const struct gb_adam *adam, const struct gb_tensor *dx,
                     const struct gb_tensor *dy);

// Latents to y given the conditioning. noise.level[l] has the shape of latents.level[l]: standard
// normal noise, multiplied by `temperature`, then scaled and shifted by its prior. With a dequantiser
// y > 0.5 is the mask.
void gb_cnf_inverse(struct gb_cnf *model, const struct gb_latents *noise, float temperature,
                    const struct gb_tensor *y);

// The shapes that noise must have: dense views with data == NULL.
void gb_cnf_latent_shapes(const struct gb_cnf *model, struct gb_latents *shapes);

// The module path that the authors' code gives to the parameter `name` of this model, or an empty
// string.
void gb_cnf_published_name(const struct gb_cnf_config *config, const char *name,
                           char published[static 96]);

#endif
