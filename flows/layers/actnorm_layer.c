// SPDX-License-Identifier: MIT
#include "flows/layers/actnorm_layer.h"

enum gb_status gb_actnorm_layer_plan(struct gb_actnorm_layer *layer, struct gb_builder *builder,
                                     int batch, int h, int w, int c) {
    layer->c = c;
    struct gb_tensor v = gb_dense(NULL, batch, h, w, c);
    gb_builder_need_scratch(builder, gb_moments_scratch_bytes(&v));
    const struct gb_param channels = {.dims = 1, .shape = {c}};
    GB_TRY(gb_builder_add_param(builder, "actnorm.bias", channels, &layer->bias));
    return gb_builder_add_param(builder, "actnorm.log_scale", channels, &layer->log_scale);
}

void gb_actnorm_layer_bind(struct gb_actnorm_layer *layer, struct gb_arena *arena) {
    layer->d_bias = gb_arena_floats(arena, (size_t)layer->c);
    layer->d_log_scale = gb_arena_floats(arena, (size_t)layer->c);
}

static struct gb_actnorm_parameters parameters_of(const struct gb_actnorm_layer *layer,
                                                  const struct gb_pass *pass) {
    return (struct gb_actnorm_parameters){.log_scale = gb_pass_value(pass, layer->log_scale),
                                          .bias = gb_pass_value(pass, layer->bias)};
}

void gb_actnorm_layer_init(struct gb_actnorm_layer *layer, const struct gb_pass *pass,
                           const struct gb_tensor *v) {
    float *mean = layer->d_bias, *variance = layer->d_log_scale;
    pass->backend->moments(&pass->exec, v, mean, variance, 0);
    gb_actnorm_start(layer->c, mean, variance, gb_pass_value(pass, layer->log_scale),
                     gb_pass_value(pass, layer->bias));
}

void gb_actnorm_layer_forward(const struct gb_actnorm_layer *layer, const struct gb_pass *pass,
                              const struct gb_tensor *v, const struct gb_tensor *y,
                              double *log_det) {
    struct gb_actnorm_parameters parameters = parameters_of(layer, pass);
    pass->backend->actnorm_forward(&pass->exec, v, &parameters, y);
    if (!log_det)
        return;
    double one = gb_actnorm_log_det(v->h, v->w, layer->c, parameters.log_scale);
    for (int n = 0; n < v->n; n++)
        log_det[n] += one;
}

void gb_actnorm_layer_inverse(const struct gb_actnorm_layer *layer, const struct gb_pass *pass,
                              const struct gb_tensor *y, const struct gb_tensor *v) {
    struct gb_actnorm_parameters parameters = parameters_of(layer, pass);
    pass->backend->actnorm_inverse(&pass->exec, y, &parameters, v);
}

void gb_actnorm_layer_backward(struct gb_actnorm_layer *layer, const struct gb_pass *pass,
                               const struct gb_tensor *v, const struct gb_tensor *dy,
                               const float *d_log_det, const struct gb_tensor *dv) {
    struct gb_actnorm_parameters parameters = parameters_of(layer, pass);
    pass->backend->actnorm_backward(&pass->exec, v, &parameters, dy, d_log_det, dv,
                                    layer->d_log_scale, layer->d_bias, 0);
    gb_pass_commit_gradient(pass, layer->bias, layer->d_bias);
    gb_pass_commit_gradient(pass, layer->log_scale, layer->d_log_scale);
}
