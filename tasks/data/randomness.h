// SPDX-License-Identifier: MIT
// Shuffles and noise from a seed.
#ifndef GB_RANDOMNESS_H
#define GB_RANDOMNESS_H

#include "kernels/backend.h"

// Fisher-Yates shuffle of order[0..count); swap i uses element i of the key's stream.
void gb_shuffle(const struct gb_random_key *key, int *order, int count);

// Adds uniform noise in [low, high) to a dense image; `noise` is a buffer of as many floats.
void gb_add_noise(const struct gb_backend *backend, int threads, const struct gb_random_key *key,
                  float low, float high, const struct gb_tensor *image, float *noise);

#endif
