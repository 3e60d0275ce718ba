// SPDX-License-Identifier: MIT
#include "flows/layers/feature_coupling.h"

#include <stdio.h>

enum gb_status gb_feature_coupling_plan(struct gb_feature_coupling *layer,
                                        struct gb_builder *builder,
                                        const struct gb_feature_coupling_shape *shape,
                                        bool training) {
    layer->shape = *shape;
    bool affine = shape->form == GB_COUPLING_SOFTPLUS;
    int h = shape->h, w = shape->w, half = shape->c / 2;
    struct gb_feed_forward *net = &layer->net;
    struct gb_layer timed = {.name = "feature_coupling",
                             .floats = (size_t)shape->batch * (size_t)h * (size_t)w *
                                       (size_t)(shape->features + 2 * shape->c)};
    snprintf(timed.shape, sizeof timed.shape, "n%dh%dw%dc%df%dk%d%s", shape->batch, h, w, shape->c,
             shape->features, shape->hidden, affine ? "softplus" : "additive");
    GB_TRY(gb_builder_begin_layer(builder, &timed, &layer->layer));
    struct gb_slice input =
        gb_feed_forward_begin(net, builder, training ? GB_GRADIENTS_ALL : GB_GRADIENTS_NONE,
                              shape->batch, h, w, shape->features + half);
    struct gb_slice first = gb_feed_forward_buffer(net, h, w, shape->hidden);
    struct gb_slice second = gb_feed_forward_buffer(net, h, w, shape->hidden);
    struct gb_slice raw =
        gb_feed_forward_buffer(net, h, w, gb_coupling_raw_channels(shape->form, half));

    struct gb_conv_layer_spec spec =
        gb_conv_layer_default("coupling.net.0", input.count, 3, affine ? GB_RELU : GB_IDENTITY);
    spec.last_inputs = half;
    gb_feed_forward_conv(net, spec, input, first);
    if (affine)
        gb_feed_forward_conv(
            net, gb_conv_layer_default("coupling.net.1", shape->hidden, 1, GB_RELU), first, second);
    else
        gb_feed_forward_norm(net, GB_RELU, first, second);
    // Zero at first.
    const struct gb_conv_layer_spec last = {.name = "coupling.net.2",
                                            .problem =
                                                gb_same_size_conv(0, 0, 0, 0, 0, 3, GB_IDENTITY),
                                            .affine = GB_AFFINE_ZERO_CONV,
                                            .halves = affine};
    gb_feed_forward_conv(net, last, second, raw);
    gb_feed_forward_output(net, raw);

    struct gb_tensor v2 = gb_dense(NULL, shape->batch, h, w, half);
    gb_builder_need_scratch(builder, gb_row_sums_bytes(&v2));
    gb_builder_end_layer(builder, layer->layer);
    return gb_feed_forward_end(net);
}

static struct gb_tensor take_joined(struct gb_arena *arena,
                                    const struct gb_feature_coupling_shape *s) {
    return gb_take_tensor(arena, s->batch, s->h, s->w, s->features + s->c);
}

void gb_feature_coupling_shared_bind(struct gb_feature_coupling_shared *shared,
                                     struct gb_arena *arena, const struct gb_feature_coupling *of,
                                     bool stored) {
    const struct gb_feature_coupling_shape *s = &of->shape;
    int half = s->c / 2;
    if (!stored) {
        shared->joined = take_joined(arena, s);
        shared->values = gb_arena_floats(arena, of->net.value_floats);
    }
    if (!of->net.gradients)
        return;
    shared->workspace = gb_arena_floats(arena, of->net.workspace_floats);
    shared->d_raw =
        gb_take_tensor(arena, s->batch, s->h, s->w, gb_coupling_raw_channels(s->form, half));
    shared->d_input = gb_take_tensor(arena, s->batch, s->h, s->w, s->features + half);
}

void gb_feature_coupling_bind(struct gb_feature_coupling *layer, struct gb_arena *arena,
                              const struct gb_feature_coupling_shared *shared, bool stored) {
    const struct gb_feature_coupling_shape *s = &layer->shape;
    layer->stored = stored;
    layer->joined = stored ? take_joined(arena, s) : shared->joined;
    layer->features = gb_channels(&layer->joined, 0, s->features);
    layer->input = gb_channels(&layer->joined, 0, s->features + s->c / 2);
    layer->v = gb_channels(&layer->joined, s->features, s->c);
    gb_feed_forward_bind(&layer->net, arena,
                         stored ? gb_arena_floats(arena, layer->net.value_floats) : shared->values);
}

void gb_feature_coupling_free(struct gb_feature_coupling *layer, const struct gb_backend *backend) {
    gb_feed_forward_free(&layer->net, backend);
}

static struct gb_tensor second_half(const struct gb_tensor *v) {
    return gb_channels(v, v->c / 2, v->c / 2);
}

void gb_feature_coupling_forward(struct gb_feature_coupling *layer, const struct gb_pass *pass,
                                 double *log_det) {
    struct gb_tensor v2 = second_half(&layer->v);
    struct gb_layer_span span;
    gb_layer_begin(pass->profile, layer->layer, GB_FORWARD, &span);
    gb_feed_forward_forward(&layer->net, pass, &layer->input);
    pass->backend->coupling_forward(&pass->exec, layer->shape.form, &v2,
                                    gb_feed_forward_value(&layer->net, 0), &v2, log_det);
    gb_layer_end(pass->profile, &span);
}

static void invert(struct gb_feature_coupling *layer, const struct gb_pass *pass) {
    struct gb_tensor u2 = second_half(&layer->v);
    pass->backend->coupling_inverse(&pass->exec, layer->shape.form, &u2,
                                    gb_feed_forward_value(&layer->net, 0), &u2);
}

void gb_feature_coupling_inverse(struct gb_feature_coupling *layer, const struct gb_pass *pass) {
    struct gb_layer_span span;
    gb_layer_begin(pass->profile, layer->layer, GB_INVERSE, &span);
    gb_feed_forward_forward(&layer->net, pass, &layer->input);
    invert(layer, pass);
    gb_layer_end(pass->profile, &span);
}

void gb_feature_coupling_backward(struct gb_feature_coupling *layer,
                                  const struct gb_feature_coupling_shared *shared,
                                  const struct gb_pass *pass, const struct gb_tensor *d,
                                  const float *d_log_det, const struct gb_tensor *d_features) {
    const struct gb_feature_coupling_shape *s = &layer->shape;
    struct gb_tensor u2 = second_half(&layer->v), d2 = second_half(d);
    struct gb_tensor d1 = gb_channels(d, 0, s->c / 2);
    struct gb_layer_span span;
    gb_layer_begin(pass->profile, layer->layer, GB_BACKWARD, &span);
    if (!layer->stored)
        gb_feed_forward_forward(&layer->net, pass, &layer->input);
    pass->backend->coupling_backward(&pass->exec, s->form, &u2,
                                     gb_feed_forward_value(&layer->net, 0), &d2, d_log_det, &d2,
                                     &shared->d_raw);
    if (!layer->stored)
        invert(layer, pass);
    gb_feed_forward_backward(&layer->net, pass, &layer->input, &shared->d_raw, shared->workspace,
                             &shared->d_input);
    struct gb_tensor from_features = gb_channels(&shared->d_input, 0, s->features);
    struct gb_tensor from_v1 = gb_channels(&shared->d_input, s->features, s->c / 2);
    pass->backend->add(&pass->exec, &from_features, d_features);
    pass->backend->add(&pass->exec, &from_v1, &d1);
    gb_layer_end(pass->profile, &span);
}
