// SPDX-License-Identifier: MIT
#include "flows/layers/latent_prior.h"

static enum gb_status plan(struct gb_latent_prior *layer, struct gb_builder *builder,
                           const struct gb_conv_layer_spec *spec) {
    const struct gb_conv_problem *p = &spec->problem;
    struct gb_tensor latent = gb_dense(NULL, p->n, p->h, p->w, p->k / 2);
    gb_builder_need_scratch(builder, gb_row_sums_bytes(&latent));
    GB_TRY(gb_conv_layer_plan(&layer->conv, builder, spec));
    gb_builder_end_layer(builder, layer->layer);
    return GB_OK;
}

enum gb_status gb_split_prior_plan(struct gb_latent_prior *layer, struct gb_builder *builder, int n,
                                   int h, int w, int c) {
    struct gb_conv_layer_spec spec = {
        .name = "split",
        .problem = gb_same_size_conv(n, h, w, c / 2, c, 3, GB_TANH),
        .halves = true,
        .weight_init = {GB_INIT_NORMAL, 0.1f}, // in both variants
    };
    spec.bias_init = gb_init_default(gb_conv_fan_in(&spec.problem));
    layer->sigma = GB_SIGMA_EXP;
    const struct gb_layer timed = {
        .name = "split_prior", .minor = true, .floats = gb_shape_floats(n, h, w, c)};
    GB_TRY(gb_builder_begin_layer(builder, &layer->layer, &timed, "n%dh%dw%dc%d", n, h, w, c));
    return plan(layer, builder, &spec);
}

enum gb_status gb_feature_prior_plan(struct gb_latent_prior *layer, struct gb_builder *builder,
                                     int n, int h, int w, int features, int kept, int latent) {
    const struct gb_conv_layer_spec spec = {
        .name = "prior",
        .problem = gb_same_size_conv(n, h, w, features + kept, 2 * latent, 3, GB_IDENTITY),
        .affine = GB_AFFINE_ZERO_CONV,
        .halves = true,
        .last_inputs = kept};
    layer->sigma = GB_SIGMA_SOFTPLUS;
    const struct gb_layer timed = {.name = "feature_prior",
                                   .minor = true,
                                   .floats = gb_shape_floats(n, h, w, features + kept + latent)};
    GB_TRY(gb_builder_begin_layer(builder, &layer->layer, &timed, "n%dh%dw%dc%df%d", n, h, w,
                                  latent, features + kept));
    return plan(layer, builder, &spec);
}

void gb_latent_prior_bind(struct gb_latent_prior *layer, struct gb_arena *arena, bool training) {
    const struct gb_conv_problem *p = &layer->conv.plan.problem;
    gb_conv_layer_bind(&layer->conv, arena);
    layer->prior = gb_take_tensor(arena, p->n, p->h, p->w, p->k);
    if (!training)
        return;
    layer->d_prior = layer->du = gb_take_tensor(arena, p->n, p->h, p->w, p->k);
    if (gb_conv_layer_du_type(&layer->conv) == GB_BF16)
        layer->du = gb_take_tensor_of(arena, GB_BF16, p->n, p->h, p->w, p->k);
}

void gb_latent_prior_free(struct gb_latent_prior *layer, const struct gb_backend *backend) {
    gb_conv_layer_free(&layer->conv, backend);
}

void gb_latent_prior_forward(struct gb_latent_prior *layer, const struct gb_pass *pass,
                             const struct gb_tensor *input, const struct gb_tensor *latent,
                             double *log_density) {
    struct gb_layer_span span;
    gb_layer_begin(pass->profile, layer->layer, GB_FORWARD, &span);
    gb_conv_layer_forward(&layer->conv, pass, input, &layer->prior);
    pass->backend->gaussian_forward(&pass->exec, layer->sigma, latent, &layer->prior, log_density);
    gb_layer_end(pass->profile, &span);
}

void gb_latent_prior_sample(struct gb_latent_prior *layer, const struct gb_pass *pass,
                            const struct gb_tensor *input, const struct gb_tensor *noise,
                            float temperature, const struct gb_tensor *latent) {
    struct gb_layer_span span;
    gb_layer_begin(pass->profile, layer->layer, GB_SAMPLE, &span);
    gb_conv_layer_forward(&layer->conv, pass, input, &layer->prior);
    pass->backend->gaussian_sample(&pass->exec, layer->sigma, noise, &layer->prior, temperature,
                                   latent);
    gb_layer_end(pass->profile, &span);
}

void gb_latent_prior_backward(struct gb_latent_prior *layer, const struct gb_pass *pass,
                              const struct gb_tensor *input, const struct gb_tensor *latent,
                              const float *d_log_density, const struct gb_tensor *d_latent,
                              const struct gb_tensor *d_input) {
    struct gb_layer_span span;
    gb_layer_begin(pass->profile, layer->layer, GB_BACKWARD, &span);
    pass->backend->gaussian_backward(&pass->exec, layer->sigma, latent, &layer->prior,
                                     d_log_density, d_latent, &layer->d_prior);
    gb_conv_layer_output_backward(&layer->conv, pass, &layer->d_prior, &layer->prior, &layer->du);
    gb_conv_layer_backward(&layer->conv, pass, input, &layer->du, NULL, d_input);
    gb_layer_end(pass->profile, &span);
}
