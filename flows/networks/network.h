// SPDX-License-Identifier: MIT
// The layers that networks consist of (feed_forward.h, conditioning_net.h): convolution and fully
// connected. Each has the same life cycle: plan (declare parameters, fix shapes), bind (take memory
// from the arena; runs twice, to measure and for good), forward, backward, free.
//
// Common to all layers, those in flows/layers too: a plan fails with GB_OUT_OF_MEMORY, with
// GB_BAD_INPUT if a parameter's name is too long, and as the backend's plan does; free may follow a
// failed plan if the layer was zeroed before. `live`, in a plan: initialise as GB_CGLOW_LIVE, not
// as published (flows/models/cglow.h). `training`, in a bind: reserve memory for backward.
#ifndef GB_NETWORK_H
#define GB_NETWORK_H

#include "flows/params.h"
#include "flows/profile.h"
#include "kernels/arena.h"
#include "kernels/backend.h"

// What planning a model collects.
struct gb_builder {
    const struct gb_backend *backend;
    struct gb_params *params;
    // Of what convolutions and fully connected layers multiply: GB_F32 or GB_BF16.
    enum gb_type precision;
    int threads;              // that the kernels of this part will run on
    size_t scratch;           // the maximum that any of them needs, in bytes
    double step_flops;        // needed operations of a training step, so far
    bool job;                 // its passes are jobs: several at once, each on one thread
    bool recompute;           // backward recomputes blocks of networks (gb_feed_forward_recompute)
    struct gb_layers *layers; // that profiles time; NULL: not listed
    char prefix[64];          // of parameter names, with its final dot
};

// How a pass runs.
struct gb_pass {
    const struct gb_backend *backend;
    struct gb_exec exec;
    struct gb_params *params;
    bool training; // a step of training: running statistics move
    // NULL: gradients are stored in params->gradient. Otherwise each parameter is updated as soon
    // as its gradient is complete.
    const struct gb_adam *adam;
    struct gb_profile *profile; // NULL: layers are not timed
};

// Lists a layer (its name, floats and minor are set; the shape follows as printf formats it), whose
// parameters are those declared until gb_builder_end_layer. *index is for gb_layer_begin; 0 where
// layers are not listed. GB_OUT_OF_MEMORY.
enum gb_status gb_builder_begin_layer(struct gb_builder *builder, int *index,
                                      const struct gb_layer *layer, const char *shape, ...)
    __attribute__((format(printf, 4, 5)));
void gb_builder_end_layer(struct gb_builder *builder, int index);

// Declares a parameter with the builder's prefix before its name. Fails as a plan does.
enum gb_status gb_builder_add_param(struct gb_builder *builder, const char *name,
                                    struct gb_param param, int *index);

// A parameter's values in a pass; NULL for index -1.
static inline float *gb_pass_value(const struct gb_pass *pass, int index) {
    return index < 0 ? NULL : pass->params->value + pass->params->list[index].offset;
}

// Takes the complete gradient of a plain parameter: stores it, or applies Adam. Does nothing for
// index -1.
void gb_pass_commit_gradient(const struct gb_pass *pass, int index, const float *gradient);

static inline void gb_builder_need_scratch(struct gb_builder *builder, size_t bytes) {
    if (builder->scratch < bytes)
        builder->scratch = bytes;
}

// Plans the 1x1 convolution of variables of this shape; adds its scratch and operations.
enum gb_status gb_builder_plan_inv1x1(struct gb_builder *builder,
                                      const struct gb_image_problem *variables,
                                      struct gb_inv1x1_plan *plan);

// Elements of n images of h x w x c.
static inline size_t gb_shape_floats(int n, int h, int w, int c) {
    return (size_t)n * (size_t)h * (size_t)w * (size_t)c;
}

// Floats of memory that a dense tensor takes, up to where the next may begin.
static inline size_t gb_tensor_floats(const struct gb_tensor *t) {
    return gb_round_up(gb_elements(t) * gb_type_bytes(t->type), GB_CHANNEL_PAD * sizeof(float)) /
           sizeof(float);
}

// A dense tensor from the arena; data is NULL while planning.
struct gb_tensor gb_take_tensor(struct gb_arena *arena, int n, int h, int w, int c);
struct gb_tensor gb_take_tensor_of(struct gb_arena *arena, enum gb_type type, int n, int h, int w,
                                   int c);

// Copies a view, on the pass's threads.
void gb_copy(const struct gb_pass *pass, const struct gb_tensor *from, const struct gb_tensor *to);

// Copies image n / repeats of `images` to image n of `repeated`, for the samples that share an
// input. Same height, width and channels; `repeated` may be `images` continued: the last image is
// written first.
void gb_repeat_images(const struct gb_pass *pass, const struct gb_tensor *images, int repeats,
                      const struct gb_tensor *repeated);

// ---- Shapes and initialisation of layers ----

// The convolution from in_h x in_w to out_h x out_w without padding, with ReLU: stride in/out,
// kernel in - (out - 1) * stride.
struct gb_conv_problem gb_reducing_conv(int n, int in_h, int in_w, int in_c, int out_h, int out_w,
                                        int out_c);

// The convolution that keeps h x w: stride 1, an odd kernel, padded by its half.
struct gb_conv_problem gb_same_size_conv(int n, int h, int w, int c, int k, int kernel,
                                         enum gb_activation activation);

// Inputs of one output of a convolution.
size_t gb_conv_fan_in(const struct gb_conv_problem *problem);
// PyTorch's default for weights and biases: uniform, bound 1 / sqrt(fan in).
struct gb_init gb_init_default(size_t fan_in);
// He's for ReLU networks: normal, standard deviation sqrt(2 / fan in).
struct gb_init gb_init_he(size_t fan_in);

// ---- Convolution layer: y = act(scale * (conv(x) + bias)) ----

enum gb_affine {
    GB_AFFINE_BIAS,               // bias
    GB_AFFINE_BIAS_SCALE,         // bias, exp(log_scale)
    GB_AFFINE_ZERO_CONV,          // bias, exp(3 * log_scale): Glow's zero-initialised convolution
    GB_AFFINE_ZERO_CONV_NEW_BIAS, // the same with bias + new_bias, as c-Glow has it
};

struct gb_conv_layer_spec {
    const char *name; // after the builder's prefix
    struct gb_conv_problem problem;
    enum gb_affine affine;
    bool halves;     // outputs interleave two tensors in files (gb_param.halves)
    int last_inputs; // gb_param.last_inputs
    bool first;      // its input is x: no data gradient in training
    struct gb_init weight_init, bias_init; // log_scale is initialised as bias
};

struct gb_conv_layer {
    struct gb_conv_plan plan;
    enum gb_affine affine;
    int weight, bias, new_bias, log_scale;            // indices of parameters; -1: none
    float *joint_bias, *scale, *d_bias, *d_log_scale; // of plan.problem.k channels, padded
};

// A square kernel that keeps the size, with PyTorch's default initialisation; gb_feed_forward_conv
// fills in sizes and outputs.
struct gb_conv_layer_spec gb_conv_layer_default(const char *name, int inputs, int kernel,
                                                enum gb_activation activation);

// The same with ReLU and He's initialisation.
struct gb_conv_layer_spec gb_conv_layer_he(const char *name, int inputs, int kernel);

// With bf16, x and y are floats; the spec's own format does not count.
enum gb_status gb_conv_layer_plan(struct gb_conv_layer *layer, struct gb_builder *builder,
                                  const struct gb_conv_layer_spec *spec);
// The same in two steps, for networks that know the types of x and y only once they are complete:
// the parameters, then the plan with a format of the builder's precision.
enum gb_status gb_conv_layer_declare(struct gb_conv_layer *layer, struct gb_builder *builder,
                                     const struct gb_conv_layer_spec *spec);
enum gb_status gb_conv_layer_plan_format(struct gb_conv_layer *layer, struct gb_builder *builder,
                                         enum gb_format format);
void gb_conv_layer_bind(struct gb_conv_layer *layer, struct gb_arena *arena);
void gb_conv_layer_free(struct gb_conv_layer *layer, const struct gb_backend *backend);

// The type of the gradient of the bare convolution.
static inline enum gb_type gb_conv_layer_du_type(const struct gb_conv_layer *layer) {
    return gb_precision(layer->plan.problem.format);
}

// x and y as the plan's problem has them, of any strides; they do not overlap.
void gb_conv_layer_forward(struct gb_conv_layer *layer, const struct gb_pass *pass,
                           const struct gb_tensor *x, const struct gb_tensor *y);

// From dy, the gradient of the layer's output y, to du, that of its bare convolution, of
// gb_conv_layer_du_type; du may be dy if that has this type. Commits the gradients of bias and
// log_scale.
void gb_conv_layer_output_backward(struct gb_conv_layer *layer, const struct gb_pass *pass,
                                   const struct gb_tensor *dy, const struct gb_tensor *y,
                                   const struct gb_tensor *du);

// From du: the data gradient into dx (unless NULL), then the weights'. With `producer`, the layer
// whose output x is, dx is the gradient of the producer's bare convolution (of its du's type), and
// the gradients of its bias and log_scale are committed.
void gb_conv_layer_backward(struct gb_conv_layer *layer, const struct gb_pass *pass,
                            const struct gb_tensor *x, const struct gb_tensor *du,
                            struct gb_conv_layer *producer, const struct gb_tensor *dx);

// ---- Fully connected layer: y = act(W x + bias) ----

struct gb_fc_layer {
    struct gb_fc_plan plan;
    int weight, bias;
    float *d_bias;
};

struct gb_fc_layer_spec {
    const char *name;
    struct gb_fc_problem problem;
    struct gb_init weight_init, bias_init;
};

enum gb_status gb_fc_layer_plan(struct gb_fc_layer *layer, struct gb_builder *builder,
                                const struct gb_fc_layer_spec *spec);
void gb_fc_layer_bind(struct gb_fc_layer *layer, struct gb_arena *arena);
void gb_fc_layer_free(struct gb_fc_layer *layer, const struct gb_backend *backend);
// x: n x h x w x c, dense within an image; y: n x 1 x 1 x k; they do not overlap.
void gb_fc_layer_forward(const struct gb_fc_layer *layer, const struct gb_pass *pass,
                         const struct gb_tensor *x, const struct gb_tensor *y);

// dy, the gradient of y, is overwritten; dx as in gb_fc_backward_fn.
void gb_fc_layer_backward(const struct gb_fc_layer *layer, const struct gb_pass *pass,
                          const struct gb_tensor *x, const struct gb_tensor *y,
                          const struct gb_tensor *dy, const struct gb_tensor *dx);

#endif
