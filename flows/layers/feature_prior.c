// SPDX-License-Identifier: MIT
#include "flows/layers/feature_prior.h"

#include <stdio.h>

enum gb_status gb_feature_prior_plan(struct gb_feature_prior *layer, struct gb_builder *builder,
                                     int n, int h, int w, int features, int kept, int latent) {
    const struct gb_conv_layer_spec spec = {
        .name = "prior",
        .problem = gb_same_size_conv(n, h, w, features + kept, 2 * latent, 3, GB_IDENTITY),
        .affine = GB_AFFINE_ZERO_CONV,
        .halves = true,
        .last_inputs = kept};
    struct gb_tensor z = gb_dense(NULL, n, h, w, latent);
    struct gb_layer timed = {.name = "feature_prior",
                             .minor = true,
                             .floats = (size_t)n * (size_t)h * (size_t)w *
                                       (size_t)(features + kept + latent)};
    snprintf(timed.shape, sizeof timed.shape, "n%dh%dw%dc%df%d", n, h, w, latent, features + kept);
    gb_builder_need_scratch(builder, gb_row_sums_bytes(&z));
    GB_TRY(gb_builder_begin_layer(builder, &timed, &layer->layer));
    GB_TRY(gb_conv_layer_plan(&layer->conv, builder, &spec));
    gb_builder_end_layer(builder, layer->layer);
    return GB_OK;
}

void gb_feature_prior_bind(struct gb_feature_prior *layer, struct gb_arena *arena, bool training) {
    const struct gb_conv_problem *p = &layer->conv.plan.problem;
    gb_conv_layer_bind(&layer->conv, arena);
    layer->prior = gb_take_tensor(arena, p->n, p->h, p->w, p->k);
    if (training)
        layer->d_prior = gb_take_tensor(arena, p->n, p->h, p->w, p->k);
}

void gb_feature_prior_free(struct gb_feature_prior *layer, const struct gb_backend *backend) {
    gb_conv_layer_free(&layer->conv, backend);
}

void gb_feature_prior_forward(struct gb_feature_prior *layer, const struct gb_pass *pass,
                              const struct gb_tensor *input, const struct gb_tensor *latent,
                              double *log_density) {
    struct gb_layer_span span;
    gb_layer_begin(pass->profile, layer->layer, GB_FORWARD, &span);
    gb_conv_layer_forward(&layer->conv, pass, input, &layer->prior);
    pass->backend->gaussian_forward(&pass->exec, GB_SIGMA_SOFTPLUS, latent, &layer->prior,
                                    log_density);
    gb_layer_end(pass->profile, &span);
}

void gb_feature_prior_sample(struct gb_feature_prior *layer, const struct gb_pass *pass,
                             const struct gb_tensor *input, const struct gb_tensor *noise,
                             float temperature, const struct gb_tensor *latent) {
    struct gb_layer_span span;
    gb_layer_begin(pass->profile, layer->layer, GB_SAMPLE, &span);
    gb_conv_layer_forward(&layer->conv, pass, input, &layer->prior);
    pass->backend->gaussian_sample(&pass->exec, GB_SIGMA_SOFTPLUS, noise, &layer->prior,
                                   temperature, latent);
    gb_layer_end(pass->profile, &span);
}

void gb_feature_prior_backward(struct gb_feature_prior *layer, const struct gb_pass *pass,
                               const struct gb_tensor *input, const struct gb_tensor *latent,
                               const float *d_log_density, const struct gb_tensor *d_latent,
                               const struct gb_tensor *d_input) {
    struct gb_layer_span span;
    gb_layer_begin(pass->profile, layer->layer, GB_BACKWARD, &span);
    pass->backend->gaussian_backward(&pass->exec, GB_SIGMA_SOFTPLUS, latent, &layer->prior,
                                     d_log_density, d_latent, &layer->d_prior);
    gb_conv_layer_output_backward(&layer->conv, pass, &layer->d_prior, &layer->prior,
                                  &layer->d_prior);
    gb_conv_layer_backward(&layer->conv, pass, input, &layer->d_prior, NULL, d_input);
    gb_layer_end(pass->profile, &span);
}
