// SPDX-License-Identifier: MIT
#include "tasks/training/trainer.h"

#include <assert.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "flows/files/checkpoint.h"
#include "flows/files/metadata.h"

static struct gb_model_use use_of(const struct gb_run_config *run, int threads) {
    return (struct gb_model_use){.batch = gb_run_pass_images(run),
                                 .samples_per_x = 1,
                                 .threads = threads,
                                 .training = true,
                                 .gradients = gb_run_stores_gradient(run),
                                 .reversible = run->reversible,
                                 .precision = run->precision,
                                 .moments = run->moments};
}

static enum gb_status reserve_gradients(struct gb_trainer *t) {
    if (t->run.accumulate > 1)
        GB_TRY(gb_params_reserve_sum(gb_trainer_params(t)));
    return t->run.shards > 1 ? gb_sharded_create(&t->sharded, gb_trainer_params(t), t->run.shards)
                             : GB_OK;
}

static enum gb_status build(struct gb_trainer *t, const struct gb_trainer_options *options) {
    const struct gb_run_config *run = &t->run;
    const struct gb_model_kind *kind = run->model->kind;
    const int images = gb_run_pass_images(run), passes = gb_run_passes(run);
    const struct gb_model_use use = use_of(run, options->threads);
    struct gb_model_shapes shapes;
    assert(run->accumulate >= 1 && run->shards >= 1 && run->batch % run->shards == 0);
    assert(run->shards % gb_ranks()->count == 0);
    gb_model_shapes(kind, &run->config, images, &shapes);
    t->dequantisation = shapes.dequantisation;
    t->dimensions = (size_t)shapes.y.image;
    if (t->train->count < 1)
        return gb_fail(GB_BAD_INPUT, "cannot train", run->task->name, "the training set is empty");
    GB_TRY(gb_loader_create(run, t->backend, t->train, gb_first_shard(run->shards),
                            run->shards / gb_ranks()->count, &t->loader));
    t->log_likelihood = calloc((size_t)passes * (size_t)images, sizeof *t->log_likelihood);
    t->d_log_likelihood = calloc((size_t)images, sizeof *t->d_log_likelihood);
    if (!t->log_likelihood || !t->d_log_likelihood)
        return gb_no_memory("cannot train", run->task->name);
    const struct gb_backend *backend = options->model_backend ? options->model_backend : t->backend;
    GB_TRY(gb_model_create(kind, &run->config, &use, backend, &t->model));
    GB_TRY(gb_params_initialise(gb_trainer_params(t), run->seed));
    GB_TRY(reserve_gradients(t));
    return run->ema_decay > 0 ? gb_params_keep_average(gb_trainer_params(t)) : GB_OK;
}

enum gb_status gb_trainer_create(struct gb_trainer *t, const struct gb_run_config *run,
                                 const struct gb_trainer_options *options,
                                 const struct gb_dataset *train) {
    *t = (struct gb_trainer){.run = *run,
                             .backend = options->backend,
                             .train = train,
                             .threads = options->threads,
                             .accept_changed_data = options->accept_changed_data,
                             .data_changes = json_array()};
    enum gb_status status =
        t->data_changes ? build(t, options) : gb_no_memory("cannot train", run->task->name);
    if (status != GB_OK)
        gb_trainer_free(t);
    return status;
}

void gb_trainer_free(struct gb_trainer *t) {
    gb_loader_free(t->loader);
    gb_sharded_free(&t->sharded);
    gb_model_free(t->model);
    free(t->log_likelihood);
    free(t->d_log_likelihood);
    json_decref(t->data_changes);
    *t = (struct gb_trainer){0};
}

struct gb_params *gb_trainer_params(const struct gb_trainer *t) {
    return &t->model->params;
}

static float rate_of(const struct gb_trainer *t) {
    return gb_schedule_rate(&t->run.schedule, t->run.learning_rate, t->step);
}

static enum gb_status diverged(const struct gb_trainer *t, enum gb_status status) {
    char where[128];
    snprintf(where, sizeof where, "%s: at step %ld with learning rate %g", t->run.task->name,
             t->step + 1, (double)rate_of(t));
    return gb_fail_within(status, "training diverged", where);
}

// ---- A pass ----

static const struct gb_tensor *noise_of(const struct gb_batch *batch) {
    return batch->noise.data ? &batch->noise : NULL;
}

// Initialises what the model takes from its first minibatch, which the shards do not see as a
// whole: by a model of the whole minibatch, in as little memory as it can do with.
static enum gb_status start_whole(struct gb_trainer *t) {
    struct gb_run_config whole = t->run;
    const struct gb_model_kind *kind = whole.model->kind;
    const struct gb_batch *batch;
    struct gb_loader *loader = NULL;
    struct gb_model *model = NULL;
    whole.shards = whole.accumulate = 1;
    struct gb_model_use use = use_of(&whole, t->threads);
    use.reversible = kind->recomputes;
    enum gb_status status = gb_loader_create(&whole, t->backend, t->train, 0, 1, &loader);
    if (status == GB_OK)
        status = gb_model_create(kind, &whole.config, &use, t->model->backend, &model);
    if (status == GB_OK)
        status = gb_params_initialise(&model->params, whole.seed);
    if (status == GB_OK)
        status = gb_loader_take(loader, 0, &batch);
    if (status == GB_OK)
        status = kind->condition(model, &batch->x);
    if (status == GB_OK)
        status = kind->start(model, &batch->target, noise_of(batch));
    if (status == GB_OK)
        status = gb_params_copy(&model->params, gb_trainer_params(t));
    gb_model_free(model);
    gb_loader_free(loader);
    return status == GB_CHECK_FAILED ? diverged(t, status) : status;
}

// The log-likelihoods of a pass of the run.
static enum gb_status take_likelihoods(struct gb_trainer *t, long pass,
                                       const struct gb_batch *batch, double *log_likelihood) {
    const struct gb_model_kind *kind = t->run.model->kind;
    const struct gb_tensor *noise = noise_of(batch);
    enum gb_status status = kind->condition(t->model, &batch->x);
    if (status == GB_OK && pass == 0 && kind->start && t->run.shards == 1)
        status = kind->start(t->model, &batch->target, noise);
    if (status == GB_OK)
        status = kind->forward(t->model, &batch->target, noise, log_likelihood, NULL);
    return status == GB_CHECK_FAILED ? diverged(t, status) : status;
}

// Forward and backward; `adam` as for the model's backward.
static enum gb_status run_pass(struct gb_trainer *t, long pass, const struct gb_adam *adam,
                               double *log_likelihood) {
    const struct gb_batch *batch;
    const int images = gb_run_pass_images(&t->run);
    GB_TRY(gb_loader_take(t->loader, pass, &batch));
    GB_TRY(take_likelihoods(t, pass, batch, log_likelihood));
    // The loss is the step's mean of bits per dimension.
    for (int i = 0; i < images; i++)
        t->d_log_likelihood[i] =
            (float)(gb_bits_per_dimension(1, t->dimensions) / (t->run.batch * t->run.accumulate));
    t->run.model->kind->backward(t->model, t->d_log_likelihood, adam, NULL, NULL);
    return gb_backend_check(t->backend);
}

// ---- A step ----

static struct gb_adam adam_of(const struct gb_trainer *t) {
    struct gb_adam adam = t->run.model->recipe.adam;
    adam.learning_rate = rate_of(t);
    adam.seed = t->run.seed;
    return gb_adam_at_step(adam, t->step + 1);
}

// Steps between updates of the average, which moves 12 bytes per parameter (5 % of a step of c-Glow
// at 32 x 32).
enum { AVERAGE_EVERY = 10 };

static void average(struct gb_trainer *t) {
    struct gb_params *params = gb_trainer_params(t);
    const bool early_step = t->step < AVERAGE_EVERY; // no model yet
    if (t->run.ema_decay == 0 || (!early_step && t->step % AVERAGE_EVERY != 0))
        return;
    gb_sharded_gather_weights(&t->sharded);
    if (early_step) {
        gb_params_average(params, t->threads, 0);
        return;
    }
    double decay = 1;
    for (int i = 0; i < AVERAGE_EVERY; i++)
        decay *= (double)t->run.ema_decay;
    // A smaller decay at first, as in TensorFlow (num_updates).
    const double updates = (double)t->step / AVERAGE_EVERY, early = updates / (9 + updates);
    gb_params_average(params, t->threads, (float)(decay < early ? decay : early));
}

// The passes of this rank's shards, whose gradients are added up; those of the last pass, which
// ends its last shard, by the exchange with the other ranks.
static enum gb_status run_passes(struct gb_trainer *t, const struct gb_adam *adam) {
    const int minibatches = t->run.accumulate, images = gb_run_pass_images(&t->run);
    const int own = t->run.shards / gb_ranks()->count, first = gb_first_shard(t->run.shards);
    const bool sharded = t->run.shards > 1;
    double *log_likelihood =
        t->log_likelihood + (size_t)first * (size_t)minibatches * (size_t)images;
    long pass = t->step * own * minibatches;
    if (sharded && pass == 0 && t->run.model->kind->start)
        GB_TRY(start_whole(t));
    if (sharded)
        gb_shards_begin(&t->sharded.shards);
    for (int shard = first; shard < first + own; shard++) {
        const bool last_shard = shard == first + own - 1;
        for (int i = 0; i < minibatches; i++, pass++, log_likelihood += images) {
            const bool last = i == minibatches - 1;
            if (sharded && last_shard && last)
                gb_gradient_exchange_begin(&t->sharded.exchange);
            GB_TRY(run_pass(t, pass, adam, log_likelihood));
            // A shard's last minibatch joins its sum when the shard is added.
            if (minibatches > 1 && !(sharded && last))
                gb_params_accumulate(gb_trainer_params(t), t->threads, i == 0);
        }
        if (sharded && !last_shard)
            gb_shards_add(&t->sharded.shards, t->threads, shard);
    }
    return GB_OK;
}

// Ends the passes of all ranks: their log-likelihoods are then on each.
static enum gb_status share_likelihoods(struct gb_trainer *t, enum gb_status status) {
    const int ranks = gb_ranks()->count;
    GB_TRY(gb_ranks_agree(status, NULL));
    if (ranks == 1)
        return GB_OK;
    const size_t all = (size_t)gb_run_passes(&t->run) * (size_t)gb_run_pass_images(&t->run);
    size_t *offsets = t->sharded.offsets;
    for (int r = 0; r < ranks; r++)
        offsets[r + 1] = all * sizeof *t->log_likelihood / (size_t)ranks * (size_t)(r + 1);
    gb_ranks_all_gather(t->log_likelihood, offsets);
    return GB_OK;
}

// The mean bits per dimension of a step: of its minibatches in turn, image by image.
static double mean_bits(const struct gb_trainer *t) {
    const int batch = t->run.batch, minibatches = t->run.accumulate;
    const int images = gb_run_pass_images(&t->run);
    double sum = 0;
    for (int m = 0; m < minibatches; m++) {
        double of_minibatch = 0;
        for (int i = 0; i < batch; i++) {
            const int at = (i / images * minibatches + m) * images + i % images;
            of_minibatch +=
                gb_task_bits(t->run.task, t->dequantisation, t->log_likelihood[at], t->dimensions);
        }
        sum += of_minibatch / batch;
    }
    return sum / minibatches;
}

// Clips and applies the step's stored gradient.
static enum gb_status apply_gradient(struct gb_trainer *t, const struct gb_adam *adam) {
    struct gb_params *params = gb_trainer_params(t);
    const float clip = t->run.clip_norm;
    float *gradient = t->run.accumulate > 1 ? params->sum : params->gradient;
    double norm;
    if (t->run.shards > 1)
        gb_sharded_apply(&t->sharded, t->threads, adam, clip, &norm);
    else
        norm = clip > 0 ? gb_params_clip_norm(params, t->threads, clip, gradient)
                        : gb_params_gradient_norm(params, t->threads, gradient);
    if (!isfinite(norm))
        return diverged(
            t, gb_fail(GB_CHECK_FAILED, "cannot apply", "the gradient", "its norm is not finite"));
    if (t->run.shards == 1)
        gb_params_apply(params, t->threads, adam, gradient);
    t->unlogged_norms += norm;
    return GB_OK;
}

enum gb_status gb_trainer_step(struct gb_trainer *t, double *bits_per_dimension) {
    const bool stored = gb_run_stores_gradient(&t->run);
    const struct gb_adam adam = adam_of(t);
    const enum gb_status passed = run_passes(t, stored ? NULL : &adam);
    if (t->run.shards > 1)
        gb_gradient_exchange_end(&t->sharded.exchange, t->threads, passed != GB_OK);
    GB_TRY(share_likelihoods(t, passed));
    if (stored)
        GB_TRY(apply_gradient(t, &adam));
    t->step++;
    average(t);
    *bits_per_dimension = mean_bits(t);
    t->unlogged_bits += *bits_per_dimension;
    t->unlogged_steps++;
    return GB_OK;
}

// ---- Checkpoints ----

static uint64_t double_bits(double value) {
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

// As the text of a JSON array; nothing if there are none.
static enum gb_status set_data_changes(const struct gb_trainer *t, json_t *metadata) {
    if (json_array_size(t->data_changes) == 0)
        return GB_OK;
    char *text = json_dumps(t->data_changes, 0);
    enum gb_status status = text ? gb_metadata_set_string(metadata, "data_changes", text)
                                 : gb_no_memory("cannot save checkpoint", t->run.task->name);
    free(text);
    return status;
}

static enum gb_status read_data_changes(const json_t *metadata, const char *path, json_t *changes) {
    const char *text;
    if (!json_object_get(metadata, "data_changes"))
        return GB_OK;
    GB_TRY(gb_metadata_string(metadata, path, "data_changes", &text));
    json_t *read = json_loads(text, 0, NULL), *step;
    size_t i;
    bool valid = json_is_array(read) && json_array_clear(changes) == 0;
    json_array_foreach(read, i, step) {
        valid = valid && json_is_integer(step) && json_array_append(changes, step) == 0;
    }
    json_decref(read);
    return valid ? GB_OK
                 : gb_fail(GB_BAD_INPUT, "cannot read metadata", path,
                           "'data_changes' is not an array of steps");
}

static enum gb_status fill_metadata(const struct gb_trainer *t, const char *data,
                                    json_t *metadata) {
    GB_TRY(gb_run_config_to_metadata(&t->run, metadata));
    GB_TRY(gb_metadata_set_string(metadata, "data", data));
    GB_TRY(gb_metadata_set_string(metadata, "backend", t->backend->name));
    GB_TRY(gb_metadata_set_integer(metadata, "data_hash", t->train->hash));
    GB_TRY(gb_metadata_set_integer(metadata, "unlogged_bits", double_bits(t->unlogged_bits)));
    GB_TRY(gb_metadata_set_integer(metadata, "unlogged_norms", double_bits(t->unlogged_norms)));
    GB_TRY(gb_metadata_set_integer(metadata, "unlogged_steps", (uint64_t)t->unlogged_steps));
    GB_TRY(set_data_changes(t, metadata));
    return gb_metadata_set_integer(metadata, "step", (uint64_t)t->step);
}

enum gb_status gb_trainer_save(struct gb_trainer *t, const char *path, const char *data) {
    gb_sharded_gather_weights(&t->sharded);
    gb_sharded_gather_moments(&t->sharded);
    if (!gb_ranks_lead())
        return GB_OK;
    json_t *metadata = json_object();
    enum gb_status status =
        metadata ? fill_metadata(t, data, metadata) : gb_no_memory("cannot save checkpoint", path);
    if (status == GB_OK)
        status = gb_checkpoint_save(path, gb_trainer_params(t), metadata);
    json_decref(metadata);
    gb_sharded_drop_moments(&t->sharded);
    return status;
}

// A finite double, written as the bits of one.
static enum gb_status read_double(const json_t *metadata, const char *path, const char *key,
                                  double *value) {
    uint64_t bits;
    GB_TRY(gb_metadata_integer(metadata, path, key, 0, UINT64_MAX, &bits));
    memcpy(value, &bits, sizeof *value);
    if (!isfinite(*value))
        return gb_fail(GB_BAD_INPUT, "cannot read metadata", path, "'%s' is not finite", key);
    return GB_OK;
}

// The state of a trainer except its parameters.
static enum gb_status read_state(const json_t *metadata, const char *path, struct gb_trainer *t) {
    uint64_t hash, step, unlogged_steps;
    const char *data;
    GB_TRY(gb_metadata_string(metadata, path, "data", &data));
    GB_TRY(gb_metadata_integer(metadata, path, "data_hash", 0, UINT64_MAX, &hash));
    if (hash != t->train->hash && !t->accept_changed_data)
        return gb_fail(GB_BAD_INPUT, "cannot resume with other training data", path,
                       "it was trained on other examples, of %s; if files were repaired, add "
                       "--accept-changed-data",
                       data);
    GB_TRY(gb_metadata_integer(metadata, path, "step", 0, INT_MAX, &step));
    GB_TRY(read_data_changes(metadata, path, t->data_changes));
    if (hash != t->train->hash &&
        json_array_append_new(t->data_changes, json_integer((json_int_t)step)) != 0)
        return gb_no_memory("cannot resume", path);
    GB_TRY(read_double(metadata, path, "unlogged_bits", &t->unlogged_bits));
    t->unlogged_norms = 0;
    if (gb_run_stores_gradient(&t->run))
        GB_TRY(read_double(metadata, path, "unlogged_norms", &t->unlogged_norms));
    GB_TRY(gb_metadata_integer(metadata, path, "unlogged_steps", 0, step, &unlogged_steps));
    t->step = (long)step;
    t->unlogged_steps = (int)unlogged_steps;
    return GB_OK;
}

enum gb_status gb_trainer_load(struct gb_trainer *t, const char *path) {
    json_t *metadata = NULL;
    GB_TRY(gb_checkpoint_metadata(path, &metadata));
    struct gb_trainer read = *t;
    enum gb_status status = read_state(metadata, path, &read);
    json_decref(metadata);
    if (status == GB_OK)
        status = gb_checkpoint_load(path, gb_trainer_params(t), GB_CHECKPOINT_RESUMED);
    if (status == GB_OK)
        *t = read;
    gb_sharded_drop_moments(&t->sharded);
    return status;
}
