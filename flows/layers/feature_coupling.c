// SPDX-License-Identifier: MIT
#include "flows/layers/feature_coupling.h"

enum gb_status gb_feature_coupling_plan(struct gb_coupling_layer *layer, struct gb_builder *builder,
                                        const struct gb_feature_coupling_shape *shape,
                                        bool training) {
    layer->form = shape->form;
    bool affine = shape->form == GB_COUPLING_SOFTPLUS;
    int h = shape->h, w = shape->w, half = shape->c / 2;
    struct gb_feed_forward *net = &layer->net;
    const struct gb_layer timed = {
        .name = "feature_coupling",
        .floats = gb_shape_floats(shape->batch, h, w, shape->features + 2 * shape->c)};
    GB_TRY(gb_builder_begin_layer(builder, &layer->layer, &timed, "n%dh%dw%dc%df%dk%d%s",
                                  shape->batch, h, w, shape->c, shape->features, shape->hidden,
                                  affine ? "softplus" : "additive"));
    struct gb_slice input =
        gb_feed_forward_begin(net, builder, training ? GB_GRADIENTS_ALL : GB_GRADIENTS_NONE,
                              shape->batch, h, w, shape->features + half);
    struct gb_conv_layer_spec spec =
        gb_conv_layer_default("coupling.net.0", input.count, 3, affine ? GB_RELU : GB_IDENTITY);
    spec.last_inputs = half;
    struct gb_slice at = gb_feed_forward_conv(net, spec, input, shape->hidden);
    if (affine)
        at = gb_feed_forward_conv(
            net, gb_conv_layer_default("coupling.net.1", shape->hidden, 1, GB_RELU), at,
            shape->hidden);
    else
        at = gb_feed_forward_norm(net, GB_RELU, at);
    // Zero at first.
    const struct gb_conv_layer_spec last = {.name = "coupling.net.2",
                                            .problem =
                                                gb_same_size_conv(0, 0, 0, 0, 0, 3, GB_IDENTITY),
                                            .affine = GB_AFFINE_ZERO_CONV,
                                            .halves = affine};
    const int outputs = gb_coupling_raw_channels(shape->form, half);
    gb_feed_forward_output(net, gb_feed_forward_conv(net, last, at, outputs));

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
                                     struct gb_arena *arena, const struct gb_coupling_layer *of,
                                     const struct gb_feature_coupling_shape *s, bool stored) {
    struct gb_coupling_gradients *gradients = &shared->gradients;
    int half = s->c / 2;
    if (!stored) {
        shared->joined = take_joined(arena, s);
        shared->values = gb_arena_floats(arena, of->net.value_floats);
    }
    if (!of->net.gradients)
        return;
    gradients->workspace = gb_arena_floats(arena, of->net.workspace_floats);
    gradients->d_raw =
        gb_take_tensor(arena, s->batch, s->h, s->w, gb_coupling_raw_channels(s->form, half));
    gradients->d_input = gb_take_tensor(arena, s->batch, s->h, s->w, s->features + half);
}

void gb_feature_coupling_bind(struct gb_coupling_layer *layer, struct gb_arena *arena,
                              const struct gb_feature_coupling_shared *shared,
                              const struct gb_feature_coupling_shape *s, bool stored) {
    const struct gb_tensor joined = stored ? take_joined(arena, s) : shared->joined;
    layer->recomputed = !stored;
    gb_coupling_layer_bind(layer, arena, &joined, s->features,
                           stored ? gb_arena_floats(arena, layer->net.value_floats)
                                  : shared->values);
}
