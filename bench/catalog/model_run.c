// SPDX-License-Identifier: MIT
#include "bench/catalog/model_run.h"

#include <math.h>
#include <stdlib.h>
#if defined(__linux__)
#include <sys/prctl.h>
#endif

#include "kernels/arena.h"

struct gb_model_run {
    const struct gb_model_kind *kind;
    struct gb_model *model;
    struct gb_profile *profile; // NULL unless profiled
    struct gb_pass_use use;
    void *memory; // of what follows
    struct gb_model_shapes shapes;
    struct gb_tensor x, y;
    struct gb_tensor dequantisation; // noise, where the model wants it
    struct gb_latents noise;         // sampling
    float *d_log_likelihood;         // training
    double *results;
    size_t result_count;
    long step;
};

static bool wants_noise(const struct gb_model_run *run) {
    return run->shapes.dequantisation == GB_DEQUANTISED_BY_MODEL;
}

void gb_model_run_close(struct gb_model_run *run) {
    if (!run)
        return;
    gb_model_free(run->model);
    gb_profile_free(run->profile);
    free(run->memory);
    free(run->results);
    free(run);
}

// Inputs, in one block; taken twice, as kernels/arena.h says.
static void take_inputs(struct gb_model_run *run, struct gb_arena *arena) {
    int batch = run->use.batch;
    run->y = run->dequantisation = run->shapes.y;
    run->x = run->shapes.x;
    run->x.n = run->use.kind == GB_PASS_TRAIN ? batch : 1;
    run->x.data = gb_arena_floats(arena, gb_elements(&run->x));
    run->y.data = gb_arena_floats(arena, gb_elements(&run->y));
    run->d_log_likelihood = gb_arena_floats(arena, (size_t)batch);
    if (wants_noise(run))
        run->dequantisation.data = gb_arena_floats(arena, gb_elements(&run->dequantisation));
    if (run->use.kind == GB_PASS_TRAIN)
        return;
    run->kind->latent_shapes(run->model, &run->noise);
    for (int l = 0; l < run->noise.count; l++)
        run->noise.level[l].data = gb_arena_floats(arena, gb_elements(&run->noise.level[l]));
}

static enum gb_status reserve_inputs(struct gb_model_run *run) {
    struct gb_arena arena = {0};
    take_inputs(run, &arena);
    GB_TRY(gb_arena_reserve(&arena, "inputs"));
    run->memory = arena.base;
    take_inputs(run, &arena);
    run->result_count =
        run->use.kind == GB_PASS_TRAIN ? (size_t)run->use.batch : gb_elements(&run->y);
    run->results = calloc(run->result_count, sizeof *run->results);
    return run->results ? GB_OK
                        : gb_fail(GB_OUT_OF_MEMORY, "cannot build the model", "results",
                                  "%zu doubles", run->result_count);
}

// Gives zero parameters that are matrices the identity, so that none is singular: that would end a
// pass before it is recorded.
static void make_regular(const struct gb_params *params) {
    for (int i = 0; i < params->count; i++) {
        const struct gb_param *param = &params->list[i];
        for (int c = 0; param->init.distribution == GB_INIT_ROTATION && c < param->shape[0]; c++)
            params->value[param->offset + (size_t)(c * param->shape[0] + c)] = 1;
    }
}

static enum gb_status build(struct gb_model_run *run, const void *config,
                            const struct gb_backend *backend) {
    bool trains = run->use.kind == GB_PASS_TRAIN;
    const struct gb_model_use use = {.batch = run->use.batch,
                                     .samples_per_x = trains ? 1 : run->use.batch,
                                     .threads = run->use.threads,
                                     .training = trains,
                                     .precision = run->use.precision};
    GB_TRY(gb_model_create(run->kind, config, &use, backend, &run->model));
    if (run->use.profiled)
        GB_TRY(gb_profile_create(&run->model->layers, &run->profile));
    run->model->profile = run->profile;
    make_regular(&run->model->params);
    gb_model_shapes(run->kind, config, run->use.batch, &run->shapes);
    return reserve_inputs(run);
}

enum gb_status gb_model_run_open(const struct gb_model_case *model, const struct gb_pass_use *use,
                                 const struct gb_backend *backend, struct gb_model_run **result) {
    *result = NULL;
    struct gb_model_run *run = calloc(1, sizeof *run);
    if (!run)
        return gb_no_memory("cannot build the model", model->name);
    run->kind = model->kind;
    run->use = *use;
    enum gb_status status = build(run, model->config, backend);
    if (status != GB_OK) {
        gb_model_run_close(run);
        return status;
    }
    *result = run;
    return GB_OK;
}

// Each with a stream of its own.
static void fill_noise(struct gb_model_run *run, struct gb_random_key *key) {
    const struct gb_exec one = {.threads = 1};
    const struct gb_backend *backend = run->model->backend;
    if (wants_noise(run)) {
        key->sample++;
        backend->random_normal(&one, key, 0, gb_elements(&run->y), 1, run->dequantisation.data);
    }
    for (int l = 0; l < run->noise.count; l++) {
        const struct gb_tensor *noise = &run->noise.level[l];
        key->sample++;
        if (run->kind->uniform_noise)
            backend->random_uniform(&one, key, 0, gb_elements(noise), 0, 1, noise->data);
        else
            backend->random_normal(&one, key, 0, gb_elements(noise), 1, noise->data);
    }
}

enum gb_status gb_model_run_fill(struct gb_model_run *run) {
    enum { SEED = 1 };
    struct gb_params *params = &run->model->params;
    for (int i = 0; i < params->count; i++)
        if (params->list[i].init.distribution == GB_INIT_ZERO)
            params->list[i].init = (struct gb_init){GB_INIT_NORMAL, 0.002f};
    GB_TRY(gb_params_initialise(params, SEED));
    const struct gb_exec one = {.threads = 1};
    struct gb_random_key key = {.seed = SEED, .purpose = GB_RANDOM_TEST};
    const struct gb_backend *backend = params->backend;
    backend->random_uniform(&one, &key, 0, gb_elements(&run->x), 0, 1, run->x.data);
    key.sample = 1;
    backend->random_uniform(&one, &key, 0, gb_elements(&run->y), -0.5f, 0.5f, run->y.data);
    float *y = run->y.data;
    const bool discrete = run->shapes.dequantisation != GB_DEQUANTISED_BY_CALLER;
    for (size_t i = 0; i < gb_elements(&run->y) && discrete; i++)
        y[i] = y[i] > 0; // values and labels of any data
    fill_noise(run, &key);
    for (int n = 0; n < run->use.batch; n++)
        run->d_log_likelihood[n] = -1.0f / (float)run->use.batch;
    return GB_OK;
}

static enum gb_status train(struct gb_model_run *run, float learning_rate) {
    const struct gb_adam settings = {.learning_rate = learning_rate,
                                     .beta1 = 0.9f,
                                     .beta2 = 0.999f,
                                     .epsilon = 1e-8f,
                                     .clip = 0.25f};
    struct gb_adam adam = gb_adam_at_step(settings, ++run->step);
    const struct gb_tensor *noise = wants_noise(run) ? &run->dequantisation : NULL;
    GB_TRY(run->kind->condition(run->model, &run->x));
    GB_TRY(run->kind->forward(run->model, &run->y, noise, run->results, NULL));
    run->kind->backward(run->model, run->d_log_likelihood, &adam, NULL, NULL);
    return GB_OK;
}

static enum gb_status sample(struct gb_model_run *run) {
    GB_TRY(run->kind->condition(run->model, &run->x));
    run->kind->inverse(run->model, &run->noise, 1, &run->y);
    return GB_OK;
}

struct gb_profile *gb_model_run_profile(const struct gb_model_run *run) {
    return run->profile;
}

enum gb_status gb_model_run_pass(struct gb_model_run *run, float learning_rate) {
    return run->use.kind == GB_PASS_TRAIN ? train(run, learning_rate) : sample(run);
}

const double *gb_model_run_results(struct gb_model_run *run, size_t *count) {
    *count = run->result_count;
    const float *y = run->y.data;
    if (run->use.kind == GB_PASS_SAMPLE)
        for (size_t i = 0; i < run->result_count; i++)
            run->results[i] = y[i];
    return run->results;
}

double gb_model_run_moments(const struct gb_model_run *run) {
    const struct gb_params *params = &run->model->params;
    double sum = 0;
    for (size_t i = 0; i < params->size; i++)
        sum += fabsf(params->moment1[i]);
    return sum;
}

// A recorded pass touches a few lines of what a model reserves, and the system zeroes a page before
// its first touch: with huge pages, which models ask for, that was two thirds of a listing's time.
static enum gb_status pass_on_small_pages(struct gb_model_run *run) {
#if defined(__linux__)
    const int before = prctl(PR_GET_THP_DISABLE, 0, 0, 0, 0);
    if (before >= 0)
        (void)prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0); // a refusal only costs time
    const enum gb_status status = gb_model_run_pass(run, 0);
    if (before >= 0)
        (void)prctl(PR_SET_THP_DISABLE, before, 0, 0, 0);
    return status;
#else
    return gb_model_run_pass(run, 0);
#endif
}

enum gb_status gb_model_record(const struct gb_model_case *model, const struct gb_pass_use *use,
                               struct gb_recorded_pass *pass) {
    struct gb_model_run *run;
    struct gb_pass_use alone = *use;
    alone.threads = 1;
    alone.profiled = true;
    *pass = (struct gb_recorded_pass){0};
    GB_TRY(gb_trace_open(NULL, &pass->trace));
    GB_TRY(gb_model_run_open(model, &alone, gb_trace_backend(pass->trace), &run));
    enum gb_status status = pass_on_small_pages(run);
    pass->parameters = (double)gb_params_elements(&run->model->params);
    if (status == GB_OK)
        status = gb_profile_list(run->profile, &pass->layers, &pass->layer_count);
    gb_model_run_close(run);
    return status == GB_OK ? gb_trace_list(pass->trace, &pass->kernels, &pass->kernel_count)
                           : status;
}

void gb_recorded_pass_close(struct gb_recorded_pass *pass) {
    gb_trace_close(pass->trace);
    free(pass->layers);
    *pass = (struct gb_recorded_pass){0};
}
