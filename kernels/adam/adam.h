// SPDX-License-Identifier: MIT
// Adam (Kingma and Ba 2015, Algorithm 1) on a flat array, with the gradient clipped by value first.
#ifndef GB_ADAM_H
#define GB_ADAM_H

#include "kernels/operation.h"

struct gb_adam {
    float learning_rate, beta1, beta2, epsilon;
    float clip;                     // gradients are clamped to [-clip, clip]; infinity: not at all
    float correction1, correction2; // 1 / (1 - beta^t), from gb_adam_at_step
    // Of the stochastic rounding of bf16 moments: the run's seed, and t from gb_adam_at_step.
    uint64_t seed;
    uint32_t step;
};

// Fills in `step` and the corrections for t = 1, 2, ...; powers by repeated squaring in double, so
// that they do not depend on the libm.
struct gb_adam gb_adam_at_step(struct gb_adam adam, long step);

// What a step updates: weights and both moments, all in the layout of the gradient.
struct gb_adam_target {
    const struct gb_adam *adam;
    float *weights, *moment1, *moment2;
    // Not 0: `weights` are this many split ones (kernels/bf16/bf16.h): high halves, then low.
    size_t split;
    // The moments are bf16. Each is rounded up with the probability that keeps its mean (below
    // 2^-126 to zero), by the number of its element in the stream of (seed, GB_RANDOM_ROUNDING,
    // step): the lower 16 bits of its word for the first moment, the upper 16 for the second.
    // `element` is that of the first.
    bool bf16_moments;
    size_t element;
};

// g = clamp(g); m = beta1*m + (1-beta1)*g; v = beta2*v + (1-beta2)*g*g;
// w -= learning_rate * (m*correction1) / (sqrt(v*correction2) + epsilon), elementwise over `count`
// elements of the target from `first` on; `gradient` begins with that of `first` and is read
// only. An element's bits do not depend on its position, nor on whether its weight is split. The
// arrays need no alignment and must not overlap.
typedef void (*gb_adam_fn)(const struct gb_exec *exec, const struct gb_adam_target *target,
                           size_t first, size_t count, const float *gradient);

// Per element: FLOPs, and the bytes of the weights and both moments, read and written.
enum { GB_ADAM_FLOPS = 14, GB_ADAM_BYTES = 24 };

#endif
