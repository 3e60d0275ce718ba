// SPDX-License-Identifier: MIT
// The parameters of a model: named tensors in one aligned block, with gradients, Adam moments and
// moving averages in blocks of the same layout. In memory a weight has its kernel's layout
// (packed); in files and tests it has PyTorch's shape and order, in floats.
#ifndef GB_PARAMS_H
#define GB_PARAMS_H

#include <stdint.h>

#include "kernels/arena.h"
#include "kernels/backend.h"
#include "kernels/parallel.h"

enum gb_layout { GB_LAYOUT_PLAIN, GB_LAYOUT_CONV, GB_LAYOUT_FC };

// How a parameter is initialised.
struct gb_init {
    enum {
        GB_INIT_ZERO,
        GB_INIT_CONSTANT, // `scale` itself
        GB_INIT_NORMAL,   // mean 0, standard deviation `scale`
        GB_INIT_UNIFORM,  // in [-scale, scale)
        GB_INIT_BILINEAR, // 3x3 kernels from each channel to itself, 1 2 1 along both axes, of sum
                          // 1: after nearest-neighbour doubling, bilinear interpolation
        GB_INIT_ROTATION, // a random rotation matrix, row-major
        GB_INIT_ATANH_ROTATION, // atanh of one with no entry above 0.9 in magnitude: the bias for
                                // which a tanh gives that rotation
    } distribution;
    float scale;
};

struct gb_param {
    char name[96];
    int dims, shape[4]; // PyTorch's
    enum gb_layout layout;
    union {
        const struct gb_conv_plan *conv; // GB_LAYOUT_CONV; lives as long as the model
        const struct gb_fc_plan *fc;     // GB_LAYOUT_FC
    } plan;
    // The even entries of the first dimension come first in memory, then the odd ones: outputs that
    // interleave two tensors in files are two halves in memory.
    bool halves;
    // This many leading entries of the second dimension come last in memory: an input that is
    // concat(a, b) in files may be a slice holding [b | a] in memory.
    int last_inputs;
    bool statistic; // a running statistic: updated by the layer, not by Adam
    struct gb_init init;
    // GB_BF16: the values are `size` split weights (kernels/bf16/bf16.h), which take the memory of
    // as many floats.
    enum gb_type type;
    size_t offset, size; // in every block, in elements; size includes padding (zeros)
};

struct gb_params {
    const struct gb_backend *backend;
    struct gb_param *list;
    int count;
    size_t size, bytes; // of a block: elements, padding included, and their bytes
    float *value;
    float *gradient;          // NULL unless reserved
    enum gb_type moments;     // GB_BF16: moment1 and moment2 are bf16
    float *moment1, *moment2; // NULL unless reserved
    float *sum;               // of gradients; NULL without gb_params_reserve_sum
    float *average;           // NULL without gb_params_keep_average
    // Called where a backward pass has stored a parameter's complete gradient, on the thread that
    // computed it; NULL: not called.
    void (*stored)(void *argument, int index);
    void *stored_argument;
};

// Bytes of each block of moments.
static inline size_t gb_params_moment_bytes(const struct gb_params *params) {
    return params->size * gb_type_bytes(params->moments);
}

// Number of elements of a parameter (without padding), and of all that Adam updates.
size_t gb_param_elements(const struct gb_param *param);
size_t gb_params_elements(const struct gb_params *params);

// Adam's target for a parameter, and for the elements that follow it up to the next split one.
struct gb_adam_target gb_params_target(const struct gb_params *params, int index,
                                       const struct gb_adam *adam);

// Declares a parameter. Its index goes to *index. Only before gb_params_reserve, for which the
// plans of weights must be made. GB_OUT_OF_MEMORY.
enum gb_status gb_params_add(struct gb_params *params, const struct gb_param *param, int *index);

// Gives every parameter its `offset` and `size` and allocates the blocks, zeroed. GB_OUT_OF_MEMORY.
enum gb_status gb_params_reserve(struct gb_params *params, bool gradients, bool moments);
void gb_params_free(struct gb_params *params);

// Initialises all values from the seed (GB_RANDOM_INIT, sample = index). Identical values on every
// backend. GB_OUT_OF_MEMORY.
enum gb_status gb_params_initialise(struct gb_params *params, uint64_t seed);

// The index of a name; -1 if there is none.
int gb_params_find(const struct gb_params *params, const char *name);

// ---- Gradients ----
// `gradient` is the gradient block or the sum. Results do not depend on the number of threads.

// A second gradient block, for the sum over several minibatches. GB_OUT_OF_MEMORY.
enum gb_status gb_params_reserve_sum(struct gb_params *params);
// sum = gradient for the `first` minibatch, sum += gradient for the others.
void gb_params_accumulate(struct gb_params *params, int threads, bool first);
// sum += gradient in `part`, whose bounds are multiples of GB_CHANNEL_PAD.
void gb_params_accumulate_part(const struct gb_params *params, int threads, struct gb_range part);

// The L2 norm over the gradients of all parameters.
double gb_params_gradient_norm(const struct gb_params *params, int threads, const float *gradient);
// Scales the gradient by min(1, max_norm / (norm + 1e-6)), as torch.nn.utils.clip_grad_norm_ does.
// Returns the norm before; if it is not finite, the gradient is left as it is.
double gb_params_clip_norm(const struct gb_params *params, int threads, float max_norm,
                           float *gradient);
// The scaling of `size` elements of a gradient, a multiple of GB_CHANNEL_PAD, whose norm is known.
void gb_params_scale_to_norm(const struct gb_params *params, int threads, float max_norm,
                             double norm, size_t size, float *gradient);
// Clips each gradient by value (adam->clip) and applies Adam; statistics are left alone. The
// results are bitwise those of a backward pass that applies Adam itself.
void gb_params_apply(struct gb_params *params, int threads, const struct gb_adam *adam,
                     const float *gradient);
// The same for the elements in `part`, whose bounds are multiples of GB_CHANNEL_PAD; `gradient`
// begins with theirs.
void gb_params_apply_part(struct gb_params *params, int threads, const struct gb_adam *adam,
                          struct gb_range part, const float *gradient);

// ---- Moving averages ----

// Keeps an exponential moving average of the values, which Adam's last steps oscillate around
// (Polyak and Juditsky 1992, who weight all iterates equally). Starts as the values.
// GB_OUT_OF_MEMORY.
enum gb_status gb_params_keep_average(struct gb_params *params);
// average += (1 - decay) * (value - average), elementwise; at decay 0, the values themselves.
// Statistics are averaged too: their last values reflect some twenty examples (CNF on vessels after
// 7,400 steps: 0.0887 bits per dimension with the last running moments, 0.0773 with averages).
void gb_params_average(struct gb_params *params, int threads, float decay);
// The block to use a trained model with: the average where one is kept, otherwise the values.
const float *gb_params_trained(const struct gb_params *params);

// ---- Values for other processes ----

// What the model computes with: floats, and the high halves of split weights. What only Adam, files
// and averages use: the low halves.
enum gb_params_half { GB_PARAMS_USED, GB_PARAMS_REST };

// Copies that half of the values in `part` to `packed`, and back. Returns the bytes; `packed` may
// be NULL for these alone.
size_t gb_params_pack(const struct gb_params *params, struct gb_range part,
                      enum gb_params_half half, void *packed);
void gb_params_unpack(struct gb_params *params, struct gb_range part, enum gb_params_half half,
                      const void *packed);

// ---- Import and export ----

// Copies parameter `index` of `block` (any of the above) to or from PyTorch's order,
// gb_param_elements floats, without loss; bf16 moments are rounded on import. GB_OUT_OF_MEMORY
// where a copy cannot be made.
enum gb_status gb_params_export(const struct gb_params *params, int index, const float *block,
                                float *elements);
enum gb_status gb_params_import(const struct gb_params *params, int index, const float *elements,
                                float *block);

// Room for the elements of any one parameter; free() it. NULL without memory.
float *gb_params_largest(const struct gb_params *params);

// Copies what gb_params_trained returns to the values of a model of the same configuration; the
// backends may differ. GB_OUT_OF_MEMORY.
enum gb_status gb_params_copy(const struct gb_params *from, struct gb_params *to);

#endif
