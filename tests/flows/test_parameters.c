// SPDX-License-Identifier: MIT
// Names and shapes of all parameters of small flows, written down from the papers' definitions: the
// references of test_flows.c take theirs from the float models, so a layer that is too wide or has
// another kernel size is found here.
#include <stdio.h>
#include <string.h>

#include "flows/models/model.h"
#include "tests/support/test.h"

// A layer's weight, in PyTorch's order, if the shape has more than one dimension, and vectors of
// shape[0] entries, their names separated by spaces.
struct layer {
    const char *name;
    int shape[4];
    const char *vectors;
};

// c-Glow, sections 5.1 and A.1. x: 3 channels of 18x13, halved to 9x6, 4x3, 2x1; y: 2 channels of
// 8x4. From `in` to `out` pixels a convolution has stride in/out and the kernel that reaches the
// last pixel.
static const struct gb_cglow_config cglow = {.sizes = {18, 13, 3, 8, 4, 2},
                                             .levels = 2,
                                             .steps = 1,
                                             .n_c = 5,
                                             .n_w = 7,
                                             .coupling_channels = 9,
                                             .feature_channels = 6};
static const struct layer cglow_layers[] = {
    // 8 channels of 4x2
    {"levels.0.steps.0.actnorm.conv.0", {5, 3, 2, 3}, "bias"},
    {"levels.0.steps.0.actnorm.conv.1", {5, 5, 3, 2}, "bias"},
    {"levels.0.steps.0.actnorm.conv.2", {5, 5, 2, 3}, "bias"},
    {"levels.0.steps.0.actnorm.fc.0", {7, 10}, "bias"},
    {"levels.0.steps.0.actnorm.fc.1", {7, 7}, "bias"},
    {"levels.0.steps.0.actnorm.fc.2", {16, 7}, "bias"},
    {"levels.0.steps.0.mix.conv.0", {5, 3, 2, 3}, "bias"},
    {"levels.0.steps.0.mix.conv.1", {5, 5, 3, 2}, "bias"},
    {"levels.0.steps.0.mix.conv.2", {5, 5, 2, 3}, "bias"},
    {"levels.0.steps.0.mix.fc.0", {7, 10}, "bias"},
    {"levels.0.steps.0.mix.fc.1", {7, 7}, "bias"},
    {"levels.0.steps.0.mix.fc.2", {64, 7}, "bias"},
    {"levels.0.steps.0.coupling.features.0", {6, 3, 3, 3}, "bias"},
    {"levels.0.steps.0.coupling.features.1", {4, 6, 6, 7}, "bias"},
    {"levels.0.steps.0.coupling.features.2", {4, 4, 3, 3}, "bias"},
    {"levels.0.steps.0.coupling.net.0", {9, 8, 3, 3}, "bias log_scale"},
    {"levels.0.steps.0.coupling.net.1", {9, 9, 1, 1}, "bias log_scale"},
    {"levels.0.steps.0.coupling.net.2", {8, 9, 3, 3}, "bias new_bias log_scale"},
    {"levels.0.split", {8, 4, 3, 3}, "bias"},
    // 16 channels of 2x1
    {"levels.1.steps.0.actnorm.conv.0", {5, 3, 2, 3}, "bias"},
    {"levels.1.steps.0.actnorm.conv.1", {5, 5, 3, 2}, "bias"},
    {"levels.1.steps.0.actnorm.conv.2", {5, 5, 2, 3}, "bias"},
    {"levels.1.steps.0.actnorm.fc.0", {7, 10}, "bias"},
    {"levels.1.steps.0.actnorm.fc.1", {7, 7}, "bias"},
    {"levels.1.steps.0.actnorm.fc.2", {32, 7}, "bias"},
    {"levels.1.steps.0.mix.conv.0", {5, 3, 2, 3}, "bias"},
    {"levels.1.steps.0.mix.conv.1", {5, 5, 3, 2}, "bias"},
    {"levels.1.steps.0.mix.conv.2", {5, 5, 2, 3}, "bias"},
    {"levels.1.steps.0.mix.fc.0", {7, 10}, "bias"},
    {"levels.1.steps.0.mix.fc.1", {7, 7}, "bias"},
    {"levels.1.steps.0.mix.fc.2", {256, 7}, "bias"},
    {"levels.1.steps.0.coupling.features.0", {6, 3, 3, 3}, "bias"},
    {"levels.1.steps.0.coupling.features.1", {8, 6, 9, 13}, "bias"},
    {"levels.1.steps.0.coupling.features.2", {8, 8, 3, 3}, "bias"},
    {"levels.1.steps.0.coupling.net.0", {9, 16, 3, 3}, "bias log_scale"},
    {"levels.1.steps.0.coupling.net.1", {9, 9, 1, 1}, "bias log_scale"},
    {"levels.1.steps.0.coupling.net.2", {16, 9, 3, 3}, "bias new_bias log_scale"},
    {0},
};

// CNF for super-resolution, Tables 6 and 8: y has 3 channels.
static const struct gb_cnf_config super_resolution = {.sizes = {6, 4, 3, 12, 8, 3},
                                                      .kind = GB_CNF_SUPER_RESOLUTION,
                                                      .levels = 2,
                                                      .steps = 1,
                                                      .condition_channels = 5,
                                                      .coupling_channels = 7,
                                                      .rrdb_blocks = 1,
                                                      .growth = 3};
static const struct layer super_resolution_layers[] = {
    {"features.first", {5, 3, 3, 3}, "bias"},
    {"features.blocks.0.dense.0.conv.0", {3, 5, 3, 3}, "bias"},
    {"features.blocks.0.dense.0.conv.1", {3, 8, 3, 3}, "bias"},
    {"features.blocks.0.dense.0.conv.2", {3, 11, 3, 3}, "bias"},
    {"features.blocks.0.dense.0.conv.3", {3, 14, 3, 3}, "bias"},
    {"features.blocks.0.dense.0.conv.4", {5, 17, 3, 3}, "bias"},
    {"features.blocks.0.dense.1.conv.0", {3, 5, 3, 3}, "bias"},
    {"features.blocks.0.dense.1.conv.1", {3, 8, 3, 3}, "bias"},
    {"features.blocks.0.dense.1.conv.2", {3, 11, 3, 3}, "bias"},
    {"features.blocks.0.dense.1.conv.3", {3, 14, 3, 3}, "bias"},
    {"features.blocks.0.dense.1.conv.4", {5, 17, 3, 3}, "bias"},
    {"features.blocks.0.dense.2.conv.0", {3, 5, 3, 3}, "bias"},
    {"features.blocks.0.dense.2.conv.1", {3, 8, 3, 3}, "bias"},
    {"features.blocks.0.dense.2.conv.2", {3, 11, 3, 3}, "bias"},
    {"features.blocks.0.dense.2.conv.3", {3, 14, 3, 3}, "bias"},
    {"features.blocks.0.dense.2.conv.4", {5, 17, 3, 3}, "bias"},
    {"features.trunk", {5, 5, 3, 3}, "bias"},
    {"features.up", {5, 5, 3, 3}, "bias"},
    {"features.levels.0", {5, 5, 2, 2}, "bias"},
    {"features.levels.1", {5, 5, 2, 2}, "bias"},
    // 12 channels
    {"levels.0.steps.0.actnorm", {12}, "bias log_scale"},
    {"levels.0.steps.0.mix", {12, 12, 1, 1}, ""},
    {"levels.0.steps.0.coupling.net.0", {7, 11, 3, 3}, "bias"},
    {"levels.0.steps.0.coupling.net.1", {7, 7, 1, 1}, "bias"},
    {"levels.0.steps.0.coupling.net.2", {12, 7, 3, 3}, "bias log_scale"},
    {"levels.0.prior", {12, 11, 3, 3}, "bias log_scale"},
    // 24 channels
    {"levels.1.steps.0.actnorm", {24}, "bias log_scale"},
    {"levels.1.steps.0.mix", {24, 24, 1, 1}, ""},
    {"levels.1.steps.0.coupling.net.0", {7, 17, 3, 3}, "bias"},
    {"levels.1.steps.0.coupling.net.1", {7, 7, 1, 1}, "bias"},
    {"levels.1.steps.0.coupling.net.2", {24, 7, 3, 3}, "bias log_scale"},
    {"levels.1.prior", {48, 5, 3, 3}, "bias log_scale"},
    {0},
};

// CNF for segmentation, Tables 4 and 7: masks of one channel. The dequantiser sees the features and
// the squeezed mask.
static const struct gb_cnf_config segmentation = {.sizes = {8, 12, 3, 8, 12, 1},
                                                  .kind = GB_CNF_SEGMENTATION,
                                                  .levels = 2,
                                                  .steps = 1,
                                                  .condition_channels = 5,
                                                  .coupling_channels = 6,
                                                  .dequantiser_steps = 1};
static const struct layer segmentation_layers[] = {
    {"features.layers.1", {5, 3, 3, 3}, "bias"},
    {"features.layers.3", {5, 5, 3, 3}, "bias"},
    {"features.layers.4", {5, 5, 3, 3}, "bias"},
    {"features.layers.6", {5, 5, 3, 3}, "bias"},
    {"features.layers.7", {5, 5, 3, 3}, "bias"},
    // 4 channels
    {"dequantiser.steps.0.norm", {4}, "mean variance"},
    {"dequantiser.steps.0.mix", {4, 4, 1, 1}, ""},
    {"dequantiser.steps.0.coupling.net.0", {6, 11, 3, 3}, "bias"},
    {"dequantiser.steps.0.coupling.net.2", {2, 6, 3, 3}, "bias log_scale"},
    {"levels.0.steps.0.norm", {4}, "mean variance"},
    {"levels.0.steps.0.mix", {4, 4, 1, 1}, ""},
    {"levels.0.steps.0.coupling.net.0", {6, 7, 3, 3}, "bias"},
    {"levels.0.steps.0.coupling.net.2", {2, 6, 3, 3}, "bias log_scale"},
    {"levels.0.prior", {4, 7, 3, 3}, "bias log_scale"},
    // 8 channels
    {"levels.1.steps.0.norm", {8}, "mean variance"},
    {"levels.1.steps.0.mix", {8, 8, 1, 1}, ""},
    {"levels.1.steps.0.coupling.net.0", {6, 9, 3, 3}, "bias"},
    {"levels.1.steps.0.coupling.net.2", {4, 6, 3, 3}, "bias log_scale"},
    {"levels.1.prior", {16, 5, 3, 3}, "bias log_scale"},
    {0},
};

static void check_shape(const struct gb_params *params, const char *layer, const char *leaf,
                        int dims, const int shape[]) {
    char name[96];
    snprintf(name, sizeof name, "%s.%s", layer, leaf);
    print_message("           %s\n", name);
    const struct gb_param *param = params->list;
    while (param < params->list + params->count && strcmp(param->name, name) != 0)
        param++;
    assert_true(param < params->list + params->count); // there is one of this name
    assert_int_equal(param->dims, dims);
    for (int i = 0; i < dims; i++)
        assert_int_equal(param->shape[i], shape[i]);
}

// Every layer of the table is a layer of the model, and its parameters are all that the model has.
static void check_parameters(const struct gb_model_kind *kind, const void *config,
                             const struct layer *layers) {
    const struct gb_model_use use = {.batch = 1, .samples_per_x = 1, .threads = 1};
    const struct gb_backend *scalar;
    struct gb_model *model;
    assert_ok(gb_backend_find("scalar", &scalar));
    assert_ok(gb_model_create(kind, config, &use, scalar, &model));
    int listed = 0;
    for (const struct layer *l = layers; l->name; l++) {
        int dims = 0;
        while (dims < 4 && l->shape[dims])
            dims++;
        if (dims > 1) {
            check_shape(&model->params, l->name, "weight", dims, l->shape);
            listed++;
        }
        char vectors[32], *rest = NULL;
        snprintf(vectors, sizeof vectors, "%s", l->vectors);
        for (char *leaf = strtok_r(vectors, " ", &rest); leaf; leaf = strtok_r(NULL, " ", &rest)) {
            check_shape(&model->params, l->name, leaf, 1, l->shape);
            listed++;
        }
    }
    assert_int_equal(listed, model->params.count);
    gb_model_free(model);
}

GB_TEST(test_cglow) {
    check_parameters(&gb_cglow_model, &cglow, cglow_layers);
}

GB_TEST(test_super_resolution) {
    check_parameters(&gb_cnf_model, &super_resolution, super_resolution_layers);
}

GB_TEST(test_segmentation) {
    check_parameters(&gb_cnf_model, &segmentation, segmentation_layers);
}
