// SPDX-License-Identifier: MIT
// The parameters of a model: named tensors in one aligned block, and their gradients, Adam moments
// and moving averages in blocks of the same layout. In memory a weight lies as its kernel wants it
// (packed); outside, in files and tests, it has PyTorch's shape and order.
#ifndef GB_PARAMS_H
#define GB_PARAMS_H

#include <stdint.h>

#include "kernels/arena.h"
#include "kernels/backend.h"
#include "kernels/parallel.h"

enum gb_layout { GB_LAYOUT_PLAIN, GB_LAYOUT_CONV, GB_LAYOUT_FC };

enum gb_start {
    GB_START_ZERO,
    GB_START_CONSTANT, // `spread` itself
    GB_START_NORMAL,   // mean 0, standard deviation `spread`
    GB_START_UNIFORM,  // in [-spread, spread)
    GB_START_BLUR,     // 3x3 kernels from each channel to itself, 1 2 1 in both directions, of
                       // sum 1: behind doubling by nearest neighbours, bilinear interpolation
    GB_START_ROTATION, // a random rotation matrix, row-major
    GB_START_ATANH_ROTATION, // atanh of one with no entry beyond 0.9: the bias with which a tanh
                             // yields that rotation
};

struct gb_param {
    char name[96];
    int dims, shape[4]; // PyTorch's
    enum gb_layout layout;
    union {
        const struct gb_conv_plan *conv; // GB_LAYOUT_CONV; lives as long as the model
        const struct gb_fc_plan *fc;     // GB_LAYOUT_FC
    } plan;
    // The first dimension's even entries come first in memory, then its odd ones: networks whose
    // outputs interleave two tensors outside have them as two halves inside.
    bool halves;
    // The second dimension's first so many entries come last in memory: a network's input may be
    // concat(a, b) outside and a slice that holds [b | a] inside.
    int last_inputs;
    bool statistic; // moved by what passes through the layer, not by Adam
    enum gb_start start;
    float spread;
    size_t offset, floats; // place in every block; padding (zeros) included
};

struct gb_params {
    const struct gb_backend *backend;
    struct gb_param *list;
    int count, capacity;
    size_t floats; // of a block
    float *value;
    float *gradient;          // NULL unless asked for
    float *moment1, *moment2; // NULL unless asked for
    float *average;           // NULL unless kept: gb_params_keep_average
};

// Number of elements of a parameter (without padding), and of all that Adam moves.
size_t gb_param_elements(const struct gb_param *param);
size_t gb_params_elements(const struct gb_params *params);

// Declares a parameter; `offset` and `floats` are filled in here. Its index goes to *index. Before
// gb_params_reserve only. GB_OUT_OF_MEMORY.
enum gb_status gb_params_add(struct gb_params *params, const struct gb_param *param, int *index);

// Allocates the blocks, zeroed. GB_OUT_OF_MEMORY.
enum gb_status gb_params_reserve(struct gb_params *params, bool gradients, bool moments);
void gb_params_free(struct gb_params *params);

// An exponential moving average of the values (Polyak and Juditsky 1992 average all iterates
// alike): what Adam's last steps swing around. It begins as the values. GB_OUT_OF_MEMORY.
enum gb_status gb_params_keep_average(struct gb_params *params);
// average += (1 - decay) * (value - average), elementwise, where one is kept only; at decay 0, the
// values themselves. Statistics are averaged as well: the last values are those of some twenty
// examples (CNF's vessels after 7,400 steps: 0.0887 bits per dimension with the last running
// moments, 0.0773 with averaged ones). The same bits on any number of threads.
void gb_params_average(struct gb_params *params, int threads, float decay);
// The block that a trained model is used with: the average where one is kept, else the values.
const float *gb_params_trained(const struct gb_params *params);

// Fills all values by their `start` from the seed (GB_RANDOM_INIT, sample = index). The same values
// on every backend. GB_OUT_OF_MEMORY.
enum gb_status gb_params_initialise(struct gb_params *params, uint64_t seed);

// The index of a name, -1 if there is none.
int gb_params_find(const struct gb_params *params, const char *name);

// Copies parameter `index` of `block` (any of the above) to or from PyTorch's order,
// gb_param_elements floats. GB_OUT_OF_MEMORY where a permuted copy cannot be made.
enum gb_status gb_params_export(const struct gb_params *params, int index, const float *block,
                                float *elements);
enum gb_status gb_params_import(const struct gb_params *params, int index, const float *elements,
                                float *block);

// Copies what gb_params_trained gives to the values of a model of the same configuration, whatever
// the backends. GB_OUT_OF_MEMORY.
enum gb_status gb_params_copy(const struct gb_params *from, struct gb_params *to);

#endif
