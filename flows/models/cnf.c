// SPDX-License-Identifier: MIT
#include "flows/models/cnf.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "flows/layers/dequantiser.h"
#include "flows/layers/flow_steps.h"
#include "flows/layers/latent_prior.h"
#include "flows/models/model.h"
#include "flows/networks/rrdb.h"
#include "flows/networks/vgg.h"

struct level {
    struct gb_flow_steps steps;
    struct gb_latent_prior prior;
    struct gb_tensor d_features; // with backward
};

struct gb_cnf {
    struct gb_model base;
    struct gb_cnf_config config;
    struct gb_feed_forward features; // output l: at the resolution of level l
    float *features_workspace;
    struct level level[GB_MAX_LEVELS];
    struct gb_dequantiser dequantiser; // with dequantiser_steps
};

static enum gb_memory memory_of(const struct gb_model_use *use) {
    if (!gb_model_trains(use))
        return GB_MEMORY_NONE;
    return use->reversible ? GB_MEMORY_REVERSIBLE : GB_MEMORY_STORED;
}

static bool is_last(const struct gb_cnf *model, int level) {
    return level == model->config.levels - 1;
}

static bool dequantises(const struct gb_cnf *model) {
    return model->config.dequantiser_steps > 0;
}

// ---- Building ----

// Table 8's network, then a 2x2 convolution to each level from the one above.
static enum gb_status plan_rrdb_features(struct gb_cnf *model, struct gb_builder *builder,
                                         struct gb_slice x) {
    const struct gb_cnf_config *config = &model->config;
    struct gb_feed_forward *net = &model->features;
    int channels = config->condition_channels, h = config->sizes.y_h, w = config->sizes.y_w;
    const struct gb_rrdb_shape shape = {.h = config->sizes.x_h,
                                        .w = config->sizes.x_w,
                                        .blocks = config->rrdb_blocks,
                                        .growth = config->growth,
                                        .channels = channels};
    const struct gb_image_sizes *s = &config->sizes;
    const int n = net->images;
    const struct gb_layer rrdb = {.name = "rrdb",
                                  .floats = gb_shape_floats(n, s->x_h, s->x_w, s->x_c) +
                                            gb_shape_floats(n, h, w, channels)};
    const struct gb_layer levels = {
        .name = "level_features", .minor = true, .floats = 2 * gb_shape_floats(n, h, w, channels)};
    GB_TRY(gb_builder_begin_layer(builder, &net->layer, &rrdb, "n%dx%dy%dz%db%dg%df%d", n, s->x_h,
                                  s->x_w, s->x_c, shape.blocks, shape.growth, channels));
    struct gb_slice from = gb_rrdb(net, &shape, x);
    gb_builder_end_layer(builder, net->layer);
    GB_TRY(gb_builder_begin_layer(builder, &net->layer, &levels, "n%dh%dw%df%dl%d", n, h, w,
                                  channels, config->levels));
    for (int l = 0; l < config->levels; l++) {
        char name[32];
        snprintf(name, sizeof name, "features.levels.%d", l);
        struct gb_conv_layer_spec spec = gb_conv_layer_default(name, channels, 2, GB_IDENTITY);
        spec.problem = gb_reducing_conv(0, h, w, channels, h / 2, w / 2, channels);
        spec.problem.activation = GB_IDENTITY;
        h /= 2, w /= 2;
        from = gb_feed_forward_conv(net, spec, from, channels);
        gb_feed_forward_output(net, from);
    }
    return GB_OK;
}

// Table 4's network.
static enum gb_status plan_vgg_features(struct gb_cnf *model, struct gb_builder *builder,
                                        struct gb_slice x) {
    const struct gb_cnf_config *config = &model->config;
    const struct gb_image_sizes *s = &config->sizes;
    const int n = model->features.images, l = config->levels;
    const int channels = config->condition_channels;
    const struct gb_layer vgg = {.name = "vgg",
                                 .floats = gb_shape_floats(n, s->x_h, s->x_w, s->x_c) +
                                           gb_shape_floats(n, s->x_h >> l, s->x_w >> l, channels)};
    GB_TRY(gb_builder_begin_layer(builder, &model->features.layer, &vgg, "n%dx%dy%dz%dl%df%d", n,
                                  s->x_h, s->x_w, s->x_c, l, channels));
    struct gb_slice features[GB_MAX_LEVELS + 1];
    gb_vgg(&model->features, l, channels, x, features);
    for (int level = 1; level <= l; level++)
        gb_feed_forward_output(&model->features, features[level]);
    return GB_OK;
}

static enum gb_status plan_features(struct gb_cnf *model, struct gb_builder *builder) {
    const struct gb_cnf_config *config = &model->config;
    int images = model->base.use.batch / model->base.use.samples_per_x;
    struct gb_slice x = gb_feed_forward_begin(
        &model->features, builder,
        gb_model_trains(&model->base.use) ? GB_GRADIENTS_PARAMETERS : GB_GRADIENTS_NONE, images,
        config->sizes.x_h, config->sizes.x_w, config->sizes.x_c);
    GB_TRY(config->kind == GB_CNF_SUPER_RESOLUTION ? plan_rrdb_features(model, builder, x)
                                                   : plan_vgg_features(model, builder, x));
    gb_builder_end_layer(builder, model->features.layer);
    return gb_feed_forward_end(&model->features);
}

static enum gb_status plan_levels(struct gb_cnf *model, struct gb_builder *builder,
                                  struct gb_flow_steps_shape shape) {
    struct gb_feature_coupling_shape *s = &shape.coupling;
    for (int l = 0; l < model->config.levels; l++) {
        struct level *level = &model->level[l];
        s->h /= 2, s->w /= 2, s->c *= 4;
        int kept = is_last(model, l) ? 0 : s->c / 2;
        snprintf(builder->prefix, sizeof builder->prefix, "levels.%d.", l);
        GB_TRY(gb_flow_steps_plan(&level->steps, builder, &shape));
        GB_TRY(gb_feature_prior_plan(&level->prior, builder, s->batch, s->h, s->w, s->features,
                                     kept, s->c - kept));
        s->c = kept;
    }
    return GB_OK;
}

static enum gb_status plan(struct gb_model *base, const void *argument) {
    struct gb_cnf *model = (struct gb_cnf *)base;
    const struct gb_cnf_config *config = &model->config;
    model->config = *(const struct gb_cnf_config *)argument;
    bool segments = config->kind == GB_CNF_SEGMENTATION;
    struct gb_builder builder = {.backend = base->backend,
                                 .params = &base->params,
                                 .precision = base->use.precision,
                                 .threads = base->use.threads,
                                 .recompute = base->use.reversible,
                                 .layers = &base->layers};
    const struct gb_flow_steps_shape shape = {
        .count = config->steps,
        .instance_norm = segments,
        .memory = memory_of(&base->use),
        .coupling = {.form = segments ? GB_COUPLING_ADDITIVE : GB_COUPLING_SOFTPLUS,
                     .batch = base->use.batch,
                     .h = config->sizes.y_h,
                     .w = config->sizes.y_w,
                     .c = config->sizes.y_c,
                     .features = config->condition_channels,
                     .hidden = config->coupling_channels}};
    GB_TRY(plan_features(model, &builder));
    GB_TRY(plan_levels(model, &builder, shape));
    if (dequantises(model)) {
        struct gb_flow_steps_shape own = shape;
        own.count = config->dequantiser_steps;
        GB_TRY(gb_dequantiser_plan(&model->dequantiser, &builder, &own));
    }
    base->exec.scratch_bytes = builder.scratch;
    base->step_flops = builder.step_flops;
    return GB_OK;
}

static void bind(struct gb_model *base) {
    struct gb_cnf *model = (struct gb_cnf *)base;
    struct gb_arena *arena = &base->arena;
    bool backward = gb_model_trains(&base->use);
    gb_feed_forward_bind(&model->features, arena,
                         gb_arena_floats(arena, model->features.value_floats));
    if (backward)
        model->features_workspace = gb_arena_floats(arena, model->features.workspace_floats);
    for (int l = 0; l < model->config.levels; l++) {
        struct level *level = &model->level[l];
        const struct gb_tensor *features = gb_feed_forward_value(&model->features, l);
        gb_flow_steps_bind(&level->steps, arena);
        gb_latent_prior_bind(&level->prior, arena, backward);
        if (backward)
            level->d_features =
                gb_take_tensor(arena, features->n, features->h, features->w, features->c);
    }
    if (dequantises(model))
        gb_dequantiser_bind(&model->dequantiser, arena);
}

static void release(struct gb_model *base) {
    struct gb_cnf *model = (struct gb_cnf *)base;
    gb_feed_forward_free(&model->features, base->backend);
    for (int l = 0; l < model->config.levels; l++) {
        gb_flow_steps_free(&model->level[l].steps, base->backend);
        gb_latent_prior_free(&model->level[l].prior, base->backend);
    }
    gb_flow_steps_free(&model->dequantiser.steps, base->backend);
}

// ---- Conditioning: everything that depends on x alone ----

static enum gb_status condition(struct gb_model *base, const struct gb_tensor *x) {
    struct gb_cnf *model = (struct gb_cnf *)base;
    assert(x->n == base->use.batch / base->use.samples_per_x);
    struct gb_pass pass = gb_model_pass(base, NULL);
    base->x = *x;
    gb_feed_forward_forward(&model->features, &pass, x);
    for (int l = 0; l < model->config.levels; l++)
        GB_TRY(gb_flow_steps_condition(&model->level[l].steps, &pass,
                                       gb_feed_forward_value(&model->features, l)));
    return GB_OK;
}

static void condition_backward(struct gb_cnf *model, const struct gb_pass *pass,
                               const struct gb_tensor *dx) {
    struct gb_tensor d_features[GB_MAX_LEVELS];
    for (int l = 0; l < model->config.levels; l++)
        d_features[l] = model->level[l].d_features;
    gb_feed_forward_backward(&model->features, pass, &model->base.x, d_features,
                             model->features_workspace, dx);
}

// ---- The flow ----

static struct gb_tensor kept_half(const struct gb_tensor *v) {
    return gb_channels(v, 0, v->c / 2);
}

// The variables that leave at a level.
static struct gb_tensor latent_of(const struct gb_cnf *model, int l, const struct gb_tensor *v) {
    return is_last(model, l) ? *v : gb_channels(v, v->c / 2, v->c / 2);
}

// What a level's prior sees: [features | kept half], or the features alone.
static struct gb_tensor prior_input(const struct gb_cnf *model, int l) {
    const struct gb_flow_steps *steps = &model->level[l].steps;
    return gb_flow_steps_context(steps, is_last(model, l) ? 0 : steps->input.c / 2);
}

static enum gb_status run_forward(struct gb_model *base, const struct gb_tensor *y,
                                  const struct gb_tensor *noise, bool start, double *log_likelihood,
                                  struct gb_latents *latents) {
    struct gb_cnf *model = (struct gb_cnf *)base;
    assert(!noise == !dequantises(model));
    struct gb_pass pass = gb_model_pass(base, NULL);
    for (int n = 0; n < base->use.batch; n++)
        log_likelihood[n] = 0;
    if (dequantises(model)) {
        GB_TRY(gb_dequantiser_forward(&model->dequantiser, &pass,
                                      gb_feed_forward_value(&model->features, 0), y, noise, start,
                                      log_likelihood));
        y = &model->dequantiser.v;
    }
    pass.backend->squeeze(&pass.exec, y, &model->level[0].steps.input);
    for (int l = 0; l < model->config.levels; l++) {
        struct level *level = &model->level[l];
        gb_flow_steps_forward(&level->steps, &pass, start, log_likelihood);
        const struct gb_tensor *v = gb_flow_steps_output(&level->steps);
        struct gb_tensor latent = latent_of(model, l, v), input = prior_input(model, l);
        gb_latent_prior_forward(&level->prior, &pass, &input, &latent, log_likelihood);
        if (!is_last(model, l)) {
            struct gb_tensor kept = kept_half(v);
            pass.backend->squeeze(&pass.exec, &kept, &model->level[l + 1].steps.input);
        }
        if (latents)
            latents->level[l] = latent;
    }
    if (latents)
        latents->count = model->config.levels;
    return gb_likelihoods_check("CNF", base->use.batch, log_likelihood);
}

static enum gb_status forward(struct gb_model *model, const struct gb_tensor *y,
                              const struct gb_tensor *noise, double *log_likelihood,
                              struct gb_latents *latents) {
    return run_forward(model, y, noise, false, log_likelihood, latents);
}

static enum gb_status start(struct gb_model *base, const struct gb_tensor *y,
                            const struct gb_tensor *noise) {
    double *log_likelihood = malloc((size_t)base->use.batch * sizeof *log_likelihood);
    if (!log_likelihood)
        return gb_no_memory("cannot start the model", "CNF");
    enum gb_status status = run_forward(base, y, noise, true, log_likelihood, NULL);
    free(log_likelihood);
    return status;
}

// From the latent's density and the level above to the gradient of a level's output; the features'
// gradient begins here.
static void prior_backward(struct gb_cnf *model, int l, const struct gb_pass *pass,
                           const float *d_log_likelihood) {
    struct level *level = &model->level[l];
    const struct gb_backend *backend = model->base.backend;
    struct gb_tensor latent = latent_of(model, l, gb_flow_steps_output(&level->steps));
    struct gb_tensor d_latent = latent_of(model, l, &level->steps.d);
    struct gb_tensor input = prior_input(model, l);
    struct gb_tensor d_input = gb_channels(&level->steps.shared.gradients.d_input, 0, input.c);
    struct gb_tensor d_from_features = gb_channels(&d_input, 0, level->d_features.c);
    gb_latent_prior_backward(&level->prior, pass, &input, &latent, d_log_likelihood, &d_latent,
                             &d_input);
    gb_copy(pass, &d_from_features, &level->d_features);
    if (is_last(model, l))
        return;
    struct gb_tensor d_kept = kept_half(&level->steps.d);
    struct gb_tensor d_from_kept = gb_channels(&d_input, level->d_features.c, d_kept.c);
    backend->unsqueeze(&pass->exec, &model->level[l + 1].steps.d, &d_kept);
    backend->add(&pass->exec, &d_from_kept, &d_kept);
}

static void backward(struct gb_model *base, const float *d_log_likelihood,
                     const struct gb_adam *adam, const struct gb_tensor *dx,
                     const struct gb_tensor *dy) {
    struct gb_cnf *model = (struct gb_cnf *)base;
    assert(adam ? base->use.training : base->use.gradients);
    assert(!dy || !dequantises(model));
    struct gb_pass pass = gb_model_pass(base, adam);
    for (int l = model->config.levels - 1; l >= 0; l--) {
        struct level *level = &model->level[l];
        prior_backward(model, l, &pass, d_log_likelihood);
        gb_flow_steps_backward(&level->steps, &pass, d_log_likelihood, &level->d_features);
    }
    struct gb_tensor *d_first = &model->level[0].steps.d;
    if (dequantises(model)) {
        // v is free to be overwritten: the levels hold it squeezed.
        struct gb_tensor *dv = &model->dequantiser.v;
        pass.backend->unsqueeze(&pass.exec, d_first, dv);
        gb_dequantiser_backward(&model->dequantiser, &pass, dv, d_log_likelihood,
                                &model->level[0].d_features);
    }
    if (dy)
        pass.backend->unsqueeze(&pass.exec, d_first, dy);
    condition_backward(model, &pass, dx);
}

static void inverse(struct gb_model *base, const struct gb_latents *noise, float temperature,
                    const struct gb_tensor *y) {
    struct gb_cnf *model = (struct gb_cnf *)base;
    struct gb_pass pass = gb_model_pass(base, NULL);
    for (int l = model->config.levels - 1; l >= 0; l--) {
        struct level *level = &model->level[l];
        const struct gb_tensor *v = gb_flow_steps_output(&level->steps);
        if (!is_last(model, l)) {
            struct gb_tensor kept = kept_half(v);
            pass.backend->unsqueeze(&pass.exec, &model->level[l + 1].steps.input, &kept);
        }
        struct gb_tensor latent = latent_of(model, l, v), input = prior_input(model, l);
        gb_latent_prior_sample(&level->prior, &pass, &input, &noise->level[l], temperature,
                               &latent);
        gb_flow_steps_inverse(&level->steps, &pass);
    }
    pass.backend->unsqueeze(&pass.exec, &model->level[0].steps.input, y);
}

static enum gb_dequantisation dequantisation(const void *config) {
    const struct gb_cnf_config *c = config;
    return c->dequantiser_steps > 0 ? GB_DEQUANTISED_BY_MODEL : GB_DEQUANTISED_BY_CALLER;
}

static void latent_shapes(const struct gb_model *base, struct gb_latents *shapes) {
    const struct gb_cnf_config *c = &((const struct gb_cnf *)base)->config;
    gb_latent_shapes(c->levels, base->use.batch, c->sizes.y_h, c->sizes.y_w, c->sizes.y_c, shapes);
}

const struct gb_model_kind gb_cnf_model = {
    .title = "CNF",
    .table = &gb_cnf_table,
    .recomputes = true,
    .check = gb_cnf_check,
    .dequantisation = dequantisation,
    .size = sizeof(struct gb_cnf),
    .plan = plan,
    .bind = bind,
    .release = release,
    .latent_shapes = latent_shapes,
    .condition = condition,
    .start = start,
    .forward = forward,
    .backward = backward,
    .inverse = inverse,
};
