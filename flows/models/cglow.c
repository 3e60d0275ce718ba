// SPDX-License-Identifier: MIT
#include "flows/models/cglow.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/minmax.h"
#include "flows/layers/conditional_actnorm.h"
#include "flows/layers/conditional_coupling.h"
#include "flows/layers/conditional_inv1x1.h"
#include "flows/layers/latent_prior.h"
#include "flows/models/model.h"

// One step of the flow, Figure 1.
struct step {
    struct gb_conditional_actnorm actnorm;
    struct gb_conditional_inv1x1 inv1x1;
    struct gb_conditional_coupling coupling;
    int rotation; // for profiles: actnorm and 1x1 convolution, their parameters given
};

struct level {
    struct gb_coupling_shape shape;   // with n, h, w, c of the level's variables
    struct gb_tensor input;           // after the squeeze
    struct gb_tensor normalised;      // between actnorm and 1x1 convolution
    struct gb_tensor d, d_normalised; // gradients of a step's variables, with training
    struct gb_coupling_shared shared;
    struct gb_latent_prior split;  // except in the last level
    struct gb_tensor d_from_split; // its contribution to the kept half, with training
};

struct gb_cglow {
    struct gb_model base;
    struct gb_cglow_config config;
    struct level level[GB_MAX_LEVELS];
    struct step *steps; // levels * steps of them
    // Each thread's own memory while it runs conditioning networks.
    size_t job_scratch, job_workspace, job_values; // bytes; values of those that are recomputed
    char *job_memory;
    struct gb_tensor d_x_part; // one network's contribution to dx
};

static int step_count(const struct gb_cglow *model) {
    return model->config.levels * model->config.steps;
}

static struct step *step_at(const struct gb_cglow *model, int level, int step) {
    return &model->steps[level * model->config.steps + step];
}

// Backward recomputes what forward does not keep.
static bool recomputes(const struct gb_cglow *model) {
    return model->base.use.reversible && gb_model_trains(&model->base.use);
}

static bool is_last(const struct gb_cglow *model, int level) {
    return level == model->config.levels - 1;
}

// ---- Building ----

static enum gb_status plan_step(struct gb_cglow *model, int l, int k, struct gb_builder *job,
                                struct gb_builder *main) {
    const struct gb_cglow_config *config = &model->config;
    const struct gb_coupling_shape *s = &model->level[l].shape;
    struct gb_conditioning_shape shape = {.images = s->images,
                                          .x_h = s->x_h,
                                          .x_w = s->x_w,
                                          .x_c = s->x_c,
                                          .samples_per_x = s->batch / s->images,
                                          .n_c = config->n_c,
                                          .n_w = config->n_w};
    const struct gb_image_problem variables = {s->batch, s->h, s->w, s->c};
    bool live = config->init == GB_CGLOW_LIVE;
    struct step *step = step_at(model, l, k);
    snprintf(job->prefix, sizeof job->prefix, "levels.%d.steps.%d.", l, k);
    memcpy(main->prefix, job->prefix, sizeof main->prefix);
    GB_TRY(gb_conditional_actnorm_plan(&step->actnorm, job, shape, s->c, live));
    GB_TRY(gb_conditional_inv1x1_plan(&step->inv1x1, job, main, shape, &variables, live));
    const struct gb_layer rotation = {.name = "rotation",
                                      .floats = 2 * gb_shape_floats(s->batch, s->h, s->w, s->c) +
                                                gb_shape_floats(s->batch, 1, s->c + 2, s->c)};
    GB_TRY(gb_builder_begin_layer(main, &step->rotation, &rotation, "n%dh%dw%dc%d", s->batch, s->h,
                                  s->w, s->c));
    gb_builder_end_layer(main, step->rotation);
    // Features that are recomputed in every step cannot wait for other jobs.
    return gb_conditional_coupling_plan(&step->coupling, recomputes(model) ? main : job, main, s,
                                        live);
}

static enum gb_status plan(struct gb_model *base, const void *argument) {
    struct gb_cglow *model = (struct gb_cglow *)base;
    const struct gb_cglow_config *config = &model->config;
    const struct gb_model_use *use = &base->use;
    model->config = *(const struct gb_cglow_config *)argument;
    model->steps = calloc((size_t)step_count(model), sizeof *model->steps);
    if (!model->steps)
        return gb_no_memory("cannot build the model", "c-Glow");
    struct gb_builder job = {.backend = base->backend,
                             .params = &base->params,
                             .precision = base->use.precision,
                             .threads = 1,
                             .job = true,
                             .layers = &base->layers};
    struct gb_builder main = job;
    main.threads = use->threads;
    main.job = false;
    struct gb_coupling_shape shape = {.images = use->batch / use->samples_per_x,
                                      .x_h = config->sizes.x_h,
                                      .x_w = config->sizes.x_w,
                                      .x_c = config->sizes.x_c,
                                      .batch = use->batch,
                                      .h = config->sizes.y_h,
                                      .w = config->sizes.y_w,
                                      .c = config->sizes.y_c,
                                      .coupling_channels = config->coupling_channels,
                                      .feature_channels = config->feature_channels};
    for (int l = 0; l < config->levels; l++) {
        shape.h /= 2, shape.w /= 2, shape.c *= 4;
        model->level[l].shape = shape;
        for (int k = 0; k < config->steps; k++)
            GB_TRY(plan_step(model, l, k, &job, &main));
        if (is_last(model, l))
            break;
        snprintf(main.prefix, sizeof main.prefix, "levels.%d.", l);
        GB_TRY(gb_split_prior_plan(&model->level[l].split, &main, use->batch, shape.h, shape.w,
                                   shape.c));
        shape.c /= 2;
    }
    const struct gb_coupling_shape *top = &model->level[config->levels - 1].shape;
    struct gb_tensor latent = gb_dense(NULL, top->batch, top->h, top->w, top->c);
    gb_builder_need_scratch(&main, gb_row_sums_bytes(&latent));
    base->exec.scratch_bytes = main.scratch;
    base->step_flops = job.step_flops + main.step_flops;
    model->job_scratch = gb_round_up(job.scratch, GB_CHANNEL_PAD * sizeof(float));
    return GB_OK;
}

static void bind_step(struct gb_cglow *model, struct step *step,
                      const struct gb_coupling_shared *shared) {
    struct gb_arena *arena = &model->base.arena;
    const struct gb_conditioning_net *const nets[] = {&step->actnorm.net, &step->inv1x1.net};
    bool training = gb_model_trains(&model->base.use), recomputed = recomputes(model);
    gb_conditioning_net_bind(&step->actnorm.net, arena, training, recomputed);
    gb_conditional_inv1x1_bind(&step->inv1x1, arena, training, recomputed);
    gb_conditional_coupling_bind(&step->coupling, arena, shared);
    if (!training)
        return;
    size_t workspace = recomputed ? 0 : step->coupling.features.workspace_floats, values = 0;
    for (int i = 0; i < 2; i++) {
        workspace = gb_max_size(workspace, gb_conditioning_net_workspace(nets[i]));
        values = gb_max_size(values, recomputed ? gb_conditioning_net_values(nets[i]) : 0);
    }
    model->job_workspace = gb_max_size(model->job_workspace, workspace * sizeof(float));
    model->job_values =
        gb_max_size(model->job_values, gb_round_up(values, GB_CHANNEL_PAD) * sizeof(float));
}

static size_t job_bytes(const struct gb_cglow *model) {
    return model->job_scratch + model->job_workspace + model->job_values;
}

static void bind_split(struct level *level, struct gb_arena *arena, bool training) {
    const struct gb_coupling_shape *s = &level->shape;
    gb_latent_prior_bind(&level->split, arena, training);
    if (training)
        level->d_from_split = gb_take_tensor(arena, s->batch, s->h, s->w, s->c / 2);
}

static void bind(struct gb_model *base) {
    struct gb_cglow *model = (struct gb_cglow *)base;
    const struct gb_model_use *use = &base->use;
    struct gb_arena *arena = &base->arena;
    const enum gb_coupling_memory memory = recomputes(model)      ? GB_COUPLING_RECOMPUTED
                                           : gb_model_trains(use) ? GB_COUPLING_STORED
                                                                  : GB_COUPLING_FORWARD;
    for (int l = 0; l < model->config.levels; l++) {
        struct level *level = &model->level[l];
        const struct gb_coupling_shape *s = &level->shape;
        level->input = gb_take_tensor(arena, s->batch, s->h, s->w, s->c);
        level->normalised = gb_take_tensor(arena, s->batch, s->h, s->w, s->c);
        if (gb_model_trains(use)) {
            level->d = gb_take_tensor(arena, s->batch, s->h, s->w, s->c);
            level->d_normalised = gb_take_tensor(arena, s->batch, s->h, s->w, s->c);
        }
        gb_coupling_shared_bind(&level->shared, arena, &step_at(model, l, 0)->coupling, memory);
        for (int k = 0; k < model->config.steps; k++)
            bind_step(model, step_at(model, l, k), &level->shared);
        if (!is_last(model, l))
            bind_split(level, arena, gb_model_trains(use));
    }
    model->job_memory = gb_arena_alloc(arena, job_bytes(model) * (size_t)use->threads);
    if (use->input_gradient)
        model->d_x_part = gb_take_tensor(arena, use->batch, model->config.sizes.x_h,
                                         model->config.sizes.x_w, model->config.sizes.x_c);
}

static void release(struct gb_model *base) {
    struct gb_cglow *model = (struct gb_cglow *)base;
    for (int i = 0; model->steps && i < step_count(model); i++) {
        gb_conditioning_net_free(&model->steps[i].actnorm.net, base->backend);
        gb_conditional_inv1x1_free(&model->steps[i].inv1x1, base->backend);
        gb_conditional_coupling_free(&model->steps[i].coupling, base->backend);
    }
    for (int l = 0; l + 1 < model->config.levels; l++)
        gb_latent_prior_free(&model->level[l].split, base->backend);
    free(model->steps);
}

// ---- Conditioning: everything that depends on x alone ----

// A step has three networks on x. Each is a job, except features that are recomputed, for which
// the flow uses all threads.
enum { MOST_JOBS_PER_STEP = 3 };

static int jobs_per_step(const struct gb_cglow *model) {
    return recomputes(model) ? MOST_JOBS_PER_STEP - 1 : MOST_JOBS_PER_STEP;
}

static struct gb_pass job_pass(struct gb_cglow *model, int rank, const struct gb_adam *adam,
                               float **workspace, float **values) {
    char *memory = model->job_memory + (size_t)rank * job_bytes(model);
    *workspace = (float *)(memory + model->job_scratch);
    *values = (float *)(memory + model->job_scratch + model->job_workspace);
    struct gb_pass pass = gb_model_pass(&model->base, adam);
    pass.exec =
        (struct gb_exec){.threads = 1, .scratch = memory, .scratch_bytes = model->job_scratch};
    return pass;
}

static void condition_job(void *argument, int index, int rank) {
    struct gb_cglow *model = argument;
    const int jobs = jobs_per_step(model);
    struct step *step = &model->steps[index / jobs];
    float *workspace, *values;
    struct gb_pass pass = job_pass(model, rank, NULL, &workspace, &values);
    switch (index % jobs) {
    case 0:
        gb_conditioning_net_move(&step->actnorm.net, values);
        gb_conditioning_net_forward(&step->actnorm.net, &pass, &model->base.x);
        break;
    case 1:
        gb_conditioning_net_move(&step->inv1x1.net, values);
        gb_conditional_inv1x1_condition(&step->inv1x1, &pass, &model->base.x);
        break;
    default:
        gb_conditional_coupling_condition(&step->coupling, &pass, &model->base.x);
    }
}

static enum gb_status condition(struct gb_model *base, const struct gb_tensor *x) {
    struct gb_cglow *model = (struct gb_cglow *)base;
    assert(x->n == base->use.batch / base->use.samples_per_x);
    base->x = *x;
    gb_parallel_jobs(base->use.threads, jobs_per_step(model) * step_count(model), condition_job,
                     model);
    for (int i = 0; i < step_count(model); i++) {
        char name[64];
        snprintf(name, sizeof name, "level %d, step %d", i / model->config.steps,
                 i % model->config.steps);
        GB_TRY(gb_conditional_inv1x1_check(&model->steps[i].inv1x1, name));
    }
    return GB_OK;
}

struct condition_backward {
    struct gb_cglow *model;
    const struct gb_adam *adam;
    const struct gb_tensor *dx;
};

static void condition_backward_job(void *argument, int index, int rank) {
    const struct condition_backward *backward = argument;
    struct gb_cglow *model = backward->model;
    const int jobs = jobs_per_step(model);
    struct step *step = &model->steps[index / jobs];
    float *workspace, *values;
    struct gb_pass pass = job_pass(model, rank, backward->adam, &workspace, &values);
    const struct gb_tensor *x = &model->base.x, *dx = backward->dx;
    switch (index % jobs) {
    case 0:
        gb_conditioning_net_move(&step->actnorm.net, values);
        gb_conditioning_net_backward(&step->actnorm.net, &pass, x, workspace, dx);
        break;
    case 1:
        gb_conditioning_net_move(&step->inv1x1.net, values);
        gb_conditioning_net_backward(&step->inv1x1.net, &pass, x, workspace, dx);
        break;
    default:
        gb_conditional_coupling_condition_backward(&step->coupling, &pass, x, workspace, dx);
    }
}

static void condition_backward(struct gb_cglow *model, const struct gb_adam *adam,
                               const struct gb_tensor *dx) {
    int jobs = jobs_per_step(model) * step_count(model);
    struct condition_backward backward = {.model = model, .adam = adam};
    if (!dx) {
        gb_parallel_jobs(model->base.use.threads, jobs, condition_backward_job, &backward);
        return;
    }
    // The networks' contributions to dx are added in the order of the jobs.
    struct gb_pass pass = gb_model_pass(&model->base, adam);
    backward.dx = &model->d_x_part;
    for (int index = 0; index < jobs; index++) {
        condition_backward_job(&backward, index, 0);
        pass.backend->add(&pass.exec, &model->d_x_part, dx);
    }
}

// ---- The flow ----

// What a step's actnorm reads: the previous step's variables, or the squeezed input of the level.
static const struct gb_tensor *step_input(const struct gb_cglow *model, int l, int k) {
    return k == 0 ? &model->level[l].input : &step_at(model, l, k - 1)->coupling.coupling.v;
}

// The variables that leave a level.
static const struct gb_tensor *level_output(const struct gb_cglow *model, int l) {
    return &step_at(model, l, model->config.steps - 1)->coupling.coupling.v;
}

// Before each use of a coupling whose features are not kept.
static void recompute_features(struct gb_cglow *model, struct step *step,
                               const struct gb_pass *pass) {
    if (recomputes(model))
        gb_conditional_coupling_condition(&step->coupling, pass, &model->base.x);
}

// And after its backward, whose d_input the next coupling overwrites.
static void recomputed_features_backward(struct gb_cglow *model, const struct level *level,
                                         struct step *step, const struct gb_pass *pass,
                                         const struct gb_tensor *dx) {
    if (!recomputes(model))
        return;
    gb_conditional_coupling_condition_backward(&step->coupling, pass, &model->base.x,
                                               level->shared.workspace,
                                               dx ? &model->d_x_part : NULL);
    if (dx)
        pass->backend->add(&pass->exec, &model->d_x_part, dx);
}

// The input of a step's 1x1 convolution, which is cheaper to recompute than to keep for every step;
// by the inverse if the step's own input was not kept either.
static void recover_normalised(struct gb_cglow *model, struct level *level, struct step *step,
                               const struct gb_pass *pass, const struct gb_tensor *input) {
    if (!recomputes(model)) {
        gb_conditional_actnorm_forward(&step->actnorm, pass, input, &level->normalised, NULL);
        return;
    }
    gb_conditional_inv1x1_inverse(&step->inv1x1, pass, &step->coupling.coupling.v,
                                  &level->normalised);
    gb_conditional_actnorm_inverse(&step->actnorm, pass, &level->normalised, input);
}

static struct gb_tensor kept_half(const struct gb_tensor *v) {
    return gb_channels(v, 0, v->c / 2);
}
static struct gb_tensor latent_half(const struct gb_tensor *v) {
    return gb_channels(v, v->c / 2, v->c / 2);
}

static enum gb_status forward(struct gb_model *base, const struct gb_tensor *y,
                              const struct gb_tensor *noise, double *log_likelihood,
                              struct gb_latents *latents) {
    struct gb_cglow *model = (struct gb_cglow *)base;
    assert(!noise);
    (void)noise;
    struct gb_pass pass = gb_model_pass(base, NULL);
    for (int n = 0; n < base->use.batch; n++)
        log_likelihood[n] = 0;
    pass.backend->squeeze(&pass.exec, y, &model->level[0].input);
    for (int l = 0; l < model->config.levels; l++) {
        struct level *level = &model->level[l];
        for (int k = 0; k < model->config.steps; k++) {
            struct step *step = step_at(model, l, k);
            struct gb_layer_span span;
            gb_layer_begin(pass.profile, step->rotation, GB_FORWARD, &span);
            gb_conditional_actnorm_forward(&step->actnorm, &pass, step_input(model, l, k),
                                           &level->normalised, log_likelihood);
            gb_conditional_inv1x1_forward(&step->inv1x1, &pass, &level->normalised,
                                          &step->coupling.coupling.v, log_likelihood);
            gb_layer_end(pass.profile, &span);
            recompute_features(model, step, &pass);
            gb_coupling_layer_forward(&step->coupling.coupling, &pass, log_likelihood);
        }
        const struct gb_tensor *v = level_output(model, l);
        struct gb_tensor kept = kept_half(v), latent = is_last(model, l) ? *v : latent_half(v);
        if (is_last(model, l)) {
            pass.backend->gaussian_forward(&pass.exec, GB_SIGMA_EXP, &latent, NULL, log_likelihood);
        } else {
            gb_latent_prior_forward(&level->split, &pass, &kept, &latent, log_likelihood);
            pass.backend->squeeze(&pass.exec, &kept, &model->level[l + 1].input);
        }
        if (latents)
            latents->level[l] = latent;
    }
    if (latents)
        latents->count = model->config.levels;
    return gb_likelihoods_check("c-Glow", base->use.batch, log_likelihood);
}

static void backward(struct gb_model *base, const float *d_log_likelihood,
                     const struct gb_adam *adam, const struct gb_tensor *dx,
                     const struct gb_tensor *dy) {
    struct gb_cglow *model = (struct gb_cglow *)base;
    assert(adam ? base->use.training : base->use.gradients);
    assert(!dx || base->use.input_gradient);
    struct gb_pass pass = gb_model_pass(base, adam);
    for (int n = 0; dx && n < dx->n; n++)
        for (int i = 0; i < dx->h; i++)
            for (int j = 0; j < dx->w; j++)
                memset(gb_at(dx, n, i, j), 0, (size_t)dx->c * sizeof(float));
    for (int l = model->config.levels - 1; l >= 0; l--) {
        struct level *level = &model->level[l];
        const struct gb_tensor *v = level_output(model, l), *d = &level->d;
        struct gb_tensor kept = kept_half(v), latent = latent_half(v);
        struct gb_tensor d_kept = kept_half(d), d_latent = latent_half(d);
        if (is_last(model, l)) {
            pass.backend->gaussian_backward(&pass.exec, GB_SIGMA_EXP, v, NULL, d_log_likelihood, d,
                                            NULL);
        } else {
            pass.backend->unsqueeze(&pass.exec, &model->level[l + 1].d, &d_kept);
            gb_latent_prior_backward(&level->split, &pass, &kept, &latent, d_log_likelihood,
                                     &d_latent, &level->d_from_split);
            pass.backend->add(&pass.exec, &level->d_from_split, &d_kept);
        }
        for (int k = model->config.steps - 1; k >= 0; k--) {
            struct step *step = step_at(model, l, k);
            const struct gb_tensor *input = step_input(model, l, k);
            recompute_features(model, step, &pass);
            gb_conditional_coupling_backward(&step->coupling, &level->shared, &pass, d,
                                             d_log_likelihood);
            recomputed_features_backward(model, level, step, &pass, dx);
            struct gb_layer_span span;
            gb_layer_begin(pass.profile, step->rotation, GB_BACKWARD, &span);
            recover_normalised(model, level, step, &pass, input);
            gb_conditional_inv1x1_backward(&step->inv1x1, &pass, &level->normalised, d,
                                           d_log_likelihood, &level->d_normalised);
            gb_conditional_actnorm_backward(&step->actnorm, &pass, input, &level->d_normalised,
                                            d_log_likelihood, d);
            gb_layer_end(pass.profile, &span);
        }
    }
    if (dy)
        pass.backend->unsqueeze(&pass.exec, &model->level[0].d, dy);
    condition_backward(model, adam, dx);
}

static void inverse(struct gb_model *base, const struct gb_latents *noise, float temperature,
                    const struct gb_tensor *y) {
    struct gb_cglow *model = (struct gb_cglow *)base;
    struct gb_pass pass = gb_model_pass(base, NULL);
    for (int l = model->config.levels - 1; l >= 0; l--) {
        struct level *level = &model->level[l];
        const struct gb_tensor *v = level_output(model, l);
        if (is_last(model, l)) {
            pass.backend->gaussian_sample(&pass.exec, GB_SIGMA_EXP, &noise->level[l], NULL,
                                          temperature, v);
        } else {
            struct gb_tensor kept = kept_half(v), latent = latent_half(v);
            pass.backend->unsqueeze(&pass.exec, &model->level[l + 1].input, &kept);
            gb_latent_prior_sample(&level->split, &pass, &kept, &noise->level[l], temperature,
                                   &latent);
        }
        for (int k = model->config.steps - 1; k >= 0; k--) {
            struct step *step = step_at(model, l, k);
            recompute_features(model, step, &pass);
            gb_coupling_layer_inverse(&step->coupling.coupling, &pass);
            struct gb_layer_span span;
            gb_layer_begin(pass.profile, step->rotation, GB_INVERSE, &span);
            gb_conditional_inv1x1_inverse(&step->inv1x1, &pass, &step->coupling.coupling.v,
                                          &level->normalised);
            gb_conditional_actnorm_inverse(&step->actnorm, &pass, &level->normalised,
                                           step_input(model, l, k));
            gb_layer_end(pass.profile, &span);
        }
    }
    pass.backend->unsqueeze(&pass.exec, &model->level[0].input, y);
}

static enum gb_dequantisation dequantisation(const void *config) {
    (void)config;
    return GB_DEQUANTISED_BY_CALLER;
}

static void latent_shapes(const struct gb_model *base, struct gb_latents *shapes) {
    const struct gb_cglow_config *c = &((const struct gb_cglow *)base)->config;
    gb_latent_shapes(c->levels, base->use.batch, c->sizes.y_h, c->sizes.y_w, c->sizes.y_c, shapes);
}

const struct gb_model_kind gb_cglow_model = {
    .title = "c-Glow",
    .table = &gb_cglow_table,
    .recomputes = true,
    .check = gb_cglow_check,
    .dequantisation = dequantisation,
    .size = sizeof(struct gb_cglow),
    .plan = plan,
    .bind = bind,
    .release = release,
    .latent_shapes = latent_shapes,
    .condition = condition,
    .forward = forward,
    .backward = backward,
    .inverse = inverse,
};
