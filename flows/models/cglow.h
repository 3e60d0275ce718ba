// SPDX-License-Identifier: MIT
// c-Glow (Lu and Huang, "Structured Output Learning with Conditional Generative Flows"), Figure 1
// and appendix A: L levels of squeeze, K steps of (conditional actnorm, conditional 1x1
// convolution, conditional affine coupling) and, but for the last level, a split. The flow maps a
// target y, given an image x, to latents; everything that depends on x alone is computed once by
// gb_cglow_condition.
#ifndef GB_CGLOW_H
#define GB_CGLOW_H

#include "flows/models/config.h"
#include "flows/models/latents.h"
#include "flows/params.h"

enum gb_init { GB_INIT_LIVE, GB_INIT_PUBLISHED, GB_INITS };

// "live", "published".
extern const char *const gb_init_names[GB_INITS];

struct gb_cglow_config {
    int x_h, x_w, x_c, y_h, y_w, y_c;
    int levels, steps; // L, K
    int n_c, n_w;      // channels of a conditioning network's convolutions, width of its FC layers
    int coupling_channels; // 256 in the paper
    int feature_channels;  // of the coupling's x path: 16 in the paper
    enum gb_init init;
};

extern const struct gb_config_table gb_cglow_table; // of its numbers and choices

// What a model is built to do: memory is planned for it.
struct gb_cglow_use {
    int batch;         // targets per pass
    int samples_per_x; // targets that share one conditioning image: batch = images * samples_per_x
    int threads;
    bool training;  // backward, with Adam applied as it goes; needs samples_per_x == 1
    bool gradients; // a full gradient block as well (tests, gradient statistics); implies backward
    bool input_gradient; // backward also gives dx; slow, for tests
};

struct gb_cglow;

// GB_BAD_INPUT with a message where the configuration is not one: a size not divisible by 2^L, a
// level larger than x, a count below 1 or absurdly large.
enum gb_status gb_cglow_check(const struct gb_cglow_config *config);

// Plans and allocates; parameters are zero until gb_params_initialise or a checkpoint fills them.
// *model is NULL where it fails.
enum gb_status gb_cglow_create(const struct gb_cglow_config *config, const struct gb_cglow_use *use,
                               const struct gb_backend *backend, struct gb_cglow **model);
void gb_cglow_free(struct gb_cglow *model);

struct gb_params *gb_cglow_params(struct gb_cglow *model);
const struct gb_cglow_config *gb_cglow_config(const struct gb_cglow *model);

// Bytes of activations and scratch, beside the parameter blocks; the high-water mark of the plan.
size_t gb_cglow_activation_bytes(const struct gb_cglow *model);

// Needed floating-point operations of one training step at the model's batch (kernels/conv/conv.h
// says what is needed; data gradients of the first convolutions on x are not).
double gb_cglow_step_flops(const struct gb_cglow *model);

// Runs every conditioning network on x (batch / samples_per_x images) and takes log|det| and
// inverse of the 1x1 matrices. GB_CHECK_FAILED where a matrix is singular. `x` must stay valid
// until backward.
enum gb_status gb_cglow_condition(struct gb_cglow *model, const struct gb_tensor *x);

// y to latents given the conditioning: log p(y|x) in nats for each of the batch, into
// log_likelihood. `latents` may be NULL.
enum gb_status gb_cglow_forward(struct gb_cglow *model, const struct gb_tensor *y,
                                double *log_likelihood, struct gb_latents *latents);

// Gradients of the sum over the batch of d_log_likelihood[n] * log p(y_n | x_n), after forward.
// adam == NULL: stored in the gradient block. Otherwise every parameter is updated as soon as its
// gradient is known, and the conditioning and activations are spent. dx, dy may be NULL.
void gb_cglow_backward(struct gb_cglow *model, const float *d_log_likelihood,
                       const struct gb_adam *adam, const struct gb_tensor *dx,
                       const struct gb_tensor *dy);

// Latents to y given the conditioning. noise.level[l] has the shape of latents.level[l]: for a
// level with a split, standard normal noise that its prior scales and shifts; for the top, the
// latent itself before temperature. All are multiplied by `temperature`.
void gb_cglow_inverse(struct gb_cglow *model, const struct gb_latents *noise, float temperature,
                      const struct gb_tensor *y);

// The shapes that noise must have: dense views with data == NULL.
void gb_cglow_latent_shapes(const struct gb_cglow *model, struct gb_latents *shapes);

// The module path that the authors' code gives to the parameter `name` of this model, or an empty
// string.
void gb_cglow_published_name(const struct gb_cglow_config *config, const char *name,
                             char published[static 96]);

#endif
