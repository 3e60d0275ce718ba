// SPDX-License-Identifier: MIT
// What data sets and models are given from a seed: orders and noise.
#ifndef GB_RANDOMNESS_H
#define GB_RANDOMNESS_H

#include "kernels/backend.h"

// Fisher and Yates's shuffle of order[0..count), with element i of the key's stream at place i.
void gb_shuffle(const struct gb_random_key *key, int *order, int count);

// Adds uniform noise in [low, high) to a dense image; `noise` is room for as many floats.
void gb_add_noise(const struct gb_backend *backend, int threads, const struct gb_random_key *key,
                  float low, float high, const struct gb_tensor *image, float *noise);

#endif
