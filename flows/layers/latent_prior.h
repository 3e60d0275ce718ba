// SPDX-License-Identifier: MIT
// The diagonal Gaussian of a latent that leaves the flow: one 3x3 convolution of what stays gives
// its means and raw sigmas.
//
// c-Glow's, at the split that ends a level: (mean, log sigma) = tanh(conv(kept half)), not
// conditioned on x. CNF's (section 3.1): (mean, softplus^-1 sigma) from a convolution that is zero
// at first, of the features and the kept half; of the features alone at the top.
#ifndef GB_LATENT_PRIOR_H
#define GB_LATENT_PRIOR_H

#include "flows/networks/network.h"

struct gb_latent_prior {
    int layer; // for profiles
    enum gb_sigma_form sigma;
    struct gb_conv_layer conv;
    struct gb_tensor prior;   // n x h x w x 2 * latent: means, then raw sigmas
    struct gb_tensor d_prior; // with training
    struct gb_tensor du;      // of the bare convolution: d_prior itself, or in bf16
};

// c-Glow's, of a variable of c channels, c even: the input is the kept half. Parameters under
// "split.".
enum gb_status gb_split_prior_plan(struct gb_latent_prior *layer, struct gb_builder *builder, int n,
                                   int h, int w, int c);
// CNF's: the input has channels [features | kept]. Parameters under "prior.".
enum gb_status gb_feature_prior_plan(struct gb_latent_prior *layer, struct gb_builder *builder,
                                     int n, int h, int w, int features, int kept, int latent);

void gb_latent_prior_bind(struct gb_latent_prior *layer, struct gb_arena *arena, bool training);
void gb_latent_prior_free(struct gb_latent_prior *layer, const struct gb_backend *backend);

// Adds the latent's log-density to log_density[n].
void gb_latent_prior_forward(struct gb_latent_prior *layer, const struct gb_pass *pass,
                             const struct gb_tensor *input, const struct gb_tensor *latent,
                             double *log_density);
// latent = mean + sigma * temperature * noise.
void gb_latent_prior_sample(struct gb_latent_prior *layer, const struct gb_pass *pass,
                            const struct gb_tensor *input, const struct gb_tensor *noise,
                            float temperature, const struct gb_tensor *latent);
// Overwrites d_latent and d_input.
void gb_latent_prior_backward(struct gb_latent_prior *layer, const struct gb_pass *pass,
                              const struct gb_tensor *input, const struct gb_tensor *latent,
                              const float *d_log_density, const struct gb_tensor *d_latent,
                              const struct gb_tensor *d_input);

#endif
