// SPDX-License-Identifier: MIT
// The diagonal Gaussian of a latent conditioned on features (CNF, section 3.1): mean and sigma =
// softplus come from one 3x3 convolution, zero at first, of concat(kept half, features) at a split
// and of the features alone at the top.
#ifndef GB_FEATURE_PRIOR_H
#define GB_FEATURE_PRIOR_H

#include "flows/networks/network.h"

struct gb_feature_prior {
    int layer; // for profiles
    struct gb_conv_layer conv;
    struct gb_tensor prior;   // n x h x w x 2 * latent: means, then raw sigmas
    struct gb_tensor d_prior; // with training
};

// The convolution's input has channels [features | kept]; kept = 0 at the top. Parameters under
// "prior.".
enum gb_status gb_feature_prior_plan(struct gb_feature_prior *layer, struct gb_builder *builder,
                                     int n, int h, int w, int features, int kept, int latent);
void gb_feature_prior_bind(struct gb_feature_prior *layer, struct gb_arena *arena, bool training);
void gb_feature_prior_free(struct gb_feature_prior *layer, const struct gb_backend *backend);

// Adds the latent's log-density to log_density[n].
void gb_feature_prior_forward(struct gb_feature_prior *layer, const struct gb_pass *pass,
                              const struct gb_tensor *input, const struct gb_tensor *latent,
                              double *log_density);
// latent = mean + sigma * temperature * noise.
void gb_feature_prior_sample(struct gb_feature_prior *layer, const struct gb_pass *pass,
                             const struct gb_tensor *input, const struct gb_tensor *noise,
                             float temperature, const struct gb_tensor *latent);
// Overwrites d_latent and d_input.
void gb_feature_prior_backward(struct gb_feature_prior *layer, const struct gb_pass *pass,
                               const struct gb_tensor *input, const struct gb_tensor *latent,
                               const float *d_log_density, const struct gb_tensor *d_latent,
                               const struct gb_tensor *d_input);

#endif
