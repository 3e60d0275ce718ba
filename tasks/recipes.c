// SPDX-License-Identifier: MIT
#include "tasks/recipes.h"

struct gb_cglow_config gb_cglow_of_paper(const struct gb_example_shape *shape, int y_c, int levels,
                                         int n_c, int n_w) {
    return (struct gb_cglow_config){.sizes = gb_sizes_of(shape, y_c),
                                    .levels = levels,
                                    .steps = 8,
                                    .n_c = n_c,
                                    .n_w = n_w,
                                    .coupling_channels = 256,
                                    .feature_channels = 16,
                                    .init = GB_CGLOW_LIVE};
}

struct gb_image_sizes gb_sizes_of(const struct gb_example_shape *shape, int y_c) {
    return (struct gb_image_sizes){.x_h = shape->x_h,
                                   .x_w = shape->x_w,
                                   .x_c = shape->x_c,
                                   .y_h = shape->y_h,
                                   .y_w = shape->y_w,
                                   .y_c = y_c};
}

struct gb_fcn_config gb_fcn_quarter(const struct gb_example_shape *shape, int y_c,
                                    enum gb_fcn_targets targets) {
    return (struct gb_fcn_config){
        .sizes = gb_sizes_of(shape, y_c), .targets = targets, .width = 16};
}

void gb_reduce_cglow(union gb_model_config *config) {
    struct gb_cglow_config *cglow = &config->cglow;
    cglow->steps /= 2;
    cglow->n_c /= 2;
    cglow->n_w /= 2;
    cglow->coupling_channels /= 2;
}
