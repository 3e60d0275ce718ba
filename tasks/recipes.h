// SPDX-License-Identifier: MIT
// The papers' models and how they are trained, as far as tasks share them.
#ifndef GB_RECIPES_H
#define GB_RECIPES_H

#include <math.h>

#include "tasks/task.h"

// Adam as everybody has it; gradients are clipped to [-bound, bound].
#define GB_ADAM(rate, bound)                                                                       \
    { .learning_rate = (rate), .beta1 = 0.9f, .beta2 = 0.999f, .epsilon = 1e-8f, .clip = (bound) }

// The learning rate halves every `every` steps; 0: never.
#define GB_HALVING(every)                                                                          \
    { .kind = (every) ? GB_SCHEDULE_HALVING : GB_SCHEDULE_CONSTANT, .steps = (every) }

// CNF, appendix A.
#define GB_CNF_RECIPE(examples, rate, halving)                                                     \
    { .batch = (examples), .adam = GB_ADAM(rate, INFINITY), .schedule = GB_HALVING(halving) }

// Feed-forward networks that flows are measured against, as this project trains them.
#define GB_BASELINE_RECIPE(examples, rate)                                                         \
    { .batch = (examples), .adam = GB_ADAM(rate, 0.25f), .schedule = GB_HALVING(10000) }

// c-Glow, section 5.1, with what tasks differ in; y_c as in struct gb_task_model. Trained with the
// code's clipping (gradients of the mean of bits per dimension) and its noise on images, which have
// 256 levels in [0, 1]: GB_LEVEL_NOISE wide. 0: none.
#define GB_LEVEL_NOISE (1.0f / 256)
#define GB_CGLOW_MODEL(noise, channels, level_count, condition, hidden)                            \
    {                                                                                              \
        .name = "cglow", .kind = &gb_cglow_model,                                                  \
        .config.cglow = {.sizes.y_c = (channels),                                                  \
                         .levels = (level_count),                                                  \
                         .steps = 8,                                                               \
                         .n_c = (condition),                                                       \
                         .n_w = (hidden),                                                          \
                         .coupling_channels = 256,                                                 \
                         .feature_channels = 16,                                                   \
                         .init = GB_CGLOW_LIVE},                                                   \
        .reduce = gb_reduce_cglow,                                                                 \
        .recipe = {.batch = 2, .adam = GB_ADAM(2e-4f, 0.25f), .x_noise = (noise)},                 \
    }

// FCN-8s of Tables 1 and 2, a quarter as wide as VGG-16, for masks of y_c channels.
#define GB_FCN_MODEL(channels, mask_targets)                                                       \
    {                                                                                              \
        .name = "fcn", .kind = &gb_fcn_model,                                                      \
        .config.fcn = {.sizes.y_c = (channels), .targets = (mask_targets), .width = 16},           \
        .recipe = GB_BASELINE_RECIPE(8, 1e-4f),                                                    \
    }

// Half the steps, and networks of half the width.
static inline void gb_reduce_cglow(union gb_model_config *config) {
    struct gb_cglow_config *cglow = &config->cglow;
    cglow->steps /= 2;
    cglow->n_c /= 2;
    cglow->n_w /= 2;
    cglow->coupling_channels /= 2;
}

#endif
