// SPDX-License-Identifier: MIT
#include "flows/layers/norm_layer.h"

// The share of a batch in the running moments; PyTorch's value.
static const float momentum = 0.1f;

enum gb_status gb_norm_layer_plan(struct gb_norm_layer *layer, struct gb_builder *builder,
                                  int batch, int h, int w, int c) {
    layer->batch = batch;
    layer->c = c;
    struct gb_tensor v = gb_dense(NULL, batch, h, w, c);
    gb_builder_need_scratch(builder, gb_moments_scratch_bytes(&v));
    gb_builder_need_scratch(builder, gb_instance_norm_scratch_bytes(&v));
    struct gb_param channels = {.dims = 1, .shape = {c}, .statistic = true};
    GB_TRY(gb_builder_add_param(builder, "norm.mean", channels, &layer->mean));
    channels.init = (struct gb_init){GB_INIT_CONSTANT, 1};
    return gb_builder_add_param(builder, "norm.variance", channels, &layer->variance);
}

void gb_norm_layer_bind(struct gb_norm_layer *layer, struct gb_arena *arena, bool training) {
    layer->training = training;
    if (!training)
        return;
    size_t moments = (size_t)layer->batch * (size_t)layer->c;
    layer->own_mean = gb_arena_floats(arena, moments);
    layer->own_variance = gb_arena_floats(arena, moments);
}

static struct gb_norm_moments moments_of(const struct gb_norm_layer *layer,
                                         const struct gb_pass *pass) {
    if (layer->training)
        return (struct gb_norm_moments){layer->own_mean, layer->own_variance, layer->c};
    return (struct gb_norm_moments){gb_pass_value(pass, layer->mean),
                                    gb_pass_value(pass, layer->variance), 0};
}

void gb_norm_layer_measure(struct gb_norm_layer *layer, const struct gb_pass *pass,
                           const struct gb_tensor *v) {
    if (layer->training)
        pass->backend->moments(&pass->exec, v, layer->own_mean, layer->own_variance, layer->c);
}

void gb_norm_layer_forward(const struct gb_norm_layer *layer, const struct gb_pass *pass,
                           const struct gb_tensor *v, const struct gb_tensor *y, double *log_det) {
    struct gb_norm_moments moments = moments_of(layer, pass);
    pass->backend->instance_norm_forward(&pass->exec, GB_IDENTITY, v, &moments, y);
    for (int n = 0; log_det && n < v->n; n++)
        log_det[n] +=
            gb_instance_norm_log_det(v->h, v->w, layer->c, moments.variance + n * moments.stride);
}

void gb_norm_layer_inverse(const struct gb_norm_layer *layer, const struct gb_pass *pass,
                           const struct gb_tensor *y, const struct gb_tensor *v) {
    struct gb_norm_moments moments = moments_of(layer, pass);
    pass->backend->instance_norm_inverse(&pass->exec, y, &moments, v);
}

// running += momentum * (mean over the batch of own - running).
static void follow(const struct gb_norm_layer *layer, const float *own, float *running) {
    for (int c = 0; c < layer->c; c++) {
        float sum = 0;
        for (int n = 0; n < layer->batch; n++)
            sum += own[n * layer->c + c];
        running[c] += momentum * (sum / (float)layer->batch - running[c]);
    }
}

void gb_norm_layer_backward(struct gb_norm_layer *layer, const struct gb_pass *pass,
                            const struct gb_tensor *v, const struct gb_tensor *dy,
                            const float *d_log_det, const struct gb_tensor *dv) {
    assert(layer->training);
    struct gb_norm_moments moments = moments_of(layer, pass);
    pass->backend->instance_norm_backward(&pass->exec, GB_IDENTITY, v, &moments, dy, d_log_det, dv);
    if (!pass->training)
        return;
    follow(layer, layer->own_mean, gb_pass_value(pass, layer->mean));
    follow(layer, layer->own_variance, gb_pass_value(pass, layer->variance));
}
