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

// c-Glow among a task's models; `configure_it` calls gb_cglow_of_paper.
#define GB_CGLOW_MODEL(configure_it, noise)                                                        \
    {                                                                                              \
        .name = "cglow", .kind = &gb_cglow_model, .configure = (configure_it),                     \
        .reduce = gb_reduce_cglow, .recipe = GB_CGLOW_RECIPE(noise)                                \
    }

// Feed-forward networks that flows are measured against, as this project trains them.
#define GB_BASELINE_RECIPE(examples, rate)                                                         \
    { .batch = (examples), .adam = GB_ADAM(rate, 0.25f), .halve_every = 10000 }

// FCN-8s of Tables 1 and 2 among a task's models; `configure_it` calls gb_fcn_quarter.
#define GB_FCN_MODEL(configure_it)                                                                 \
    {                                                                                              \
        .name = "fcn", .kind = &gb_fcn_model, .configure = (configure_it),                         \
        .recipe = GB_BASELINE_RECIPE(8, 1e-4f)                                                     \
    }

// c-Glow of section 5.1 for examples of this shape, with targets of y_c channels: K = 8, and what
// tasks differ in.
struct gb_cglow_config gb_cglow_of_paper(const struct gb_example_shape *shape, int y_c, int levels,
                                         int n_c, int n_w);

// Sizes of a model for examples of this shape, with targets of y_c channels.
struct gb_image_sizes gb_sizes_of(const struct gb_example_shape *shape, int y_c);

// FCN-8s, a quarter as wide as VGG-16, for masks of y_c channels.
struct gb_fcn_config gb_fcn_quarter(const struct gb_example_shape *shape, int y_c,
                                    enum gb_fcn_targets targets);

// Half the steps, and networks of half the width.
void gb_reduce_cglow(union gb_model_config *config);

#endif
