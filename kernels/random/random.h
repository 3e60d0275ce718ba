// SPDX-License-Identifier: MIT
// Counter-based random numbers: Philox4x32-10 (Salmon et al. 2011). A number is a function of
// (seed, purpose, step, sample, element) only, so it depends neither on the thread count nor on
// whether a run was resumed. Counter words: element / 4, sample, step, purpose; key: seed.
#ifndef GB_RANDOM_H
#define GB_RANDOM_H

#include <stdint.h>

#include "kernels/operation.h"

// What a number is for; a new purpose gets a new value, an old one is never reused.
enum gb_purpose {
    GB_RANDOM_INIT = 1,       // parameter initialisation; sample = index of the parameter
    GB_RANDOM_SHUFFLE = 2,    // order of the training set; step = epoch
    GB_RANDOM_X_NOISE = 3,    // U(0, 1/256) on input images
    GB_RANDOM_DEQUANTISE = 4, // dequantisation noise on targets
    GB_RANDOM_LATENT = 5,     // latents of samples; step = index of the prior in the model
    GB_RANDOM_SPLIT = 6,      // seeded train/test split
    GB_RANDOM_SYNTHETIC = 7,  // procedural data; sample = index of the image
    GB_RANDOM_AUGMENT = 8,
    GB_RANDOM_PAIRS = 9,       // order of two builds in a pair of launches; element = pair
    GB_RANDOM_CORRUPTION = 10, // corruption of a task's inputs
    GB_RANDOM_ROUNDING = 11,   // of bf16 moments; element = place in the parameters' blocks
    GB_RANDOM_TEST = 99,
};

struct gb_random_key {
    uint64_t seed;
    uint32_t purpose, step, sample;
};

// The four words of block `block` (elements 4*block .. 4*block+3).
void gb_philox(const struct gb_random_key *key, uint32_t block, uint32_t words[4]);

// One number, for host-side choices; the same values that the fills below give for this element.
// Uniform: in [0, 1), a multiple of 2^-24.
float gb_random_uniform(const struct gb_random_key *key, uint32_t element);
float gb_random_normal(const struct gb_random_key *key, uint32_t element);

// Elements first .. first+count-1 of the key's stream: uniform in [low, high), as low + u*(high -
// low) rounded once, so that `high` itself occurs where high - low is small compared with low; or
// mean 0, variance 1 by Box-Muller (elements 2i and 2i+1 are one pair: radius times cosine, and
// times sine), times `deviation`. Element numbers wrap at 2^32: element 0 follows 2^32 - 1. The
// scalar functions and all instruction sets are bitwise identical.
typedef void (*gb_random_uniform_fn)(const struct gb_exec *exec, const struct gb_random_key *key,
                                     uint32_t first, size_t count, float low, float high,
                                     float *out);
typedef void (*gb_random_normal_fn)(const struct gb_exec *exec, const struct gb_random_key *key,
                                    uint32_t first, size_t count, float deviation, float *out);

#endif
