// SPDX-License-Identifier: MIT
// The split at the end of a level: the first half of the channels continues, the second leaves as a
// latent under a diagonal Gaussian whose (mean, log sigma) = tanh(conv3x3(kept half)). Not
// conditioned on x.
#ifndef GB_SPLIT_PRIOR_H
#define GB_SPLIT_PRIOR_H

#include "flows/networks/network.h"

struct gb_split_prior {
    int layer; // for profiles
    struct gb_conv_layer conv;
    struct gb_tensor prior;           // n x h x w x c: means, then log sigmas
    struct gb_tensor d_prior, d_kept; // with training
};

// The split of a batch x h x w x c variable, c even.
enum gb_status gb_split_prior_plan(struct gb_split_prior *layer, struct gb_builder *builder, int n,
                                   int h, int w, int c);
void gb_split_prior_bind(struct gb_split_prior *layer, struct gb_arena *arena, bool training);
void gb_split_prior_free(struct gb_split_prior *layer, const struct gb_backend *backend);

// Adds the latent's log-density to log_density[n].
void gb_split_prior_forward(struct gb_split_prior *layer, const struct gb_pass *pass,
                            const struct gb_tensor *kept, const struct gb_tensor *latent,
                            double *log_density);
// latent = mean + sigma * temperature * noise, given the kept half.
void gb_split_prior_sample(struct gb_split_prior *layer, const struct gb_pass *pass,
                           const struct gb_tensor *kept, const struct gb_tensor *noise,
                           float temperature, const struct gb_tensor *latent);
// Adds to d_kept, overwrites d_latent.
void gb_split_prior_backward(struct gb_split_prior *layer, const struct gb_pass *pass,
                             const struct gb_tensor *kept, const struct gb_tensor *latent,
                             const float *d_log_density, const struct gb_tensor *d_kept,
                             const struct gb_tensor *d_latent);

#endif
