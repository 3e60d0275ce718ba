// SPDX-License-Identifier: MIT
#include "flows/models/regression.h"

#include <assert.h>

static bool has_own_zero(const struct gb_regression *model) {
    return model->zero < 0 || model->zero > 0;
}

static enum gb_gradients wanted(const struct gb_model_use *use) {
    if (!gb_model_trains(use))
        return GB_GRADIENTS_NONE;
    return use->input_gradient ? GB_GRADIENTS_ALL : GB_GRADIENTS_PARAMETERS;
}

// ---- Building ----

enum gb_status gb_regression_plan(struct gb_model *base, const void *config) {
    struct gb_regression *model = (struct gb_regression *)base;
    const struct gb_regression_form *form = base->kind->form;
    const struct gb_image_sizes *s = &model->sizes;
    model->sizes = *(const struct gb_image_sizes *)config;
    model->likelihood = form->likelihood(config, gb_model_trains(&base->use));
    model->zero = form->zero ? form->zero(config) : 0;
    struct gb_builder builder = {.backend = base->backend,
                                 .params = &base->params,
                                 .precision = base->use.precision,
                                 .threads = base->use.threads,
                                 .recompute = base->use.reversible,
                                 .layers = &base->layers};
    struct gb_slice x =
        gb_feed_forward_begin(&model->net, &builder, wanted(&base->use),
                              base->use.batch / base->use.samples_per_x, s->x_h, s->x_w, s->x_c);
    const int n = model->net.images;
    const struct gb_layer timed = {.name = "feed_forward",
                                   .minor = true,
                                   .floats = gb_shape_floats(n, s->x_h, s->x_w, s->x_c) +
                                             gb_shape_floats(n, s->y_h, s->y_w, s->y_c)};
    GB_TRY(gb_builder_begin_layer(&builder, &model->net.layer, &timed, "n%dx%dy%dz%d", n, s->x_h,
                                  s->x_w, s->x_c));
    struct gb_slice raw = form->network(config, &model->net, x);
    assert(raw.count == gb_likelihood_channels(&model->likelihood, s->y_c));
    gb_feed_forward_output(&model->net, raw);
    gb_builder_end_layer(&builder, model->net.layer);
    GB_TRY(gb_feed_forward_end(&model->net));
    model->raw = gb_dense(NULL, base->use.batch, s->y_h, s->y_w, raw.count);
    gb_builder_need_scratch(&builder, gb_likelihood_scratch_bytes(&model->raw));
    base->exec.scratch_bytes = builder.scratch;
    base->step_flops = builder.step_flops;
    return GB_OK;
}

void gb_regression_bind(struct gb_model *base) {
    struct gb_regression *model = (struct gb_regression *)base;
    struct gb_arena *arena = &base->arena;
    gb_feed_forward_bind(&model->net, arena, gb_arena_floats(arena, model->net.value_floats));
    if (gb_model_trains(&base->use))
        model->workspace = gb_arena_floats(arena, model->net.workspace_floats);
    model->d_raw = model->raw;
    model->d_raw.data = gb_arena_floats(arena, gb_elements(&model->raw));
    model->raw.data = base->use.samples_per_x == 1
                          ? gb_feed_forward_value(&model->net, 0)->data
                          : gb_arena_floats(arena, gb_elements(&model->raw));
    if (has_own_zero(model)) {
        model->zeros = model->labels =
            gb_dense(NULL, base->use.batch, model->sizes.y_h, model->sizes.y_w, model->sizes.y_c);
        model->zeros.data = gb_arena_floats(arena, gb_elements(&model->zeros));
        model->labels.data = gb_arena_floats(arena, gb_elements(&model->labels));
        float *zeros = model->zeros.data;
        for (size_t i = 0; zeros && i < gb_elements(&model->zeros); i++)
            zeros[i] = model->zero;
    }
}

void gb_regression_release(struct gb_model *base) {
    gb_feed_forward_free(&((struct gb_regression *)base)->net, base->backend);
}

struct gb_likelihood gb_image_error(const void *config, bool training) {
    (void)config, (void)training;
    return (struct gb_likelihood){.form = GB_LIKELIHOOD_GAUSSIAN, .sigma = 0.1f};
}

enum gb_dequantisation gb_regression_dequantisation(const void *config) {
    (void)config;
    return GB_NOT_DEQUANTISED;
}

void gb_regression_latent_shapes(const struct gb_model *base, struct gb_latents *shapes) {
    const struct gb_image_sizes *s = &((const struct gb_regression *)base)->sizes;
    shapes->count = base->kind->point_estimate ? 0 : 1;
    shapes->level[0] = gb_dense(NULL, base->use.batch, s->y_h, s->y_w, s->y_c);
}

// ---- Running ----

enum gb_status gb_regression_condition(struct gb_model *base, const struct gb_tensor *x) {
    struct gb_regression *model = (struct gb_regression *)base;
    assert(x->n == base->use.batch / base->use.samples_per_x);
    struct gb_pass pass = gb_model_pass(base, NULL);
    base->x = *x;
    gb_feed_forward_forward(&model->net, &pass, x);
    if (base->use.samples_per_x > 1)
        gb_repeat_images(&pass, gb_feed_forward_value(&model->net, 0), base->use.samples_per_x,
                         &model->raw);
    return GB_OK;
}

enum gb_status gb_regression_forward(struct gb_model *base, const struct gb_tensor *y,
                                     const struct gb_tensor *noise, double *log_likelihood,
                                     struct gb_latents *latents) {
    struct gb_regression *model = (struct gb_regression *)base;
    assert(!noise);
    (void)noise;
    struct gb_pass pass = gb_model_pass(base, NULL);
    model->y = *y;
    if (has_own_zero(model)) {
        pass.backend->add_scaled(&pass.exec, y, -1, &model->zeros, &model->labels);
        model->y = model->labels;
    }
    for (int n = 0; n < base->use.batch; n++)
        log_likelihood[n] = 0;
    gb_likelihood_forward(&model->likelihood, &pass, &model->y, &model->raw, &model->d_raw,
                          log_likelihood);
    if (latents)
        latents->count = 0;
    return gb_likelihoods_check(base->kind->title, base->use.batch, log_likelihood);
}

void gb_regression_backward(struct gb_model *base, const float *d_log_likelihood,
                            const struct gb_adam *adam, const struct gb_tensor *dx,
                            const struct gb_tensor *dy) {
    struct gb_regression *model = (struct gb_regression *)base;
    assert(adam ? base->use.training : base->use.gradients);
    assert(!dy);
    (void)dy;
    struct gb_pass pass = gb_model_pass(base, adam);
    gb_likelihood_backward(&model->likelihood, &pass, &model->y, &model->raw, d_log_likelihood,
                           &model->d_raw);
    gb_feed_forward_backward(&model->net, &pass, &base->x, &model->d_raw, model->workspace, dx);
}

void gb_regression_inverse(struct gb_model *base, const struct gb_latents *noise, float temperature,
                           const struct gb_tensor *y) {
    struct gb_regression *model = (struct gb_regression *)base;
    struct gb_pass pass = gb_model_pass(base, NULL);
    gb_likelihood_sample(&model->likelihood, &pass,
                         base->kind->point_estimate ? NULL : &noise->level[0], &model->raw,
                         temperature, y);
    if (has_own_zero(model))
        pass.backend->add_scaled(&pass.exec, y, 1, &model->zeros, y);
}
