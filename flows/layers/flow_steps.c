// SPDX-License-Identifier: MIT
#include "flows/layers/flow_steps.h"

#include <stdio.h>
#include <stdlib.h>

// ---- The normalisation, of either kind ----

static void normalise(const struct gb_flow_steps *steps, const struct gb_flow_step *step,
                      const struct gb_pass *pass, const struct gb_tensor *v,
                      const struct gb_tensor *y, double *log_det) {
    if (steps->shape.instance_norm)
        gb_norm_layer_forward(&step->norm, pass, v, y, log_det);
    else
        gb_actnorm_layer_forward(&step->actnorm, pass, v, y, log_det);
}

static void denormalise(const struct gb_flow_steps *steps, const struct gb_flow_step *step,
                        const struct gb_pass *pass, const struct gb_tensor *y,
                        const struct gb_tensor *v) {
    if (steps->shape.instance_norm)
        gb_norm_layer_inverse(&step->norm, pass, y, v);
    else
        gb_actnorm_layer_inverse(&step->actnorm, pass, y, v);
}

static void normalise_backward(const struct gb_flow_steps *steps, struct gb_flow_step *step,
                               const struct gb_pass *pass, const struct gb_tensor *v,
                               const struct gb_tensor *dy, const float *d_log_det,
                               const struct gb_tensor *dv) {
    if (steps->shape.instance_norm)
        gb_norm_layer_backward(&step->norm, pass, v, dy, d_log_det, dv);
    else
        gb_actnorm_layer_backward(&step->actnorm, pass, v, dy, d_log_det, dv);
}

// ---- Building ----

static enum gb_status begin_layer(struct gb_builder *builder, int *index, struct gb_layer timed,
                                  const struct gb_flow_steps_shape *shape) {
    const struct gb_feature_coupling_shape *s = &shape->coupling;
    timed.floats = gb_shape_floats(s->batch, s->h, s->w, s->features + 2 * s->c);
    return gb_builder_begin_layer(builder, index, &timed, "n%dh%dw%dc%df%dk%ds%d%s", s->batch, s->h,
                                  s->w, s->c, s->features, s->hidden, shape->count,
                                  s->form == GB_COUPLING_SOFTPLUS ? "softplus" : "additive");
}

enum gb_status gb_flow_steps_plan(struct gb_flow_steps *steps, struct gb_builder *builder,
                                  const struct gb_flow_steps_shape *shape) {
    const struct gb_feature_coupling_shape *s = &shape->coupling;
    struct gb_builder at = *builder;
    steps->shape = *shape;
    steps->list = calloc((size_t)shape->count, sizeof *steps->list);
    if (!steps->list)
        return gb_no_memory("cannot build the model", "flow");
    const struct gb_layer condition = {.name = "condition", .minor = true};
    const struct gb_layer all = {.name = "steps"};
    GB_TRY(begin_layer(builder, &steps->condition_layer, condition, shape));
    gb_builder_end_layer(builder, steps->condition_layer);
    GB_TRY(begin_layer(builder, &steps->layer, all, shape));
    for (int k = 0; k < shape->count; k++) {
        struct gb_flow_step *step = &steps->list[k];
        int length = snprintf(at.prefix, sizeof at.prefix, "%ssteps.%d.", builder->prefix, k);
        if (length < 0 || (size_t)length >= sizeof at.prefix)
            return gb_fail(GB_BAD_INPUT, "cannot build the model", builder->prefix,
                           "the prefix of its parameters' names is too long");
        GB_TRY(shape->instance_norm
                   ? gb_norm_layer_plan(&step->norm, &at, s->batch, s->h, s->w, s->c)
                   : gb_actnorm_layer_plan(&step->actnorm, &at, s->batch, s->h, s->w, s->c));
        GB_TRY(gb_inv1x1_layer_plan(&step->inv1x1, &at, s->batch, s->h, s->w, s->c));
        GB_TRY(gb_feature_coupling_plan(&step->coupling, &at, s, shape->memory != GB_MEMORY_NONE));
    }
    gb_builder_need_scratch(builder, at.scratch);
    builder->step_flops = at.step_flops;
    gb_builder_end_layer(builder, steps->layer);
    return GB_OK;
}

void gb_flow_steps_bind(struct gb_flow_steps *steps, struct gb_arena *arena) {
    const struct gb_feature_coupling_shape *s = &steps->shape.coupling;
    bool stored = steps->shape.memory == GB_MEMORY_STORED;
    steps->input = gb_take_tensor(arena, s->batch, s->h, s->w, s->c);
    steps->normalised = gb_take_tensor(arena, s->batch, s->h, s->w, s->c);
    if (steps->shape.memory != GB_MEMORY_NONE) {
        steps->d = gb_take_tensor(arena, s->batch, s->h, s->w, s->c);
        steps->d_normalised = gb_take_tensor(arena, s->batch, s->h, s->w, s->c);
    }
    gb_feature_coupling_shared_bind(&steps->shared, arena, &steps->list[0].coupling, s, stored);
    for (int k = 0; k < steps->shape.count; k++) {
        struct gb_flow_step *step = &steps->list[k];
        if (steps->shape.instance_norm)
            gb_norm_layer_bind(&step->norm, arena, steps->shape.memory != GB_MEMORY_NONE);
        else
            gb_actnorm_layer_bind(&step->actnorm, arena);
        gb_inv1x1_layer_bind(&step->inv1x1, arena);
        gb_feature_coupling_bind(&step->coupling, arena, &steps->shared, s, stored);
    }
}

void gb_flow_steps_free(struct gb_flow_steps *steps, const struct gb_backend *backend) {
    for (int k = 0; steps->list && k < steps->shape.count; k++) {
        gb_inv1x1_layer_free(&steps->list[k].inv1x1, backend);
        gb_coupling_layer_free(&steps->list[k].coupling, backend);
    }
    free(steps->list);
    steps->list = NULL;
}

// ---- Running ----

enum gb_status gb_flow_steps_condition(struct gb_flow_steps *steps, const struct gb_pass *pass,
                                       const struct gb_tensor *features) {
    struct gb_layer_span span;
    gb_layer_begin(pass->profile, steps->condition_layer, GB_FORWARD, &span);
    int owners = steps->shape.memory == GB_MEMORY_STORED ? steps->shape.count : 1;
    for (int k = 0; k < owners; k++)
        gb_repeat_images(pass, features, steps->shape.coupling.batch / features->n,
                         &steps->list[k].coupling.features);
    enum gb_status status = GB_OK;
    for (int k = 0; k < steps->shape.count && status == GB_OK; k++)
        status = gb_inv1x1_layer_prepare(&steps->list[k].inv1x1, pass);
    gb_layer_end(pass->profile, &span);
    return status;
}

const struct gb_tensor *gb_flow_steps_output(const struct gb_flow_steps *steps) {
    return &steps->list[steps->shape.count - 1].coupling.v;
}

struct gb_tensor gb_flow_steps_context(const struct gb_flow_steps *steps, int channels) {
    const struct gb_coupling_layer *last = &steps->list[steps->shape.count - 1].coupling;
    return gb_channels(&last->joined, 0, last->features.c + channels);
}

// What step k reads: the previous step's variables, or those that enter.
static const struct gb_tensor *input_of(const struct gb_flow_steps *steps, int k) {
    return k == 0 ? &steps->input : &steps->list[k - 1].coupling.v;
}

void gb_flow_steps_forward(struct gb_flow_steps *steps, const struct gb_pass *pass, bool start,
                           double *log_det) {
    struct gb_layer_span span;
    gb_layer_begin(pass->profile, steps->layer, GB_FORWARD, &span);
    for (int k = 0; k < steps->shape.count; k++) {
        struct gb_flow_step *step = &steps->list[k];
        const struct gb_tensor *v = input_of(steps, k);
        if (steps->shape.instance_norm)
            gb_norm_layer_measure(&step->norm, pass, v);
        else if (start)
            gb_actnorm_layer_init(&step->actnorm, pass, v);
        normalise(steps, step, pass, v, &steps->normalised, log_det);
        gb_inv1x1_layer_forward(&step->inv1x1, pass, &steps->normalised, &step->coupling.v,
                                log_det);
        gb_coupling_layer_forward(&step->coupling, pass, log_det);
    }
    gb_layer_end(pass->profile, &span);
}

void gb_flow_steps_inverse(struct gb_flow_steps *steps, const struct gb_pass *pass) {
    struct gb_layer_span span;
    gb_layer_begin(pass->profile, steps->layer, GB_INVERSE, &span);
    for (int k = steps->shape.count - 1; k >= 0; k--) {
        struct gb_flow_step *step = &steps->list[k];
        gb_coupling_layer_inverse(&step->coupling, pass);
        gb_inv1x1_layer_inverse(&step->inv1x1, pass, &step->coupling.v, &steps->normalised);
        denormalise(steps, step, pass, &steps->normalised, input_of(steps, k));
    }
    gb_layer_end(pass->profile, &span);
}

void gb_flow_steps_backward(struct gb_flow_steps *steps, const struct gb_pass *pass,
                            const float *d_log_det, const struct gb_tensor *d_features) {
    bool stored = steps->shape.memory == GB_MEMORY_STORED;
    struct gb_layer_span span;
    gb_layer_begin(pass->profile, steps->layer, GB_BACKWARD, &span);
    for (int k = steps->shape.count - 1; k >= 0; k--) {
        struct gb_flow_step *step = &steps->list[k];
        const struct gb_tensor *v = input_of(steps, k);
        gb_coupling_layer_backward(&step->coupling, pass, &steps->d, d_log_det,
                                   &steps->shared.gradients, d_features);
        // The 1x1 convolution's input is cheaper to recompute than to keep for every step.
        if (stored) {
            normalise(steps, step, pass, v, &steps->normalised, NULL);
        } else {
            gb_inv1x1_layer_inverse(&step->inv1x1, pass, &step->coupling.v, &steps->normalised);
            denormalise(steps, step, pass, &steps->normalised, v);
        }
        gb_inv1x1_layer_backward(&step->inv1x1, pass, &steps->normalised, &steps->d, d_log_det,
                                 &steps->d_normalised);
        normalise_backward(steps, step, pass, v, &steps->d_normalised, d_log_det, &steps->d);
    }
    gb_layer_end(pass->profile, &span);
}
