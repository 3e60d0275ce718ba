// SPDX-License-Identifier: MIT
#include "bench/catalog/models.h"

#include <stddef.h>

// c-Glow paper, sections 5.1 and A.3. Horses (5.2): the mask copied to three channels; faces (5.3): a
// channel for each of three classes; inpainting (5.6): the quarter in the middle.
#define CGLOW_USE .batch = 2, .samples = 10

// An image of x_h x x_w x x_c and a target of y_h x y_w x y_c: every other number but the last four
// is section 5.1's.
#define CGLOW(x_height, x_width, x_channels, y_height, y_width, y_channels, l, nc, nw)             \
    &(const struct gb_cglow_config) {                                                              \
        .sizes = {(x_height), (x_width), (x_channels), (y_height), (y_width), (y_channels)},       \
        .levels = (l), .steps = 8, .n_c = (nc), .n_w = (nw), .coupling_channels = 256,             \
        .feature_channels = 16, .init = GB_CGLOW_LIVE                                              \
    }
#define SQUARE(size, l) CGLOW(size, size, 3, size, size, 3, l, 64, 128)

// CNF paper, Tables 5, 6 and 8: patches of `size`, from half of that. The paper's batch is 64.
#define CNF_PATCH(size)                                                                            \
    &(const struct gb_cnf_config) {                                                                \
        .kind = GB_CNF_SUPER_RESOLUTION, .sizes = {(size) / 2, (size) / 2, 3, (size), (size), 3},  \
        .levels = 2, .steps = 8, .condition_channels = 128, .coupling_channels = 512,              \
        .rrdb_blocks = 16, .growth = 32                                                            \
    }
// Tables 4, 5 and 7, for DRIVE's images padded to multiples of 16. The paper gives neither the
// features' channels nor the dequantiser's steps.
#define CNF_MASK(height, width)                                                                    \
    &(const struct gb_cnf_config) {                                                                \
        .kind = GB_CNF_SEGMENTATION, .sizes = {(height), (width), 3, (height), (width), 1},        \
        .levels = 2, .steps = 2, .condition_channels = 32, .coupling_channels = 32,                \
        .dequantiser_steps = 2                                                                     \
    }

// Baselines as their tasks configure them, but dncnn with a smaller batch. The factored ones have as
// many parameters as the flow of their task, and so has, to within a tenth, the one that inpaints.
#define SIZES(x_size, y_size, y_channels)                                                          \
    { x_size, x_size, 3, y_size, y_size, y_channels }
static const struct gb_dncnn_config dncnn = {SIZES(128, 128, 3), .layers = 17, .channels = 64};
static const struct gb_fcn_config fcn = {SIZES(32, 32, 1), GB_FCN_CENTRED, .width = 16};
static const struct gb_ffn_config ffn = {SIZES(64, 32, 3), .levels = 5, .channels = 72};
static const struct gb_srcnn_config srcnn = {SIZES(16, 32, 3), .patch_channels = 64,
                                             .mapping_channels = 32};
static const struct gb_factored_config factored_patch = {
    SIZES(16, 32, 3), .kind = GB_CNF_SUPER_RESOLUTION, .channels = 128, .rrdb_blocks = 16,
    .growth = 56};
static const struct gb_factored_config factored_mask = {{592, 576, 3, 592, 576, 1},
                                                        .kind = GB_CNF_SEGMENTATION,
                                                        .channels = 49,
                                                        .levels = 2,
                                                        .ones_percent = 90};

static const struct gb_model_case models[] = {
    {"cglow-horses-32", &gb_cglow_model, SQUARE(32, 3), CGLOW_USE},
    {"cglow-horses-64", &gb_cglow_model, SQUARE(64, 3), CGLOW_USE},
    {"cglow-horses-128", &gb_cglow_model, SQUARE(128, 3), CGLOW_USE},
    {"cglow-lfw-32", &gb_cglow_model, SQUARE(32, 4), CGLOW_USE},
    {"cglow-lfw-64", &gb_cglow_model, SQUARE(64, 4), CGLOW_USE},
    {"cglow-lfw-128", &gb_cglow_model, SQUARE(128, 4), CGLOW_USE},
    {"cglow-denoise-128", &gb_cglow_model, SQUARE(128, 3), CGLOW_USE},
    {"cglow-depth-96x128", &gb_cglow_model, CGLOW(96, 128, 1, 96, 128, 1, 3, 8, 32), CGLOW_USE},
    {"cglow-inpaint-64", &gb_cglow_model, CGLOW(64, 64, 3, 32, 32, 3, 3, 64, 128), CGLOW_USE},
    {"cnf-sr-32", &gb_cnf_model, CNF_PATCH(32), .batch = 8, .samples = 1},
    {"cnf-sr-64", &gb_cnf_model, CNF_PATCH(64), .batch = 2, .samples = 1},
    {"cnf-vessels-592x576", &gb_cnf_model, CNF_MASK(592, 576), .batch = 2, .samples = 10},
    {"dncnn-denoise-128", &gb_dncnn_model, &dncnn, .batch = 2, .samples = 1},
    {"fcn-horses-32", &gb_fcn_model, &fcn, .batch = 8, .samples = 1},
    {"ffn-inpaint-64", &gb_ffn_model, &ffn, .batch = 16, .samples = 1},
    {"srcnn-sr-32", &gb_srcnn_model, &srcnn, .batch = 16, .samples = 1},
    {"factored-sr-32", &gb_factored_model, &factored_patch, .batch = 8, .samples = 1},
    {"factored-vessels-592x576", &gb_factored_model, &factored_mask, .batch = 2, .samples = 10},
    {0},
};

const struct gb_model_case *gb_model_cases(void) {
    return models;
}
