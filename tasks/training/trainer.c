// SPDX-License-Identifier: MIT
#include "tasks/training/trainer.h"

#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "flows/files/checkpoint.h"
#include "flows/files/metadata.h"
#include "flows/networks/network.h"
#include "tasks/data/randomness.h"

// The paper's Adam, with the code's clipping (gradients of the mean of bits per dimension).
static const struct gb_adam paper_adam = {
    .beta1 = 0.9f, .beta2 = 0.999f, .epsilon = 1e-8f, .clip = 0.25f};
// Images have 256 levels in [0, 1]: noise of one level is added while training.
static const float x_noise = 1.0f / 256;

static void bind(struct gb_trainer *t) {
    const struct gb_cglow_config *c = &t->run.model;
    int batch = t->run.batch;
    t->x = gb_take_tensor(&t->arena, batch, c->x_h, c->x_w, c->x_c);
    t->target = gb_take_tensor(&t->arena, batch, c->y_h, c->y_w, c->y_c);
    size_t x_floats = (size_t)t->x.image, y_floats = (size_t)t->target.image;
    t->noise = gb_arena_take(&t->arena, x_floats > y_floats ? x_floats : y_floats);
    t->log_likelihood = gb_take_doubles(&t->arena, (size_t)batch);
    t->d_log_likelihood = gb_arena_take(&t->arena, (size_t)batch);
}

enum gb_status gb_trainer_create(struct gb_trainer *t, const struct gb_run_config *run,
                                 const struct gb_backend *backend, int threads,
                                 const struct gb_dataset *train) {
    *t = (struct gb_trainer){
        .run = *run, .backend = backend, .train = train, .threads = threads, .epoch = -1};
    GB_TRY(gb_task_check_data(&run->model, train));
    const struct gb_cglow_use use = {
        .batch = run->batch, .samples_per_x = 1, .threads = threads, .training = true};
    GB_TRY(gb_cglow_create(&run->model, &use, backend, &t->model));
    bind(t);
    enum gb_status status = gb_arena_reserve(&t->arena, "minibatch");
    if (status == GB_OK) {
        bind(t);
        t->order = malloc((size_t)train->count * sizeof *t->order);
        if (!t->order)
            status = gb_fail(GB_OUT_OF_MEMORY, "cannot train", run->task->name, "out of memory");
    }
    if (status == GB_OK)
        status = gb_params_initialise(gb_cglow_params(t->model), run->seed);
    if (status != GB_OK)
        gb_trainer_free(t);
    return status;
}

void gb_trainer_free(struct gb_trainer *t) {
    gb_cglow_free(t->model);
    gb_arena_free(&t->arena);
    free(t->order);
    *t = (struct gb_trainer){0};
}

static void shuffle(struct gb_trainer *t, long epoch) {
    const struct gb_random_key key = {
        .seed = t->run.seed, .purpose = GB_RANDOM_SHUFFLE, .step = (uint32_t)epoch};
    for (int i = 0; i < t->train->count; i++)
        t->order[i] = i;
    gb_shuffle(&key, t->order, t->train->count);
    t->epoch = epoch;
}

// Which example stands at place i of the step's minibatch: epochs follow each other without a gap.
static int example_at(struct gb_trainer *t, int i) {
    long place = t->step * t->run.batch + i;
    if (place / t->train->count != t->epoch)
        shuffle(t, place / t->train->count);
    return t->order[place % t->train->count];
}

static void add_noise(struct gb_trainer *t, enum gb_purpose purpose, int sample, float low,
                      float high, const struct gb_tensor *image) {
    const struct gb_random_key key = {.seed = t->run.seed,
                                      .purpose = purpose,
                                      .step = (uint32_t)t->step + 1,
                                      .sample = (uint32_t)sample};
    gb_add_noise(t->backend, t->threads, &key, low, high, image, t->noise);
}

static void fill_batch(struct gb_trainer *t) {
    float half = t->run.task->level_distance / 2;
    for (int i = 0; i < t->run.batch; i++) {
        int index = example_at(t, i);
        struct gb_tensor x = gb_images(&t->x, i, 1), target = gb_images(&t->target, i, 1);
        struct gb_tensor y = gb_images(&t->train->y, index, 1);
        memcpy(x.data, gb_at(&t->train->x, index, 0, 0), (size_t)x.image * sizeof(float));
        add_noise(t, GB_RANDOM_X_NOISE, i, 0, x_noise, &x);
        t->run.task->target(&y, &target);
        if (half > 0)
            add_noise(t, GB_RANDOM_DEQUANTISE, i, -half, half, &target);
    }
}

// The model's failure, told as the step's.
static enum gb_status diverged(const struct gb_trainer *t) {
    char reason[256];
    snprintf(reason, sizeof reason, "%s", gb_error_message());
    return gb_fail(GB_CHECK_FAILED, "training diverged", t->run.task->name,
                   "at step %ld with learning rate %g: %s", t->step + 1,
                   (double)t->run.learning_rate, reason);
}

enum gb_status gb_trainer_step(struct gb_trainer *t, double *bits_per_dimension) {
    int batch = t->run.batch;
    size_t dimensions = (size_t)t->target.image;
    fill_batch(t);
    enum gb_status status = gb_cglow_condition(t->model, &t->x);
    if (status == GB_OK)
        status = gb_cglow_forward(t->model, &t->target, t->log_likelihood, NULL);
    if (status != GB_OK)
        return diverged(t);
    // The loss is the minibatch's mean of bits per dimension.
    double sum = 0;
    for (int i = 0; i < batch; i++) {
        sum += gb_bits_per_dimension(t->log_likelihood[i], dimensions);
        t->d_log_likelihood[i] = (float)(gb_bits_per_dimension(1, dimensions) / batch);
    }
    struct gb_adam adam = paper_adam;
    adam.learning_rate = t->run.learning_rate;
    adam = gb_adam_at_step(adam, t->step + 1);
    gb_cglow_backward(t->model, t->d_log_likelihood, &adam, NULL, NULL);
    t->step++;
    *bits_per_dimension = sum / batch;
    t->unlogged_bits += *bits_per_dimension;
    t->unlogged_steps++;
    return GB_OK;
}

// ---- Checkpoints ----

// A float as its bits: a decimal text would have to be proved to come back the same.
static uint64_t float_bits(float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static uint64_t double_bits(double value) {
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static enum gb_status fill_metadata(const struct gb_trainer *t, const char *data,
                                    json_t *metadata) {
    const struct gb_run_config *run = &t->run;
    char rate[32];
    snprintf(rate, sizeof rate, "%.9g", (double)run->learning_rate);
    GB_TRY(gb_config_to_metadata(&run->model, &gb_cglow_table, metadata));
    GB_TRY(gb_metadata_set_string(metadata, "task", run->task->name));
    GB_TRY(gb_metadata_set_string(metadata, "data", data));
    GB_TRY(gb_metadata_set_string(metadata, "backend", t->backend->name));
    GB_TRY(gb_metadata_set_string(metadata, "learning_rate", rate));
    GB_TRY(gb_metadata_set_integer(metadata, "learning_rate_bits", float_bits(run->learning_rate)));
    GB_TRY(gb_metadata_set_integer(metadata, "size", (uint64_t)run->size));
    GB_TRY(gb_metadata_set_integer(metadata, "batch", (uint64_t)run->batch));
    GB_TRY(gb_metadata_set_integer(metadata, "iterations", (uint64_t)run->iterations));
    GB_TRY(gb_metadata_set_integer(metadata, "seed", run->seed));
    GB_TRY(gb_metadata_set_integer(metadata, "data_hash", gb_dataset_hash(t->train)));
    GB_TRY(gb_metadata_set_integer(metadata, "unlogged_bits", double_bits(t->unlogged_bits)));
    GB_TRY(gb_metadata_set_integer(metadata, "unlogged_steps", (uint64_t)t->unlogged_steps));
    return gb_metadata_set_integer(metadata, "step", (uint64_t)t->step);
}

enum gb_status gb_trainer_save(const struct gb_trainer *t, const char *path, const char *data) {
    json_t *metadata = json_object();
    enum gb_status status =
        metadata ? fill_metadata(t, data, metadata)
                 : gb_fail(GB_OUT_OF_MEMORY, "cannot save checkpoint", path, "out of memory");
    if (status == GB_OK)
        status = gb_checkpoint_save(path, gb_cglow_params(t->model), metadata);
    json_decref(metadata);
    return status;
}

static const struct gb_backend *find_backend(const char *name) {
    for (const struct gb_backend *const *b = gb_backends(); *b; b++)
        if (strcmp((*b)->name, name) == 0)
            return *b;
    return NULL;
}

static enum gb_status read_run(const json_t *metadata, const char *path, struct gb_run_config *run,
                               struct gb_run_origin *origin) {
    const char *task, *backend;
    uint64_t value;
    GB_TRY(gb_config_from_metadata(metadata, path, &gb_cglow_table, &run->model));
    GB_TRY(gb_cglow_check(&run->model));
    GB_TRY(gb_metadata_string(metadata, path, "task", &task));
    if (gb_task_find(task, &run->task) != GB_OK)
        return gb_fail(GB_BAD_INPUT, "cannot use checkpoint", path,
                       "it is of the task '%s', which is none of glowbench's", task);
    const struct {
        const char *key;
        int *to, low, high;
    } integers[] = {{"size", &run->size, GB_LEAST_SIZE, GB_MOST_SIZE},
                    {"batch", &run->batch, 1, GB_MOST_BATCH},
                    {"iterations", &run->iterations, 0, INT_MAX}};
    for (size_t i = 0; i < sizeof integers / sizeof *integers; i++) {
        GB_TRY(gb_metadata_integer(metadata, path, integers[i].key, (uint64_t)integers[i].low,
                                   (uint64_t)integers[i].high, &value));
        *integers[i].to = (int)value;
    }
    GB_TRY(gb_metadata_integer(metadata, path, "learning_rate_bits", 0, UINT32_MAX, &value));
    uint32_t bits = (uint32_t)value;
    memcpy(&run->learning_rate, &bits, sizeof bits);
    if (!(run->learning_rate >= 0) || isinf(run->learning_rate))
        return gb_fail(GB_BAD_INPUT, "cannot use checkpoint", path,
                       "its learning rate is no number");
    GB_TRY(gb_metadata_integer(metadata, path, "seed", 0, INT64_MAX, &run->seed));
    GB_TRY(gb_metadata_string(metadata, path, "backend", &backend));
    origin->backend = find_backend(backend);
    GB_TRY(gb_metadata_integer(metadata, path, "step", 0, INT_MAX, &value));
    origin->step = (long)value;
    return GB_OK;
}

enum gb_status gb_run_config_read(const char *path, struct gb_run_config *run,
                                  struct gb_run_origin *origin) {
    json_t *metadata = NULL;
    GB_TRY(gb_checkpoint_metadata(path, &metadata));
    enum gb_status status = read_run(metadata, path, run, origin);
    json_decref(metadata);
    return status;
}

// What the trainer has beside its parameters.
struct state {
    uint64_t step, unlogged_bits, unlogged_steps;
};

static enum gb_status read_state(const struct gb_trainer *t, const json_t *metadata,
                                 const char *path, struct state *state) {
    uint64_t hash;
    const char *data;
    GB_TRY(gb_metadata_string(metadata, path, "data", &data));
    GB_TRY(gb_metadata_integer(metadata, path, "data_hash", 0, UINT64_MAX, &hash));
    if (hash != gb_dataset_hash(t->train))
        return gb_fail(GB_BAD_INPUT, "cannot resume with other training data", path,
                       "it was trained on other examples, of %s", data);
    GB_TRY(gb_metadata_integer(metadata, path, "step", 0, INT_MAX, &state->step));
    GB_TRY(
        gb_metadata_integer(metadata, path, "unlogged_bits", 0, UINT64_MAX, &state->unlogged_bits));
    return gb_metadata_integer(metadata, path, "unlogged_steps", 0, state->step,
                               &state->unlogged_steps);
}

enum gb_status gb_trainer_load(struct gb_trainer *t, const char *path) {
    json_t *metadata = NULL;
    struct state state;
    GB_TRY(gb_checkpoint_metadata(path, &metadata));
    enum gb_status status = read_state(t, metadata, path, &state);
    json_decref(metadata);
    if (status == GB_OK)
        status = gb_checkpoint_load(path, gb_cglow_params(t->model), true);
    if (status != GB_OK)
        return status;
    t->step = (long)state.step;
    memcpy(&t->unlogged_bits, &state.unlogged_bits, sizeof t->unlogged_bits);
    t->unlogged_steps = (int)state.unlogged_steps;
    return GB_OK;
}
