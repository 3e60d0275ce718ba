// SPDX-License-Identifier: MIT
#include "flows/layers/conditional_coupling.h"

#include "base/minmax.h"

// Of the published initialisation.
static const struct gb_init features_init = {GB_INIT_NORMAL, 0.1f};
static const struct gb_init network_init = {GB_INIT_NORMAL, 0.05f};

static enum gb_status plan_features(struct gb_conditional_coupling *layer,
                                    struct gb_builder *builder, bool live) {
    const struct gb_coupling_shape *s = &layer->shape;
    int half = s->c / 2, wide = s->feature_channels;
    struct gb_feed_forward *net = &layer->features;
    struct gb_conv_layer_spec specs[] = {
        {.name = "coupling.features.0",
         .problem = gb_same_size_conv(s->images, s->x_h, s->x_w, s->x_c, wide, 3, GB_RELU)},
        {.name = "coupling.features.1",
         .problem = gb_reducing_conv(s->images, s->x_h, s->x_w, wide, s->h, s->w, half)},
        {.name = "coupling.features.2",
         .problem = gb_same_size_conv(s->images, s->h, s->w, half, half, 3, GB_RELU)},
    };
    struct gb_slice at = gb_feed_forward_begin(net, builder, GB_GRADIENTS_PARAMETERS, s->images,
                                               s->x_h, s->x_w, s->x_c);
    for (size_t i = 0; i < sizeof specs / sizeof *specs; i++) {
        size_t fan_in = gb_conv_fan_in(&specs[i].problem);
        bool reducing = i == 1;
        if (live) {
            specs[i].weight_init = gb_init_he(fan_in);
        } else {
            if (!reducing)
                specs[i].weight_init = features_init;
            specs[i].bias_init = gb_init_default(fan_in);
        }
        at = gb_feed_forward_conv(net, specs[i], at, specs[i].problem.k);
    }
    gb_feed_forward_output(net, at);
    return gb_feed_forward_end(net);
}

static enum gb_status plan_network(struct gb_conditional_coupling *layer,
                                   struct gb_builder *builder) {
    const struct gb_coupling_shape *s = &layer->shape;
    int h = s->h, w = s->w, wide = s->coupling_channels;
    struct gb_feed_forward *net = &layer->coupling.net;
    struct gb_conv_layer_spec hidden = {
        .affine = GB_AFFINE_BIAS_SCALE, .weight_init = network_init, .bias_init = network_init};
    const struct gb_conv_layer_spec last = {
        .name = "coupling.net.2",
        .problem = gb_same_size_conv(s->batch, h, w, wide, s->c, 3, GB_IDENTITY),
        .affine = GB_AFFINE_ZERO_CONV_NEW_BIAS,
        .halves = true};
    struct gb_slice at =
        gb_feed_forward_begin(net, builder, GB_GRADIENTS_ALL, s->batch, h, w, s->c);
    hidden.name = "coupling.net.0";
    hidden.problem = gb_same_size_conv(s->batch, h, w, s->c, wide, 3, GB_RELU);
    at = gb_feed_forward_conv(net, hidden, at, wide);
    hidden.name = "coupling.net.1";
    hidden.problem = gb_same_size_conv(s->batch, h, w, wide, wide, 1, GB_RELU);
    at = gb_feed_forward_conv(net, hidden, at, wide);
    gb_feed_forward_output(net, gb_feed_forward_conv(net, last, at, s->c));
    return gb_feed_forward_end(net);
}

enum gb_status gb_conditional_coupling_plan(struct gb_conditional_coupling *layer,
                                            struct gb_builder *job, struct gb_builder *main,
                                            const struct gb_coupling_shape *shape, bool live) {
    const struct gb_coupling_shape *s = shape;
    const struct gb_layer features = {.name = "features",
                                      .floats = gb_shape_floats(s->images, s->x_h, s->x_w, s->x_c) +
                                                gb_shape_floats(s->images, s->h, s->w, s->c / 2)};
    const struct gb_layer coupling = {
        .name = "coupling", .floats = gb_shape_floats(s->batch, s->h, s->w, s->c / 2 + 2 * s->c)};
    layer->shape = *shape;
    layer->coupling.form = GB_COUPLING_SIGMOID;
    GB_TRY(gb_builder_begin_layer(job, &layer->features_layer, &features,
                                  "n%dx%dy%dz%df%dh%dw%do%d", s->images, s->x_h, s->x_w, s->x_c,
                                  s->feature_channels, s->h, s->w, s->c / 2));
    GB_TRY(plan_features(layer, job, live));
    gb_builder_end_layer(job, layer->features_layer);
    GB_TRY(gb_builder_begin_layer(main, &layer->coupling.layer, &coupling, "n%dh%dw%dc%dk%d",
                                  s->batch, s->h, s->w, s->c, s->coupling_channels));
    GB_TRY(plan_network(layer, main));
    gb_builder_end_layer(main, layer->coupling.layer);
    struct gb_tensor half = gb_dense(NULL, shape->batch, shape->h, shape->w, shape->c / 2);
    gb_builder_need_scratch(main, gb_row_sums_bytes(&half));
    return GB_OK;
}

static struct gb_tensor take_joined(struct gb_arena *arena, const struct gb_coupling_shape *s) {
    return gb_take_tensor(arena, s->batch, s->h, s->w, s->c / 2 * 3);
}

void gb_coupling_shared_bind(struct gb_coupling_shared *shared, struct gb_arena *arena,
                             const struct gb_conditional_coupling *of,
                             enum gb_coupling_memory memory) {
    const struct gb_coupling_shape *s = &of->shape;
    const bool recomputed = memory == GB_COUPLING_RECOMPUTED;
    shared->memory = memory;
    if (memory != GB_COUPLING_FORWARD) {
        size_t workspace = of->coupling.net.workspace_floats;
        if (recomputed)
            workspace = gb_max_size(workspace, of->features.workspace_floats);
        shared->workspace = gb_arena_floats(arena, workspace);
        shared->d_raw = gb_take_tensor(arena, s->batch, s->h, s->w, s->c);
    }
    if (memory != GB_COUPLING_STORED)
        shared->values = gb_arena_floats(arena, of->coupling.net.value_floats);
    if (!recomputed)
        return;
    shared->features_values = gb_arena_floats(arena, of->features.value_floats);
    shared->joined = take_joined(arena, s);
    shared->d_input = gb_take_tensor(arena, s->batch, s->h, s->w, s->c);
}

void gb_conditional_coupling_bind(struct gb_conditional_coupling *layer, struct gb_arena *arena,
                                  const struct gb_coupling_shared *shared) {
    const struct gb_coupling_shape *s = &layer->shape;
    const bool recomputed = shared->memory == GB_COUPLING_RECOMPUTED;
    const bool stored = shared->memory == GB_COUPLING_STORED;
    gb_feed_forward_bind(&layer->features, arena,
                         recomputed ? shared->features_values
                                    : gb_arena_floats(arena, layer->features.value_floats));
    float *values =
        stored ? gb_arena_floats(arena, layer->coupling.net.value_floats) : shared->values;
    const struct gb_tensor joined = recomputed ? shared->joined : take_joined(arena, s);
    layer->coupling.recomputed = recomputed;
    gb_coupling_layer_bind(&layer->coupling, arena, &joined, s->c / 2, values);
    layer->d_input = recomputed ? shared->d_input : (struct gb_tensor){0};
    if (stored)
        layer->d_input = gb_take_tensor(arena, s->batch, s->h, s->w, s->c);
}

void gb_conditional_coupling_free(struct gb_conditional_coupling *layer,
                                  const struct gb_backend *backend) {
    gb_feed_forward_free(&layer->features, backend);
    gb_coupling_layer_free(&layer->coupling, backend);
}

void gb_conditional_coupling_condition(struct gb_conditional_coupling *layer,
                                       const struct gb_pass *pass, const struct gb_tensor *x) {
    struct gb_layer_span span;
    gb_layer_begin(pass->profile, layer->features_layer, GB_FORWARD, &span);
    gb_feed_forward_forward(&layer->features, pass, x);
    gb_repeat_images(pass, gb_feed_forward_value(&layer->features, 0),
                     layer->shape.batch / layer->shape.images, &layer->coupling.features);
    gb_layer_end(pass->profile, &span);
}

void gb_conditional_coupling_backward(struct gb_conditional_coupling *layer,
                                      const struct gb_coupling_shared *shared,
                                      const struct gb_pass *pass, const struct gb_tensor *d,
                                      const float *d_log_det) {
    const struct gb_coupling_gradients gradients = {
        .workspace = shared->workspace, .d_raw = shared->d_raw, .d_input = layer->d_input};
    gb_coupling_layer_backward(&layer->coupling, pass, d, d_log_det, &gradients, NULL);
}

void gb_conditional_coupling_condition_backward(struct gb_conditional_coupling *layer,
                                                const struct gb_pass *pass,
                                                const struct gb_tensor *x, float *workspace,
                                                const struct gb_tensor *dx) {
    struct gb_tensor d_features = gb_channels(&layer->d_input, 0, layer->shape.c / 2);
    struct gb_layer_span span;
    gb_layer_begin(pass->profile, layer->features_layer, GB_BACKWARD, &span);
    gb_feed_forward_backward(&layer->features, pass, x, &d_features, workspace, dx);
    gb_layer_end(pass->profile, &span);
}
