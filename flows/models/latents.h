// SPDX-License-Identifier: MIT
// What flows of several levels share: their latents, and how likelihoods are counted.
#ifndef GB_LATENTS_H
#define GB_LATENTS_H

#include "kernels/tensor.h"

enum { GB_MAX_LEVELS = 16 };

// Latents: one view per level in the order of the levels; the last is the top. latents[l] of a
// level with a split is the half that leaves there. Views into the model, valid until the next
// pass.
struct gb_latents {
    int count;
    struct gb_tensor level[GB_MAX_LEVELS];
};

// Bits per dimension of a log-likelihood in nats: -log_likelihood / (ln 2 * dimensions).
double gb_bits_per_dimension(double log_likelihood, size_t dimensions);

#endif
