// SPDX-License-Identifier: MIT
#include "flows/models/regression.h"

#include <assert.h>
#include <stdlib.h>

#include "flows/models/model.h"

struct gb_regression {
    const struct gb_regression_form *form;
    struct gb_model_use use;
    struct gb_image_sizes sizes;
    struct gb_likelihood likelihood;
    float zero; // what y has in place of 0
    const struct gb_backend *backend;
    struct gb_params params;
    struct gb_arena arena;
    struct gb_feed_forward net;
    float *workspace;        // of the net's backward
    struct gb_tensor raw;    // the net's output, once for each sample
    struct gb_tensor d_raw;  // forward leaves there what backward needs
    struct gb_tensor zeros;  // where zero is not 0: it, of y's shape
    struct gb_tensor labels; // and y without it
    struct gb_tensor x, y;   // of the last condition, of the last forward (or `labels`)
    struct gb_exec exec;
    double step_flops;
};

static bool has_own_zero(const struct gb_regression *model) {
    return model->zero < 0 || model->zero > 0;
}

static enum gb_wanted wanted(const struct gb_model_use *use) {
    if (!gb_model_trains(use))
        return GB_WANTED_NOTHING;
    return use->input_gradient ? GB_WANTED_ALL : GB_WANTED_PARAMETERS;
}

// ---- Building ----

// Declares every layer and parameter.
static enum gb_status plan(struct gb_regression *model, const void *config) {
    const struct gb_image_sizes *s = &model->sizes;
    struct gb_builder builder = {
        .backend = model->backend, .params = &model->params, .threads = model->use.threads};
    struct gb_place x =
        gb_feed_forward_begin(&model->net, &builder, wanted(&model->use),
                              model->use.batch / model->use.samples_per_x, s->x_h, s->x_w, s->x_c);
    struct gb_place raw = model->form->network(config, &model->net, x);
    assert(raw.count == gb_likelihood_channels(&model->likelihood, s->y_c));
    gb_feed_forward_output(&model->net, raw);
    GB_TRY(gb_feed_forward_end(&model->net));
    model->raw = gb_dense(NULL, model->use.batch, s->y_h, s->y_w, raw.count);
    gb_builder_need_scratch(&builder, gb_likelihood_scratch_floats(&model->raw));
    model->exec =
        (struct gb_exec){.threads = model->use.threads, .scratch_floats = builder.scratch};
    model->step_flops = builder.step_flops;
    return GB_OK;
}

// Takes all memory from the arena; run twice, to measure and for good.
static void bind(struct gb_regression *model) {
    struct gb_arena *arena = &model->arena;
    gb_feed_forward_bind(&model->net, arena, gb_arena_floats(arena, model->net.value_floats));
    if (gb_model_trains(&model->use))
        model->workspace = gb_arena_floats(arena, model->net.workspace_floats);
    model->d_raw = model->raw;
    model->d_raw.data = gb_arena_floats(arena, gb_elements(&model->raw));
    model->raw.data = model->use.samples_per_x == 1
                          ? gb_feed_forward_value(&model->net, 0)->data
                          : gb_arena_floats(arena, gb_elements(&model->raw));
    if (has_own_zero(model)) {
        model->zeros = model->labels =
            gb_dense(NULL, model->use.batch, model->sizes.y_h, model->sizes.y_w, model->sizes.y_c);
        model->zeros.data = gb_arena_floats(arena, gb_elements(&model->zeros));
        model->labels.data = gb_arena_floats(arena, gb_elements(&model->labels));
    }
    model->exec.scratch = gb_arena_floats(arena, model->exec.scratch_floats);
}

// A model that is planned and has no memory yet; where there is none for its description, NULL.
static enum gb_status make_plan(const struct gb_regression_form *form, const void *config,
                                const struct gb_model_use *use, const struct gb_backend *backend,
                                struct gb_regression **result) {
    *result = NULL;
    GB_TRY(form->check(config));
    struct gb_regression *model = *result = calloc(1, sizeof *model);
    if (!model)
        return gb_no_memory("cannot build the model", form->title);
    model->form = form;
    model->use = *use;
    model->sizes = *(const struct gb_image_sizes *)config;
    model->likelihood = form->likelihood(config, gb_model_trains(use));
    model->zero = form->zero ? form->zero(config) : 0;
    model->backend = backend;
    model->params.backend = backend;
    return plan(model, config);
}

static enum gb_status reserve(struct gb_regression *model) {
    bind(model);
    GB_TRY(gb_arena_reserve(&model->arena, "activations"));
    bind(model);
    for (size_t i = 0; has_own_zero(model) && i < gb_elements(&model->zeros); i++)
        ((float *)model->zeros.data)[i] = model->zero;
    return gb_params_reserve(&model->params, model->use.gradients, model->use.training);
}

enum gb_status gb_regression_create(const struct gb_regression_form *form, const void *config,
                                    const struct gb_model_use *use,
                                    const struct gb_backend *backend, void **result) {
    assert(use->batch >= 1 && use->samples_per_x >= 1 && use->batch % use->samples_per_x == 0);
    assert(use->samples_per_x == 1 || !gb_model_trains(use));
    struct gb_regression *model;
    enum gb_status status = make_plan(form, config, use, backend, &model);
    if (status == GB_OK)
        status = reserve(model);
    if (status != GB_OK) {
        gb_regression_free(model);
        model = NULL;
    }
    *result = model;
    return status;
}

enum gb_status gb_regression_parameters(const struct gb_regression_form *form, const void *config,
                                        size_t *parameters) {
    const struct gb_model_use use = {.batch = 1, .samples_per_x = 1, .threads = 1};
    const struct gb_backend *scalar;
    struct gb_regression *model;
    GB_TRY(gb_backend_find("scalar", &scalar));
    enum gb_status status = make_plan(form, config, &use, scalar, &model);
    if (status == GB_OK)
        *parameters = gb_params_elements(&model->params);
    gb_regression_free(model);
    return status;
}

struct gb_likelihood gb_image_error(const void *config, bool training) {
    (void)config, (void)training;
    return (struct gb_likelihood){.form = GB_LIKELIHOOD_GAUSSIAN, .sigma = 0.1f};
}

enum gb_status gb_regression_check_same_size(const struct gb_image_sizes *sizes) {
    if (sizes->x_h == sizes->y_h && sizes->x_w == sizes->y_w)
        return GB_OK;
    return gb_fail(GB_BAD_INPUT, "unusable model configuration", "target size",
                   "%dx%d is not the image's %dx%d", sizes->y_h, sizes->y_w, sizes->x_h,
                   sizes->x_w);
}

void gb_regression_free(void *argument) {
    struct gb_regression *model = argument;
    if (!model)
        return;
    gb_feed_forward_free(&model->net, model->backend);
    gb_arena_free(&model->arena);
    gb_params_free(&model->params);
    free(model);
}

struct gb_params *gb_regression_params(void *argument) {
    struct gb_regression *model = argument;
    return &model->params;
}

size_t gb_regression_activation_bytes(const void *argument) {
    const struct gb_regression *model = argument;
    return model->arena.bytes;
}

double gb_regression_step_flops(const void *argument) {
    const struct gb_regression *model = argument;
    return model->step_flops;
}

void gb_regression_shapes(const void *config, int batch, struct gb_model_shapes *shapes) {
    const struct gb_image_sizes *s = config;
    *shapes = (struct gb_model_shapes){.x = gb_dense(NULL, batch, s->x_h, s->x_w, s->x_c),
                                       .y = gb_dense(NULL, batch, s->y_h, s->y_w, s->y_c),
                                       .dequantisation = GB_NOT_DEQUANTISED};
}

void gb_regression_latent_shapes(const void *argument, struct gb_latents *shapes) {
    const struct gb_regression *model = argument;
    const struct gb_image_sizes *s = &model->sizes;
    shapes->count = model->form->point_estimate ? 0 : 1;
    shapes->level[0] = gb_dense(NULL, model->use.batch, s->y_h, s->y_w, s->y_c);
}

// ---- Running ----

static struct gb_pass pass_of(struct gb_regression *model, const struct gb_adam *adam) {
    return (struct gb_pass){.backend = model->backend,
                            .exec = model->exec,
                            .params = &model->params,
                            .training = model->use.training,
                            .adam = adam};
}

enum gb_status gb_regression_condition(void *argument, const struct gb_tensor *x) {
    struct gb_regression *model = argument;
    assert(x->n == model->use.batch / model->use.samples_per_x);
    struct gb_pass pass = pass_of(model, NULL);
    model->x = *x;
    gb_feed_forward_forward(&model->net, &pass, x);
    if (model->use.samples_per_x > 1)
        gb_repeat_images(&pass, gb_feed_forward_value(&model->net, 0), model->use.samples_per_x,
                         &model->raw);
    return GB_OK;
}

enum gb_status gb_regression_forward(void *argument, const struct gb_tensor *y,
                                     const struct gb_tensor *noise, double *log_likelihood,
                                     struct gb_latents *latents) {
    struct gb_regression *model = argument;
    assert(!noise);
    (void)noise;
    struct gb_pass pass = pass_of(model, NULL);
    model->y = *y;
    if (has_own_zero(model)) {
        model->backend->add_scaled(&pass.exec, y, -1, &model->zeros, &model->labels);
        model->y = model->labels;
    }
    for (int n = 0; n < model->use.batch; n++)
        log_likelihood[n] = 0;
    gb_likelihood_forward(&model->likelihood, &pass, &model->y, &model->raw, &model->d_raw,
                          log_likelihood);
    if (latents)
        latents->count = 0;
    return gb_likelihoods_check(model->form->title, model->use.batch, log_likelihood);
}

void gb_regression_backward(void *argument, const float *d_log_likelihood,
                            const struct gb_adam *adam, const struct gb_tensor *dx,
                            const struct gb_tensor *dy) {
    struct gb_regression *model = argument;
    assert(adam ? model->use.training : model->use.gradients);
    assert(!dy);
    (void)dy;
    struct gb_pass pass = pass_of(model, adam);
    gb_likelihood_backward(&model->likelihood, &pass, &model->y, &model->raw, d_log_likelihood,
                           &model->d_raw);
    gb_feed_forward_backward(&model->net, &pass, &model->x, &model->d_raw, model->workspace, dx);
}

void gb_regression_inverse(void *argument, const struct gb_latents *noise, float temperature,
                           const struct gb_tensor *y) {
    struct gb_regression *model = argument;
    struct gb_pass pass = pass_of(model, NULL);
    gb_likelihood_sample(&model->likelihood, &pass,
                         model->form->point_estimate ? NULL : &noise->level[0], &model->raw,
                         temperature, y);
    if (has_own_zero(model))
        model->backend->add_scaled(&pass.exec, y, 1, &model->zeros, y);
}
