// SPDX-License-Identifier: MIT
// The papers' models and how they are trained, as far as tasks share them.
#ifndef GB_RECIPES_H
#define GB_RECIPES_H

#include <math.h>

#include "tasks/task.h"

// Adam as everybody has it; gradients are clipped to [-bound, bound].
#define GB_ADAM(rate, bound)                                                                       \
    { .learning_rate = (rate), .beta1 = 0.9f, .beta2 = 0.999f, .epsilon = 1e-8f, .clip = (bound) }

// c-Glow, section 5.1, with the code's clipping (gradients of the mean of bits per dimension) and
// its noise on images, which have 256 levels in [0, 1]: GB_LEVEL_NOISE wide. 0: none.
#define GB_LEVEL_NOISE (1.0f / 256)
#define GB_CGLOW_RECIPE(noise)                                                                     \
    { .batch = 2, .adam = GB_ADAM(2e-4f, 0.25f), .x_noise = (noise) }

// CNF, appendix A.
#define GB_CNF_RECIPE(examples, rate, halving)                                                     \
    { .batch = (examples), .adam = GB_ADAM(rate, INFINITY), .halve_every = (halving) }

// Feed-forward networks that flows are measured against, as this project trains them.
#define GB_BASELINE_RECIPE(examples, rate)                                                         \
    { .batch = (examples), .adam = GB_ADAM(rate, 0.25f), .halve_every = 10000 }

// c-Glow of section 5.1 for examples of this shape, with targets of y_c channels: K = 8, and what
// tasks differ in.
struct gb_cglow_config gb_cglow_of_paper(const struct gb_example_shape *shape, int y_c, int levels,
                                         int n_c, int n_w);

// Sizes of a feed-forward model for examples of this shape, with outputs of y_c channels.
struct gb_image_sizes gb_sizes_of(const struct gb_example_shape *shape, int y_c);

// Half the steps, and networks of half the width.
void gb_reduce_cglow(union gb_model_config *config);

#endif
