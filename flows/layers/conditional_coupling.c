// SPDX-License-Identifier: MIT
#include "flows/layers/conditional_coupling.h"

#include <stdio.h>

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
        const struct gb_conv_problem *p = &specs[i].problem;
        struct gb_slice to = gb_feed_forward_buffer(net, gb_conv_out_h(p), gb_conv_out_w(p), p->k);
        gb_feed_forward_conv(net, specs[i], at, to);
        at = to;
    }
    gb_feed_forward_output(net, at);
    return gb_feed_forward_end(net);
}

static enum gb_status plan_network(struct gb_conditional_coupling *layer,
                                   struct gb_builder *builder) {
    const struct gb_coupling_shape *s = &layer->shape;
    int h = s->h, w = s->w, wide = s->coupling_channels;
    struct gb_feed_forward *net = &layer->net;
    struct gb_conv_layer_spec hidden = {
        .affine = GB_AFFINE_BIAS_SCALE, .weight_init = network_init, .bias_init = network_init};
    const struct gb_conv_layer_spec last = {
        .name = "coupling.net.2",
        .problem = gb_same_size_conv(s->batch, h, w, wide, s->c, 3, GB_IDENTITY),
        .affine = GB_AFFINE_ZERO_CONV_NEW_BIAS,
        .halves = true};
    struct gb_slice input =
        gb_feed_forward_begin(net, builder, GB_GRADIENTS_ALL, s->batch, h, w, s->c);
    struct gb_slice first = gb_feed_forward_buffer(net, h, w, wide);
    struct gb_slice second = gb_feed_forward_buffer(net, h, w, wide);
    struct gb_slice raw = gb_feed_forward_buffer(net, h, w, s->c);
    hidden.name = "coupling.net.0";
    hidden.problem = gb_same_size_conv(s->batch, h, w, s->c, wide, 3, GB_RELU);
    gb_feed_forward_conv(net, hidden, input, first);
    hidden.name = "coupling.net.1";
    hidden.problem = gb_same_size_conv(s->batch, h, w, wide, wide, 1, GB_RELU);
    gb_feed_forward_conv(net, hidden, first, second);
    gb_feed_forward_conv(net, last, second, raw);
    gb_feed_forward_output(net, raw);
    return gb_feed_forward_end(net);
}

enum gb_status gb_conditional_coupling_plan(struct gb_conditional_coupling *layer,
                                            struct gb_builder *job, struct gb_builder *main,
                                            const struct gb_coupling_shape *shape, bool live) {
    const size_t pixels = (size_t)shape->h * (size_t)shape->w, c = (size_t)shape->c;
    const size_t x_floats = (size_t)shape->x_h * (size_t)shape->x_w * (size_t)shape->x_c;
    struct gb_layer features = {.name = "features",
                                .floats = (size_t)shape->images * (x_floats + pixels * c / 2)};
    struct gb_layer coupling = {.name = "coupling",
                                .floats = (size_t)shape->batch * pixels * (c / 2 + 2 * c)};
    snprintf(features.shape, sizeof features.shape, "n%dx%dy%dz%df%dh%dw%do%d", shape->images,
             shape->x_h, shape->x_w, shape->x_c, shape->feature_channels, shape->h, shape->w,
             shape->c / 2);
    snprintf(coupling.shape, sizeof coupling.shape, "n%dh%dw%dc%dk%d", shape->batch, shape->h,
             shape->w, shape->c, shape->coupling_channels);
    layer->shape = *shape;
    GB_TRY(gb_builder_begin_layer(job, &features, &layer->features_layer));
    GB_TRY(plan_features(layer, job, live));
    gb_builder_end_layer(job, layer->features_layer);
    GB_TRY(gb_builder_begin_layer(main, &coupling, &layer->layer));
    GB_TRY(plan_network(layer, main));
    gb_builder_end_layer(main, layer->layer);
    struct gb_tensor half = gb_dense(NULL, shape->batch, shape->h, shape->w, shape->c / 2);
    gb_builder_need_scratch(main, gb_row_sums_bytes(&half));
    return GB_OK;
}

void gb_coupling_shared_bind(struct gb_coupling_shared *shared, struct gb_arena *arena,
                             const struct gb_conditional_coupling *of, bool training) {
    const struct gb_coupling_shape *s = &of->shape;
    if (training) {
        shared->workspace = gb_arena_floats(arena, of->net.workspace_floats);
        shared->d_raw = gb_take_tensor(arena, s->batch, s->h, s->w, s->c);
    } else {
        shared->values = gb_arena_floats(arena, of->net.value_floats);
    }
}

void gb_conditional_coupling_bind(struct gb_conditional_coupling *layer, struct gb_arena *arena,
                                  const struct gb_coupling_shared *shared, bool training) {
    const struct gb_coupling_shape *s = &layer->shape;
    gb_feed_forward_bind(&layer->features, arena,
                         gb_arena_floats(arena, layer->features.value_floats));
    gb_feed_forward_bind(&layer->net, arena,
                         training ? gb_arena_floats(arena, layer->net.value_floats)
                                  : shared->values);
    layer->joined = gb_take_tensor(arena, s->batch, s->h, s->w, s->c / 2 * 3);
    layer->input = gb_channels(&layer->joined, 0, s->c);
    layer->v = gb_channels(&layer->joined, s->c / 2, s->c);
    if (training)
        layer->d_input = gb_take_tensor(arena, s->batch, s->h, s->w, s->c);
}

void gb_conditional_coupling_free(struct gb_conditional_coupling *layer,
                                  const struct gb_backend *backend) {
    gb_feed_forward_free(&layer->features, backend);
    gb_feed_forward_free(&layer->net, backend);
}

void gb_conditional_coupling_condition(struct gb_conditional_coupling *layer,
                                       const struct gb_pass *pass, const struct gb_tensor *x) {
    struct gb_layer_span span;
    gb_layer_begin(pass->profile, layer->features_layer, GB_FORWARD, &span);
    gb_feed_forward_forward(&layer->features, pass, x);
    struct gb_tensor features = gb_channels(&layer->joined, 0, layer->shape.c / 2);
    gb_repeat_images(pass, gb_feed_forward_value(&layer->features, 0),
                     layer->shape.batch / layer->shape.images, &features);
    gb_layer_end(pass->profile, &span);
}

void gb_conditional_coupling_forward(struct gb_conditional_coupling *layer,
                                     const struct gb_pass *pass, double *log_det) {
    int half = layer->shape.c / 2;
    struct gb_tensor v2 = gb_channels(&layer->v, half, half);
    struct gb_layer_span span;
    gb_layer_begin(pass->profile, layer->layer, GB_FORWARD, &span);
    gb_feed_forward_forward(&layer->net, pass, &layer->input);
    pass->backend->coupling_forward(&pass->exec, GB_COUPLING_SIGMOID, &v2,
                                    gb_feed_forward_value(&layer->net, 0), &v2, log_det);
    gb_layer_end(pass->profile, &span);
}

void gb_conditional_coupling_inverse(struct gb_conditional_coupling *layer,
                                     const struct gb_pass *pass) {
    int half = layer->shape.c / 2;
    struct gb_tensor u2 = gb_channels(&layer->v, half, half);
    struct gb_layer_span span;
    gb_layer_begin(pass->profile, layer->layer, GB_INVERSE, &span);
    gb_feed_forward_forward(&layer->net, pass, &layer->input);
    pass->backend->coupling_inverse(&pass->exec, GB_COUPLING_SIGMOID, &u2,
                                    gb_feed_forward_value(&layer->net, 0), &u2);
    gb_layer_end(pass->profile, &span);
}

void gb_conditional_coupling_backward(struct gb_conditional_coupling *layer,
                                      const struct gb_coupling_shared *shared,
                                      const struct gb_pass *pass, const struct gb_tensor *d,
                                      const float *d_log_det) {
    int half = layer->shape.c / 2;
    struct gb_tensor u2 = gb_channels(&layer->v, half, half);
    struct gb_tensor d1 = gb_channels(d, 0, half), d2 = gb_channels(d, half, half);
    struct gb_layer_span span;
    gb_layer_begin(pass->profile, layer->layer, GB_BACKWARD, &span);
    pass->backend->coupling_backward(&pass->exec, GB_COUPLING_SIGMOID, &u2,
                                     gb_feed_forward_value(&layer->net, 0), &d2, d_log_det, &d2,
                                     &shared->d_raw);
    gb_feed_forward_backward(&layer->net, pass, &layer->input, &shared->d_raw, shared->workspace,
                             &layer->d_input);
    struct gb_tensor d_v1 = gb_channels(&layer->d_input, half, half);
    pass->backend->add(&pass->exec, &d_v1, &d1);
    gb_layer_end(pass->profile, &span);
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
