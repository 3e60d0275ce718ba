// SPDX-License-Identifier: MIT
#include "flows/conditional_coupling.h"

// Standard deviations of the published start.
static const float features_spread = 0.1f, network_spread = 0.05f;

static enum gb_status plan_features(struct gb_conditional_coupling *layer,
                                    struct gb_builder *builder, bool live) {
    const struct gb_coupling_shape *s = &layer->shape;
    int half = s->c / 2;
    struct gb_conv_layer_spec specs[GB_CHAIN] = {
        {.name = "coupling.features.0",
         .problem =
             gb_same_size_conv(s->images, s->x_h, s->x_w, s->x_c, s->feature_channels, 3, GB_RELU),
         .first = true},
        {.name = "coupling.features.1",
         .problem =
             gb_reducing_conv(s->images, s->x_h, s->x_w, s->feature_channels, s->h, s->w, half)},
        {.name = "coupling.features.2",
         .problem = gb_same_size_conv(s->images, s->h, s->w, half, half, 3, GB_RELU)},
    };
    for (int i = 0; i < GB_CHAIN; i++) {
        size_t fan_in = gb_conv_fan_in(&specs[i].problem);
        bool reducing = i == 1;
        if (live) {
            specs[i].weight_start = GB_START_NORMAL;
            specs[i].weight_spread = gb_he_spread(fan_in);
        } else {
            specs[i].weight_start = reducing ? GB_START_ZERO : GB_START_NORMAL;
            specs[i].weight_spread = features_spread;
            specs[i].bias_start = GB_START_UNIFORM;
            specs[i].bias_spread = gb_default_spread(fan_in);
        }
    }
    return gb_conv_chain_plan(&layer->features, builder, specs);
}

static enum gb_status plan_network(struct gb_conditional_coupling *layer,
                                   struct gb_builder *builder) {
    const struct gb_coupling_shape *s = &layer->shape;
    int wide = s->coupling_channels;
    struct gb_conv_layer_spec specs[GB_CHAIN] = {
        {.name = "coupling.net.0",
         .problem = gb_same_size_conv(s->batch, s->h, s->w, s->c, wide, 3, GB_RELU),
         .affine = GB_AFFINE_BIAS_SCALE},
        {.name = "coupling.net.1",
         .problem = gb_same_size_conv(s->batch, s->h, s->w, wide, wide, 1, GB_RELU),
         .affine = GB_AFFINE_BIAS_SCALE},
        {.name = "coupling.net.2",
         .problem = gb_same_size_conv(s->batch, s->h, s->w, wide, s->c, 3, GB_IDENTITY),
         .affine = GB_AFFINE_ZERO_CONV_NEW_BIAS,
         .halves = true},
    };
    for (int i = 0; i < GB_CHAIN; i++) {
        if (specs[i].affine != GB_AFFINE_ZERO_CONV_NEW_BIAS) {
            specs[i].weight_start = specs[i].bias_start = GB_START_NORMAL;
            specs[i].weight_spread = specs[i].bias_spread = network_spread;
        }
        GB_TRY(gb_conv_layer_plan(&layer->net[i], builder, &specs[i]));
    }
    return GB_OK;
}

enum gb_status gb_conditional_coupling_plan(struct gb_conditional_coupling *layer,
                                            struct gb_builder *job, struct gb_builder *main,
                                            const struct gb_coupling_shape *shape, bool live) {
    layer->shape = *shape;
    GB_TRY(plan_features(layer, job, live));
    GB_TRY(plan_network(layer, main));
    struct gb_tensor half = gb_dense(NULL, shape->batch, shape->h, shape->w, shape->c / 2);
    gb_builder_need_scratch(main, gb_coupling_scratch_floats(&half));
    return GB_OK;
}

static void bind_network_outputs(struct gb_tensor hidden[GB_CHAIN - 1], struct gb_tensor *raw,
                                 struct gb_arena *arena, const struct gb_coupling_shape *s) {
    for (int i = 0; i < GB_CHAIN - 1; i++)
        hidden[i] = gb_take_tensor(arena, s->batch, s->h, s->w, s->coupling_channels);
    *raw = gb_take_tensor(arena, s->batch, s->h, s->w, s->c);
}

void gb_coupling_shared_bind(struct gb_coupling_shared *shared, struct gb_arena *arena,
                             const struct gb_coupling_shape *shape, bool training) {
    if (training)
        bind_network_outputs(shared->d_hidden, &shared->d_raw, arena, shape);
    else
        bind_network_outputs(shared->hidden, &shared->raw, arena, shape);
}

void gb_conditional_coupling_bind(struct gb_conditional_coupling *layer, struct gb_arena *arena,
                                  const struct gb_coupling_shared *shared, bool training) {
    const struct gb_coupling_shape *s = &layer->shape;
    gb_conv_chain_bind(&layer->features, arena);
    for (int i = 0; i < GB_CHAIN; i++)
        gb_conv_layer_bind(&layer->net[i], arena);
    layer->joined = gb_take_tensor(arena, s->batch, s->h, s->w, s->c / 2 * 3);
    layer->input = gb_channels(&layer->joined, 0, s->c);
    layer->v = gb_channels(&layer->joined, s->c / 2, s->c);
    if (training) {
        bind_network_outputs(layer->hidden, &layer->raw, arena, s);
        layer->d_input = gb_take_tensor(arena, s->batch, s->h, s->w, s->c);
    } else {
        for (int i = 0; i < GB_CHAIN - 1; i++)
            layer->hidden[i] = shared->hidden[i];
        layer->raw = shared->raw;
    }
}

void gb_conditional_coupling_free(struct gb_conditional_coupling *layer,
                                  const struct gb_backend *backend) {
    gb_conv_chain_free(&layer->features, backend);
    for (int i = 0; i < GB_CHAIN; i++)
        gb_conv_layer_free(&layer->net[i], backend);
}

void gb_conditional_coupling_condition(struct gb_conditional_coupling *layer,
                                       const struct gb_pass *pass, const struct gb_tensor *x) {
    gb_conv_chain_forward(&layer->features, pass, x);
    struct gb_tensor features = gb_channels(&layer->joined, 0, layer->shape.c / 2);
    gb_repeat_images(&layer->features.out[GB_CHAIN - 1], layer->shape.batch / layer->shape.images,
                     &features);
}

static void run_network(struct gb_conditional_coupling *layer, const struct gb_pass *pass) {
    gb_conv_layer_forward(&layer->net[0], pass, &layer->input, &layer->hidden[0]);
    gb_conv_layer_forward(&layer->net[1], pass, &layer->hidden[0], &layer->hidden[1]);
    gb_conv_layer_forward(&layer->net[2], pass, &layer->hidden[1], &layer->raw);
}

void gb_conditional_coupling_forward(struct gb_conditional_coupling *layer,
                                     const struct gb_pass *pass, double *log_det) {
    int half = layer->shape.c / 2;
    struct gb_tensor v2 = gb_channels(&layer->v, half, half);
    run_network(layer, pass);
    pass->backend->coupling_forward(&pass->exec, GB_COUPLING_SIGMOID, &v2, &layer->raw, &v2,
                                    log_det);
}

void gb_conditional_coupling_inverse(struct gb_conditional_coupling *layer,
                                     const struct gb_pass *pass) {
    int half = layer->shape.c / 2;
    struct gb_tensor u2 = gb_channels(&layer->v, half, half);
    run_network(layer, pass);
    pass->backend->coupling_inverse(&pass->exec, GB_COUPLING_SIGMOID, &u2, &layer->raw, &u2);
}

void gb_conditional_coupling_backward(struct gb_conditional_coupling *layer,
                                      const struct gb_coupling_shared *shared,
                                      const struct gb_pass *pass, const struct gb_tensor *d,
                                      const float *d_log_det) {
    int half = layer->shape.c / 2;
    struct gb_tensor u2 = gb_channels(&layer->v, half, half);
    struct gb_tensor d1 = gb_channels(d, 0, half), d2 = gb_channels(d, half, half);
    struct gb_conv_layer *net = layer->net;

    pass->backend->coupling_backward(&pass->exec, GB_COUPLING_SIGMOID, &u2, &layer->raw, &d2,
                                     d_log_det, &d2, &shared->d_raw);
    gb_conv_layer_output_backward(&net[2], pass, &shared->d_raw, &layer->raw, &shared->d_raw);
    gb_conv_layer_backward(&net[2], pass, &layer->hidden[1], &shared->d_raw, &net[1],
                           &shared->d_hidden[1]);
    gb_conv_layer_backward(&net[1], pass, &layer->hidden[0], &shared->d_hidden[1], &net[0],
                           &shared->d_hidden[0]);
    gb_conv_layer_backward(&net[0], pass, &layer->input, &shared->d_hidden[0], NULL,
                           &layer->d_input);
    struct gb_tensor d_v1 = gb_channels(&layer->d_input, half, half);
    pass->backend->add(&pass->exec, &d_v1, &d1);
}

void gb_conditional_coupling_condition_backward(struct gb_conditional_coupling *layer,
                                                const struct gb_pass *pass,
                                                const struct gb_tensor *x, float *workspace,
                                                const struct gb_tensor *dx) {
    struct gb_tensor d_features = gb_channels(&layer->d_input, 0, layer->shape.c / 2);
    gb_conv_chain_backward(&layer->features, pass, x, &d_features, workspace, dx);
}
