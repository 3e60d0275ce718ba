// SPDX-License-Identifier: MIT
#include "tasks/training/loader.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "flows/networks/network.h"
#include "tasks/data/randomness.h"

// A pass's examples are in slot pass % 2: one is filled while the other is used.
enum { SLOTS = 2 };

struct slot {
    struct gb_batch batch;
    long pass; // -1: none
    enum gb_status status;
    char message[GB_MESSAGE]; // of a failure
};

struct gb_loader {
    const struct gb_run_config *run;
    const struct gb_backend *backend;
    const struct gb_dataset *train;
    int first_shard, shards, images; // images of a pass
    enum gb_dequantisation dequantisation;
    struct gb_arena arena;
    struct slot slots[SLOTS];
    // Of the producer.
    float *noise; // buffer for one input or target
    int *order;   // the training set's, shuffled for `epoch`
    long epoch;   // -1: none yet
    // Shared, under the mutex, as is slot->pass.
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    long wanted; // the pass to be filled; -1: none
    long making; // the pass being filled; -1: none
    bool quits;
    pthread_t producer;
    bool runs; // the producer was created
};

// ---- Making a pass's examples ----

// Image i of a pass: its minibatch, and its place in it.
struct place {
    long minibatch;
    int image;
};

static struct place place_of(const struct gb_loader *loader, long pass, int i) {
    const long accumulate = loader->run->accumulate, passes = loader->shards * accumulate;
    const int shard = loader->first_shard + (int)(pass % passes / accumulate);
    return (struct place){pass / passes * accumulate + pass % accumulate,
                          shard * loader->images + i};
}

static void shuffle(struct gb_loader *loader, long epoch) {
    const struct gb_random_key key = {
        .seed = loader->run->seed, .purpose = GB_RANDOM_SHUFFLE, .step = (uint32_t)epoch};
    for (int i = 0; i < loader->train->count; i++)
        loader->order[i] = i;
    gb_shuffle(&key, loader->order, loader->train->count);
    loader->epoch = epoch;
}

// Epochs follow each other without a gap.
static int example_at(struct gb_loader *loader, struct place place) {
    long index = place.minibatch * loader->run->batch + place.image;
    if (index / loader->train->count != loader->epoch)
        shuffle(loader, index / loader->train->count);
    return loader->order[index % loader->train->count];
}

static struct gb_random_key key_of(const struct gb_loader *loader, enum gb_purpose purpose,
                                   struct place place) {
    return (struct gb_random_key){.seed = loader->run->seed,
                                  .purpose = purpose,
                                  .step = (uint32_t)place.minibatch + 1,
                                  .sample = (uint32_t)place.image};
}

static enum gb_status make_example(struct gb_loader *loader, struct place place, int i,
                                   const struct gb_batch *batch) {
    struct gb_example example = {.x = gb_images(&batch->x, i, 1), .y = gb_images(&batch->y, i, 1)};
    if (batch->mask.data)
        example.mask = gb_images(&batch->mask, i, 1);
    struct gb_random_key key = key_of(loader, GB_RANDOM_AUGMENT, place);
    GB_TRY(loader->train->fill(loader->train, example_at(loader, place), &key, &example));
    float width = loader->run->model->recipe.x_noise;
    key = key_of(loader, GB_RANDOM_X_NOISE, place);
    if (width > 0)
        gb_add_noise(loader->backend, 1, &key, 0, width, &example.x, loader->noise);
    return GB_OK;
}

static void dequantise(struct gb_loader *loader, struct place place, int i,
                       const struct gb_batch *batch) {
    const struct gb_task *task = loader->run->task;
    const struct gb_exec one = {.threads = 1};
    const struct gb_random_key key = key_of(loader, GB_RANDOM_DEQUANTISE, place);
    struct gb_tensor target = gb_images(&batch->target, i, 1);
    if (loader->dequantisation == GB_DEQUANTISED_BY_CALLER && task->level_distance > 0)
        gb_add_noise(loader->backend, 1, &key, task->noise_low,
                     task->noise_low + task->level_distance, &target, loader->noise);
    if (loader->dequantisation == GB_DEQUANTISED_BY_MODEL)
        loader->backend->random_normal(&one, &key, 0, gb_elements(&target), 1,
                                       gb_at(&batch->noise, i, 0, 0));
}

static enum gb_status make(struct gb_loader *loader, long pass, const struct gb_batch *batch) {
    for (int i = 0; i < loader->images; i++)
        GB_TRY(make_example(loader, place_of(loader, pass, i), i, batch));
    loader->run->task->target(&batch->x, &batch->y, &batch->target);
    for (int i = 0; i < loader->images; i++)
        dequantise(loader, place_of(loader, pass, i), i, batch);
    return GB_OK;
}

static void *make_all(void *argument) {
    struct gb_loader *loader = argument;
    gb_flush_denormals();
    pthread_mutex_lock(&loader->mutex);
    while (!loader->quits) {
        long pass = loader->wanted;
        if (pass < 0) {
            pthread_cond_wait(&loader->changed, &loader->mutex);
            continue;
        }
        struct slot *slot = &loader->slots[pass % SLOTS];
        loader->wanted = slot->pass = -1;
        loader->making = pass;
        pthread_mutex_unlock(&loader->mutex);
        slot->status = make(loader, pass, &slot->batch);
        if (slot->status != GB_OK)
            snprintf(slot->message, sizeof slot->message, "%s", gb_error_message());
        pthread_mutex_lock(&loader->mutex);
        slot->pass = pass;
        loader->making = -1;
        pthread_cond_broadcast(&loader->changed);
    }
    pthread_mutex_unlock(&loader->mutex);
    return NULL;
}

// Requires the mutex. A pass that is being filled must not be requested again: the producer would
// start over and the consumer wait forever.
static void want(struct gb_loader *loader, long pass) {
    if (loader->slots[pass % SLOTS].pass == pass || loader->making == pass)
        return;
    loader->wanted = pass;
    pthread_cond_broadcast(&loader->changed);
}

enum gb_status gb_loader_take(struct gb_loader *loader, long pass, const struct gb_batch **batch) {
    struct slot *slot = &loader->slots[pass % SLOTS];
    pthread_mutex_lock(&loader->mutex);
    while (slot->pass != pass) {
        want(loader, pass);
        pthread_cond_wait(&loader->changed, &loader->mutex);
    }
    want(loader, pass + 1);
    pthread_mutex_unlock(&loader->mutex);
    *batch = &slot->batch;
    return slot->status == GB_OK ? GB_OK : gb_fail_again(slot->status, slot->message);
}

// ---- Creation ----

static void bind(struct gb_loader *loader, const struct gb_model_shapes *shapes) {
    const struct gb_example_shape *shape = &loader->train->shape;
    const struct gb_tensor *target = &shapes->y;
    int n = target->n;
    for (int i = 0; i < SLOTS; i++) {
        struct gb_batch *batch = &loader->slots[i].batch;
        batch->x = gb_take_tensor(&loader->arena, n, shape->x_h, shape->x_w, shape->x_c);
        batch->y = gb_take_tensor(&loader->arena, n, shape->y_h, shape->y_w, shape->y_c);
        if (shape->masked)
            batch->mask = gb_take_tensor(&loader->arena, n, shape->y_h, shape->y_w, 1);
        batch->target = gb_take_tensor(&loader->arena, n, target->h, target->w, target->c);
        if (shapes->dequantisation == GB_DEQUANTISED_BY_MODEL)
            batch->noise = gb_take_tensor(&loader->arena, n, target->h, target->w, target->c);
    }
    size_t x_floats = (size_t)loader->slots[0].batch.x.image, y_floats = (size_t)target->image;
    loader->noise = gb_arena_floats(&loader->arena, x_floats > y_floats ? x_floats : y_floats);
}

static enum gb_status open(struct gb_loader *loader) {
    static const char what[] = "cannot load examples";
    const char *name = loader->run->task->name;
    const struct gb_model_kind *kind = loader->run->model->kind;
    struct gb_model_shapes shapes;
    GB_TRY(gb_task_check_shape(kind, &loader->run->config, &loader->train->shape));
    gb_model_shapes(kind, &loader->run->config, loader->images, &shapes);
    loader->dequantisation = shapes.dequantisation;
    bind(loader, &shapes);
    GB_TRY(gb_arena_reserve(&loader->arena, "minibatches"));
    bind(loader, &shapes);
    loader->order = malloc((size_t)loader->train->count * sizeof *loader->order);
    if (!loader->order)
        return gb_no_memory(what, name);
    if (pthread_create(&loader->producer, NULL, make_all, loader) != 0)
        return gb_fail(GB_OUT_OF_MEMORY, what, name, "cannot create a thread");
    loader->runs = true;
    return GB_OK;
}

enum gb_status gb_loader_create(const struct gb_run_config *run, const struct gb_backend *backend,
                                const struct gb_dataset *train, int first_shard, int shards,
                                struct gb_loader **result) {
    *result = NULL;
    struct gb_loader *loader = calloc(1, sizeof *loader);
    if (!loader)
        return gb_no_memory("cannot load examples", run->task->name);
    loader->run = run;
    loader->backend = backend;
    loader->train = train;
    loader->first_shard = first_shard;
    loader->shards = shards;
    loader->images = gb_run_pass_images(run);
    loader->epoch = loader->wanted = loader->making = -1;
    for (int i = 0; i < SLOTS; i++)
        loader->slots[i].pass = -1;
    pthread_mutex_init(&loader->mutex, NULL);
    pthread_cond_init(&loader->changed, NULL);
    enum gb_status status = open(loader);
    if (status == GB_OK)
        *result = loader;
    else
        gb_loader_free(loader);
    return status;
}

void gb_loader_free(struct gb_loader *loader) {
    if (!loader)
        return;
    if (loader->runs) {
        pthread_mutex_lock(&loader->mutex);
        loader->quits = true;
        pthread_cond_broadcast(&loader->changed);
        pthread_mutex_unlock(&loader->mutex);
        pthread_join(loader->producer, NULL);
    }
    pthread_cond_destroy(&loader->changed);
    pthread_mutex_destroy(&loader->mutex);
    gb_arena_free(&loader->arena);
    free(loader->order);
    free(loader);
}
