// SPDX-License-Identifier: MIT
// What flows of several levels share: limits on targets, latents, checks of likelihoods.
#ifndef GB_LATENTS_H
#define GB_LATENTS_H

#include "base/status.h"
#include "kernels/tensor.h"

// The maximum number of levels, and of channels of the last one, which its 1x1 matrices mix.
enum { GB_MAX_LEVELS = 16, GB_MAX_MATRIX = 1 << 10 };

// GB_BAD_INPUT if a target cannot be squeezed and halved `levels` times.
enum gb_status gb_levels_check(int levels, int y_h, int y_w, int y_c);

// Latents: one view per level in the order of the levels; the last is the top. latents[l] of a
// level with a split is the half that leaves there. Views into the model, valid until the next
// pass.
struct gb_latents {
    int count;
    struct gb_tensor level[GB_MAX_LEVELS];
};

// The shapes of the latents of `batch` targets: dense views with data == NULL. Half of each level's
// variables leave there, all of the last one's.
void gb_latent_shapes(int levels, int batch, int y_h, int y_w, int y_c, struct gb_latents *shapes);

// GB_CHECK_FAILED if a log-likelihood of the batch is not finite; `model` is for the message.
enum gb_status gb_likelihoods_check(const char *model, int batch, const double *log_likelihood);

// Bits per dimension of a log-likelihood in nats: -log_likelihood / (ln 2 * dimensions).
double gb_bits_per_dimension(double log_likelihood, size_t dimensions);

#endif
