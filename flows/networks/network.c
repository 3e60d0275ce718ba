// SPDX-License-Identifier: MIT
#include "flows/networks/network.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/grow.h"

struct gb_tensor gb_take_tensor(struct gb_arena *arena, int n, int h, int w, int c) {
    struct gb_tensor tensor = gb_dense(NULL, n, h, w, c);
    tensor.data = gb_arena_floats(arena, gb_elements(&tensor));
    return tensor;
}

struct gb_tensor gb_take_tensor_of(struct gb_arena *arena, enum gb_type type, int n, int h, int w,
                                   int c) {
    struct gb_tensor tensor = gb_dense_of(type, NULL, n, h, w, c);
    tensor.data = gb_arena_floats(arena, gb_tensor_floats(&tensor));
    return tensor;
}

void gb_copy(const struct gb_pass *pass, const struct gb_tensor *from, const struct gb_tensor *to) {
    pass->backend->add_scaled(&pass->exec, NULL, 1, from, to);
}

void gb_repeat_images(const struct gb_pass *pass, const struct gb_tensor *images, int repeats,
                      const struct gb_tensor *repeated) {
    if (repeats == 1) {
        gb_copy(pass, images, repeated);
        return;
    }
    for (int n = repeated->n - 1; n >= 0; n--) {
        struct gb_tensor from = gb_images(images, n / repeats, 1);
        struct gb_tensor to = gb_images(repeated, n, 1);
        gb_copy(pass, &from, &to);
    }
}

struct gb_conv_problem gb_reducing_conv(int n, int in_h, int in_w, int in_c, int out_h, int out_w,
                                        int out_c) {
    const int stride_h = in_h / out_h, stride_w = in_w / out_w;
    const int kernel_h = in_h - (out_h - 1) * stride_h, kernel_w = in_w - (out_w - 1) * stride_w;
    return (struct gb_conv_problem){n,        in_h,     in_w, in_c, out_c,   kernel_h, kernel_w,
                                    stride_h, stride_w, 0,    0,    GB_RELU, GB_FLOATS};
}

struct gb_conv_problem gb_same_size_conv(int n, int h, int w, int c, int k, int kernel,
                                         enum gb_activation activation) {
    const int pad = kernel / 2;
    return (struct gb_conv_problem){n, h, w,   c,   k,          kernel,   kernel,
                                    1, 1, pad, pad, activation, GB_FLOATS};
}

size_t gb_conv_fan_in(const struct gb_conv_problem *p) {
    return (size_t)p->c * (size_t)p->kernel_h * (size_t)p->kernel_w;
}

struct gb_init gb_init_default(size_t fan_in) {
    return (struct gb_init){GB_INIT_UNIFORM, (float)(1.0 / sqrt((double)fan_in))};
}

struct gb_init gb_init_he(size_t fan_in) {
    return (struct gb_init){GB_INIT_NORMAL, (float)sqrt(2.0 / (double)fan_in)};
}

static float *take_channels(struct gb_arena *arena, int channels) {
    return gb_arena_floats(arena, gb_round_up((size_t)channels, GB_CHANNEL_PAD));
}

enum gb_status gb_builder_begin_layer(struct gb_builder *builder, int *index,
                                      const struct gb_layer *layer, const char *shape, ...) {
    struct gb_layers *layers = builder->layers;
    *index = 0;
    if (!layers)
        return GB_OK;
    struct gb_layer *list = gb_grow(layers->list, (size_t)layers->count, sizeof *list);
    if (!list)
        return gb_no_memory("cannot build the model", "list of layers");
    layers->list = list;
    struct gb_layer *added = &list[layers->count];
    *added = *layer;
    va_list arguments;
    va_start(arguments, shape);
    int used = vsnprintf(added->shape, sizeof added->shape, shape, arguments);
    va_end(arguments);
    if (builder->precision == GB_BF16 && used >= 0 && (size_t)used < sizeof added->shape)
        snprintf(added->shape + used, sizeof added->shape - (size_t)used, "_bf16");
    added->job = builder->job;
    added->parameters = gb_params_elements(builder->params); // before it
    *index = ++layers->count;
    return GB_OK;
}

void gb_builder_end_layer(struct gb_builder *builder, int index) {
    if (!index)
        return;
    size_t *parameters = &builder->layers->list[index - 1].parameters;
    *parameters = gb_params_elements(builder->params) - *parameters;
}

enum gb_status gb_builder_add_param(struct gb_builder *builder, const char *name,
                                    struct gb_param param, int *index) {
    int length = snprintf(param.name, sizeof param.name, "%s%s", builder->prefix, name);
    if (length < 0 || (size_t)length >= sizeof param.name)
        return gb_fail(GB_BAD_INPUT, "cannot build the model", name,
                       "a parameter's name is longer than %zu characters", sizeof param.name - 1);
    return gb_params_add(builder->params, &param, index);
}

enum gb_status gb_builder_plan_inv1x1(struct gb_builder *builder,
                                      const struct gb_image_problem *variables,
                                      struct gb_inv1x1_plan *plan) {
    GB_TRY(builder->backend->inv1x1_plan(variables, builder->threads, plan));
    gb_builder_need_scratch(builder, plan->scratch_bytes);
    // Forward and both gradients, two operations a multiply-add.
    builder->step_flops += 3 * 2.0 * gb_image_floats(variables) * variables->c;
    return GB_OK;
}

static enum gb_status add_param(struct gb_builder *builder, const char *layer, const char *part,
                                struct gb_param param, int *index) {
    char name[2 * sizeof param.name];
    snprintf(name, sizeof name, "%s.%s", layer, part);
    return gb_builder_add_param(builder, name, param, index);
}

static float *gradient_of(const struct gb_pass *pass, int index) {
    return pass->adam ? NULL : pass->params->gradient + pass->params->list[index].offset;
}

static void announce_stored(const struct gb_pass *pass, int index) {
    const struct gb_params *params = pass->params;
    if (params->stored && !pass->adam)
        params->stored(params->stored_argument, index);
}

void gb_pass_commit_gradient(const struct gb_pass *pass, int index, const float *gradient) {
    if (index < 0)
        return;
    size_t count = gb_param_elements(&pass->params->list[index]);
    if (!pass->adam) {
        memcpy(gradient_of(pass, index), gradient, count * sizeof *gradient);
        announce_stored(pass, index);
        return;
    }
    const struct gb_exec alone = {.threads = 1};
    const struct gb_adam_target target = gb_params_target(pass->params, index, pass->adam);
    pass->backend->adam(&alone, &target, 0, count, gradient);
}

// ---- Convolution layer ----

static float log_factor(enum gb_affine affine) {
    return affine >= GB_AFFINE_ZERO_CONV ? 3.0f : 1.0f;
}

struct gb_conv_layer_spec gb_conv_layer_default(const char *name, int inputs, int kernel,
                                                enum gb_activation activation) {
    struct gb_conv_layer_spec spec = {
        .name = name, .problem = gb_same_size_conv(0, 0, 0, inputs, 0, kernel, activation)};
    spec.weight_init = spec.bias_init = gb_init_default(gb_conv_fan_in(&spec.problem));
    return spec;
}

struct gb_conv_layer_spec gb_conv_layer_he(const char *name, int inputs, int kernel) {
    struct gb_conv_layer_spec spec = gb_conv_layer_default(name, inputs, kernel, GB_RELU);
    spec.weight_init = gb_init_he(gb_conv_fan_in(&spec.problem));
    spec.bias_init = (struct gb_init){0};
    return spec;
}

enum gb_status gb_conv_layer_declare(struct gb_conv_layer *layer, struct gb_builder *builder,
                                     const struct gb_conv_layer_spec *spec) {
    const struct gb_conv_problem *p = &spec->problem;
    layer->plan.problem = *p;
    layer->affine = spec->affine;
    layer->new_bias = layer->log_scale = -1;
    const struct gb_param weight = {.dims = 4,
                                    .shape = {p->k, p->c, p->kernel_h, p->kernel_w},
                                    .layout = GB_LAYOUT_CONV,
                                    .plan.conv = &layer->plan,
                                    .halves = spec->halves,
                                    .last_inputs = spec->last_inputs,
                                    .init = spec->weight_init,
                                    .type = builder->precision};
    const struct gb_param channels = {
        .dims = 1, .shape = {p->k}, .halves = spec->halves, .init = spec->bias_init};
    GB_TRY(add_param(builder, spec->name, "weight", weight, &layer->weight));
    GB_TRY(add_param(builder, spec->name, "bias", channels, &layer->bias));
    if (spec->affine == GB_AFFINE_ZERO_CONV_NEW_BIAS)
        GB_TRY(add_param(builder, spec->name, "new_bias", channels, &layer->new_bias));
    if (spec->affine != GB_AFFINE_BIAS)
        GB_TRY(add_param(builder, spec->name, "log_scale", channels, &layer->log_scale));
    builder->step_flops += gb_conv_flops(p) * (spec->first ? 2 : 3);
    return GB_OK;
}

enum gb_status gb_conv_layer_plan_format(struct gb_conv_layer *layer, struct gb_builder *builder,
                                         enum gb_format format) {
    struct gb_conv_problem problem = layer->plan.problem;
    problem.format = format;
    assert(gb_precision(format) == builder->precision);
    GB_TRY(builder->backend->conv_plan(builder->backend, &problem, builder->threads, &layer->plan));
    struct gb_tensor y = gb_dense(NULL, problem.n, layer->plan.out_h, layer->plan.out_w, problem.k);
    gb_builder_need_scratch(builder, gb_conv_scratch_bytes(&layer->plan, builder->threads));
    gb_builder_need_scratch(builder, gb_epilogue_scratch_bytes(&y));
    return GB_OK;
}

enum gb_status gb_conv_layer_plan(struct gb_conv_layer *layer, struct gb_builder *builder,
                                  const struct gb_conv_layer_spec *spec) {
    GB_TRY(gb_conv_layer_declare(layer, builder, spec));
    return gb_conv_layer_plan_format(layer, builder,
                                     builder->precision == GB_BF16 ? GB_BF16_XY32 : GB_FLOATS);
}

void gb_conv_layer_bind(struct gb_conv_layer *layer, struct gb_arena *arena) {
    int k = layer->plan.problem.k;
    layer->d_bias = take_channels(arena, k);
    if (layer->new_bias >= 0)
        layer->joint_bias = take_channels(arena, k);
    if (layer->log_scale >= 0) {
        layer->scale = take_channels(arena, k);
        layer->d_log_scale = take_channels(arena, k);
    }
}

void gb_conv_layer_free(struct gb_conv_layer *layer, const struct gb_backend *backend) {
    backend->conv_plan_free(&layer->plan);
}

// Brings the parameters into the form that the epilogue takes.
static struct gb_conv_epilogue epilogue_of(struct gb_conv_layer *layer,
                                           const struct gb_pass *pass) {
    int k = layer->plan.problem.k;
    struct gb_conv_epilogue epilogue = {.bias = gb_pass_value(pass, layer->bias),
                                        .scale = layer->scale};
    if (layer->new_bias >= 0) {
        struct gb_tensor sum = gb_dense(layer->joint_bias, 1, 1, 1, k);
        struct gb_tensor term = gb_dense(gb_pass_value(pass, layer->new_bias), 1, 1, 1, k);
        memcpy(layer->joint_bias, epilogue.bias, (size_t)k * sizeof(float));
        pass->backend->add(&pass->exec, &term, &sum);
        epilogue.bias = layer->joint_bias;
    }
    if (layer->log_scale >= 0)
        pass->backend->exp(&pass->exec, (size_t)k, log_factor(layer->affine),
                           gb_pass_value(pass, layer->log_scale), layer->scale);
    return epilogue;
}

void gb_conv_layer_forward(struct gb_conv_layer *layer, const struct gb_pass *pass,
                           const struct gb_tensor *x, const struct gb_tensor *y) {
    struct gb_conv_epilogue epilogue = epilogue_of(layer, pass);
    pass->backend->conv_forward(&layer->plan, &pass->exec, x, gb_pass_value(pass, layer->weight),
                                &epilogue, y);
}

static void commit_channel_gradients(struct gb_conv_layer *layer, const struct gb_pass *pass) {
    gb_pass_commit_gradient(pass, layer->bias, layer->d_bias);
    gb_pass_commit_gradient(pass, layer->new_bias, layer->d_bias);
    if (layer->log_scale >= 0) {
        for (int c = 0; c < layer->plan.problem.k; c++)
            layer->d_log_scale[c] *= log_factor(layer->affine);
        gb_pass_commit_gradient(pass, layer->log_scale, layer->d_log_scale);
    }
}

void gb_conv_layer_output_backward(struct gb_conv_layer *layer, const struct gb_pass *pass,
                                   const struct gb_tensor *dy, const struct gb_tensor *y,
                                   const struct gb_tensor *du) {
    pass->backend->epilogue_backward(&pass->exec, layer->plan.problem.activation, dy, y,
                                     layer->scale, du, layer->d_bias, layer->d_log_scale);
    commit_channel_gradients(layer, pass);
}

void gb_conv_layer_backward(struct gb_conv_layer *layer, const struct gb_pass *pass,
                            const struct gb_tensor *x, const struct gb_tensor *du,
                            struct gb_conv_layer *producer, const struct gb_tensor *dx) {
    const float *weights = gb_pass_value(pass, layer->weight);
    if (dx && producer) {
        struct gb_conv_input_epilogue epilogue = {.activation = producer->plan.problem.activation,
                                                  .x = x,
                                                  .scale = producer->scale,
                                                  .d_bias = producer->d_bias,
                                                  .d_log_scale = producer->d_log_scale};
        pass->backend->conv_backward_data(&layer->plan, &pass->exec, du, weights, &epilogue, dx);
        commit_channel_gradients(producer, pass);
    } else if (dx) {
        pass->backend->conv_backward_data(&layer->plan, &pass->exec, du, weights, NULL, dx);
    }
    struct gb_adam_target target;
    if (pass->adam)
        target = gb_params_target(pass->params, layer->weight, pass->adam);
    pass->backend->conv_backward_weights(&layer->plan, &pass->exec, x, du,
                                         gradient_of(pass, layer->weight),
                                         pass->adam ? &target : NULL);
    announce_stored(pass, layer->weight);
}

// ---- Fully connected layer ----

enum gb_status gb_fc_layer_plan(struct gb_fc_layer *layer, struct gb_builder *builder,
                                const struct gb_fc_layer_spec *spec) {
    struct gb_fc_problem problem = spec->problem;
    const struct gb_fc_problem *p = &problem;
    problem.bf16 = builder->precision == GB_BF16;
    GB_TRY(builder->backend->fc_plan(builder->backend, p, builder->threads, &layer->plan));
    const struct gb_param weight = {.dims = 2,
                                    .shape = {p->k, (int)gb_fc_inputs(p)},
                                    .layout = GB_LAYOUT_FC,
                                    .plan.fc = &layer->plan,
                                    .init = spec->weight_init,
                                    .type = builder->precision};
    const struct gb_param bias = {.dims = 1, .shape = {p->k}, .init = spec->bias_init};
    GB_TRY(add_param(builder, spec->name, "weight", weight, &layer->weight));
    GB_TRY(add_param(builder, spec->name, "bias", bias, &layer->bias));
    struct gb_tensor y = gb_dense(NULL, p->n, 1, 1, p->k);
    gb_builder_need_scratch(builder, gb_fc_scratch_bytes(&layer->plan, builder->threads));
    gb_builder_need_scratch(builder, gb_epilogue_scratch_bytes(&y));
    builder->step_flops += 3 * 2.0 * p->n * (double)gb_fc_inputs(p) * p->k;
    return GB_OK;
}

void gb_fc_layer_bind(struct gb_fc_layer *layer, struct gb_arena *arena) {
    layer->d_bias = take_channels(arena, layer->plan.problem.k);
}

void gb_fc_layer_free(struct gb_fc_layer *layer, const struct gb_backend *backend) {
    backend->fc_plan_free(&layer->plan);
}

void gb_fc_layer_forward(const struct gb_fc_layer *layer, const struct gb_pass *pass,
                         const struct gb_tensor *x, const struct gb_tensor *y) {
    pass->backend->fc_forward(&layer->plan, &pass->exec, x, gb_pass_value(pass, layer->weight),
                              gb_pass_value(pass, layer->bias), y);
}

void gb_fc_layer_backward(const struct gb_fc_layer *layer, const struct gb_pass *pass,
                          const struct gb_tensor *x, const struct gb_tensor *y,
                          const struct gb_tensor *dy, const struct gb_tensor *dx) {
    pass->backend->epilogue_backward(&pass->exec, layer->plan.problem.activation, dy, y, NULL, dy,
                                     layer->d_bias, NULL);
    gb_pass_commit_gradient(pass, layer->bias, layer->d_bias);
    struct gb_adam_target target;
    if (pass->adam)
        target = gb_params_target(pass->params, layer->weight, pass->adam);
    pass->backend->fc_backward(&layer->plan, &pass->exec, x, dy, gb_pass_value(pass, layer->weight),
                               dx, gradient_of(pass, layer->weight), pass->adam ? &target : NULL);
    announce_stored(pass, layer->weight);
}
