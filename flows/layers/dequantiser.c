// SPDX-License-Identifier: MIT
#include "flows/layers/dequantiser.h"

#include <stdio.h>
#include <string.h>

enum { SQUEEZED = 4 };

enum gb_status gb_dequantiser_plan(struct gb_dequantiser *layer, struct gb_builder *builder,
                                   const struct gb_flow_steps_shape *shape) {
    struct gb_flow_steps_shape inner = *shape;
    struct gb_feature_coupling_shape *s = &inner.coupling;
    struct gb_tensor mask = gb_dense(NULL, s->batch, s->h, s->w, s->c);
    layer->u = mask;
    s->h /= 2, s->w /= 2, s->c *= SQUEEZED;
    struct gb_tensor squeezed = gb_dense(NULL, s->batch, s->h, s->w, s->c);
    s->features += s->c;
    const int features = shape->coupling.features;
    const struct gb_layer timed = {.name = "dequantiser",
                                   .floats = 2 * gb_elements(&mask) +
                                             gb_shape_floats(s->batch, s->h, s->w, features)};
    snprintf(builder->prefix, sizeof builder->prefix, "dequantiser.");
    gb_builder_need_scratch(builder, gb_row_sums_bytes(&mask));
    gb_builder_need_scratch(builder, gb_row_sums_bytes(&squeezed));
    GB_TRY(gb_builder_begin_layer(builder, &layer->layer, &timed, "n%dh%dw%dc%df%dk%ds%d%s", mask.n,
                                  mask.h, mask.w, mask.c, features, s->hidden, shape->count,
                                  s->form == GB_COUPLING_SOFTPLUS ? "softplus" : "additive"));
    struct gb_layers *layers = builder->layers;
    builder->layers = NULL; // what it consists of is not timed apart
    enum gb_status status = gb_flow_steps_plan(&layer->steps, builder, &inner);
    builder->layers = layers;
    gb_builder_end_layer(builder, layer->layer);
    return status;
}

void gb_dequantiser_bind(struct gb_dequantiser *layer, struct gb_arena *arena) {
    const struct gb_feature_coupling_shape *s = &layer->steps.shape.coupling;
    struct gb_tensor mask = layer->u;
    gb_flow_steps_bind(&layer->steps, arena);
    layer->context = gb_take_tensor(arena, s->batch, s->h, s->w, s->features);
    if (layer->steps.shape.memory != GB_MEMORY_NONE)
        layer->d_context = gb_take_tensor(arena, s->batch, s->h, s->w, s->features);
    layer->u = gb_take_tensor(arena, mask.n, mask.h, mask.w, mask.c);
    layer->v = gb_take_tensor(arena, mask.n, mask.h, mask.w, mask.c);
}

static struct gb_tensor features_part(const struct gb_dequantiser *layer,
                                      const struct gb_tensor *context) {
    return gb_channels(context, 0, context->c - layer->steps.shape.coupling.c);
}

enum gb_status gb_dequantiser_forward(struct gb_dequantiser *layer, const struct gb_pass *pass,
                                      const struct gb_tensor *features, const struct gb_tensor *y,
                                      const struct gb_tensor *noise, bool start,
                                      double *log_likelihood) {
    const struct gb_backend *backend = pass->backend;
    struct gb_flow_steps *steps = &layer->steps;
    int c = steps->shape.coupling.c;
    struct gb_tensor context_features = features_part(layer, &layer->context);
    struct gb_tensor context_mask = gb_channels(&layer->context, context_features.c, c);
    layer->mask = *y;
    struct gb_layer_span span;
    gb_layer_begin(pass->profile, layer->layer, GB_FORWARD, &span);
    gb_repeat_images(pass, features, layer->context.n / features->n, &context_features);
    backend->squeeze(&pass->exec, y, &context_mask);
    enum gb_status status = gb_flow_steps_condition(steps, pass, &layer->context);
    if (status != GB_OK) {
        gb_layer_end(pass->profile, &span);
        return status;
    }

    // log q = log N(noise) - log|du/dnoise| - log|dv/du|.
    backend->squeeze(&pass->exec, noise, &steps->input);
    for (int n = 0; n < y->n; n++)
        log_likelihood[n] = -log_likelihood[n];
    backend->gaussian_forward(&pass->exec, GB_SIGMA_EXP, &steps->input, NULL, log_likelihood);
    for (int n = 0; n < y->n; n++)
        log_likelihood[n] = -log_likelihood[n];
    gb_flow_steps_forward(steps, pass, start, log_likelihood);
    backend->unsqueeze(&pass->exec, gb_flow_steps_output(steps), &layer->u);
    backend->dequantise_forward(&pass->exec, y, &layer->u, &layer->v, log_likelihood);
    gb_layer_end(pass->profile, &span);
    return GB_OK;
}

void gb_dequantiser_backward(struct gb_dequantiser *layer, const struct gb_pass *pass,
                             const struct gb_tensor *dv, const float *d_log_likelihood,
                             const struct gb_tensor *d_features) {
    const struct gb_backend *backend = pass->backend;
    struct gb_tensor share = features_part(layer, &layer->d_context);
    struct gb_layer_span span;
    gb_layer_begin(pass->profile, layer->layer, GB_BACKWARD, &span);
    memset(layer->d_context.data, 0, gb_elements(&layer->d_context) * sizeof(float));
    backend->dequantise_backward(&pass->exec, &layer->mask, &layer->u, dv, d_log_likelihood, dv);
    backend->squeeze(&pass->exec, dv, &layer->steps.d);
    gb_flow_steps_backward(&layer->steps, pass, d_log_likelihood, &layer->d_context);
    backend->add(&pass->exec, &share, d_features);
    gb_layer_end(pass->profile, &span);
}
