// SPDX-License-Identifier: MIT
// c-Glow as the benchmarks run it.
#include <math.h>
#include <stdlib.h>

#include "bench/layer_benchmarks.h"
#include "bench/models.h"
#include "flows/cglow.h"
#include "kernels/arena.h"

struct run {
    struct gb_cglow *model;
    struct gb_pass_use use;
    float *memory; // of what follows
    struct gb_tensor x, y;
    struct gb_latents noise; // sampling
    float *d_log_likelihood; // training
    double *results;
    size_t result_count;
    long step;
};

static size_t elements(int n, int h, int w, int c) {
    return (size_t)n * (size_t)h * (size_t)w * (size_t)c;
}

static void close(void *argument) {
    struct run *run = argument;
    if (!run)
        return;
    gb_cglow_free(run->model);
    free(run->memory);
    free(run->results);
    free(run);
}

// Inputs, in one block; taken twice, as kernels/arena.h says.
static void take_inputs(struct run *run, struct gb_arena *arena) {
    const struct gb_cglow_config *c = gb_cglow_config(run->model);
    int batch = run->use.batch, images = run->use.kind == GB_PASS_TRAIN ? batch : 1;
    run->x = gb_dense(NULL, images, c->x_h, c->x_w, c->x_c);
    run->y = gb_dense(NULL, batch, c->y_h, c->y_w, c->y_c);
    run->x.data = gb_arena_take(arena, gb_elements(&run->x));
    run->y.data = gb_arena_take(arena, gb_elements(&run->y));
    run->d_log_likelihood = gb_arena_take(arena, (size_t)batch);
    if (run->use.kind == GB_PASS_TRAIN)
        return;
    gb_cglow_latent_shapes(run->model, &run->noise);
    for (int l = 0; l < run->noise.count; l++)
        run->noise.level[l].data = gb_arena_take(arena, gb_elements(&run->noise.level[l]));
}

static enum gb_status reserve_inputs(struct run *run) {
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

static enum gb_status open(const void *config, const struct gb_pass_use *use,
                           const struct gb_backend *backend, void **result) {
    *result = NULL;
    struct run *run = calloc(1, sizeof *run);
    if (!run)
        return gb_fail(GB_OUT_OF_MEMORY, "cannot build the model", "c-Glow", "no memory");
    run->use = *use;
    bool trains = use->kind == GB_PASS_TRAIN;
    const struct gb_cglow_use cglow_use = {.batch = use->batch,
                                           .samples_per_x = trains ? 1 : use->batch,
                                           .threads = use->threads,
                                           .training = trains};
    enum gb_status status = gb_cglow_create(config, &cglow_use, backend, &run->model);
    if (status == GB_OK)
        status = reserve_inputs(run);
    if (status != GB_OK) {
        close(run);
        return status;
    }
    *result = run;
    return GB_OK;
}

static enum gb_status fill(void *argument) {
    enum { SEED = 1 };
    struct run *run = argument;
    struct gb_params *params = gb_cglow_params(run->model);
    for (int i = 0; i < params->count; i++)
        if (params->list[i].start == GB_START_ZERO) {
            params->list[i].start = GB_START_NORMAL;
            params->list[i].spread = 0.002f; // near the start that the paper meant
        }
    GB_TRY(gb_params_initialise(params, SEED));
    const struct gb_exec one = {.threads = 1};
    struct gb_random_key key = {.seed = SEED, .purpose = GB_RANDOM_TEST};
    const struct gb_backend *backend = params->backend;
    backend->random_uniform(&one, &key, 0, gb_elements(&run->x), 0, 1, run->x.data);
    key.sample = 1;
    backend->random_uniform(&one, &key, 0, gb_elements(&run->y), -0.5f, 0.5f, run->y.data);
    for (int l = 0; l < run->noise.count; l++) {
        const struct gb_tensor *noise = &run->noise.level[l];
        key.sample++;
        backend->random_normal(&one, &key, 0, gb_elements(noise), 1, noise->data);
    }
    for (int n = 0; n < run->use.batch; n++)
        run->d_log_likelihood[n] = -1.0f / (float)run->use.batch;
    return GB_OK;
}

static enum gb_status train(struct run *run, float learning_rate) {
    const struct gb_adam settings = {.learning_rate = learning_rate,
                                     .beta1 = 0.9f,
                                     .beta2 = 0.999f,
                                     .epsilon = 1e-8f,
                                     .clip = 0.25f};
    struct gb_adam adam = gb_adam_at_step(settings, ++run->step);
    GB_TRY(gb_cglow_condition(run->model, &run->x));
    GB_TRY(gb_cglow_forward(run->model, &run->y, run->results, NULL));
    gb_cglow_backward(run->model, run->d_log_likelihood, &adam, NULL, NULL);
    return GB_OK;
}

static enum gb_status sample(struct run *run) {
    GB_TRY(gb_cglow_condition(run->model, &run->x));
    gb_cglow_inverse(run->model, &run->noise, 1, &run->y);
    return GB_OK;
}

static enum gb_status pass(void *argument, float learning_rate) {
    struct run *run = argument;
    return run->use.kind == GB_PASS_TRAIN ? train(run, learning_rate) : sample(run);
}

static const double *results(void *argument, size_t *count) {
    struct run *run = argument;
    *count = run->result_count;
    const float *y = run->y.data;
    if (run->use.kind == GB_PASS_SAMPLE)
        for (size_t i = 0; i < run->result_count; i++)
            run->results[i] = y[i];
    return run->results;
}

static double parameters(const void *argument) {
    const struct run *run = argument;
    return (double)gb_params_elements(gb_cglow_params(run->model));
}

static double moments(const void *argument) {
    const struct run *run = argument;
    const struct gb_params *params = gb_cglow_params(run->model);
    double sum = 0;
    for (size_t i = 0; i < params->floats; i++)
        sum += fabsf(params->moment1[i]);
    return sum;
}

static size_t dimensions(const void *config) {
    const struct gb_cglow_config *c = config;
    return elements(1, c->y_h, c->y_w, c->y_c);
}

const struct gb_model_family gb_cglow_family = {
    .open = open,
    .close = close,
    .fill = fill,
    .pass = pass,
    .results = results,
    .parameters = parameters,
    .moments = moments,
    .dimensions = dimensions,
    .layers = gb_cglow_layers,
};
