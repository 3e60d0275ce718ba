// SPDX-License-Identifier: MIT
#include "tasks/training/run_config.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "flows/files/checkpoint.h"
#include "flows/files/metadata.h"
#include "flows/files/safetensors.h"

enum gb_status gb_run_config_default(const struct gb_task *task, const struct gb_task_model *model,
                                     int size, const struct gb_example_shape *shape,
                                     struct gb_run_config *run) {
    *run = (struct gb_run_config){.task = task,
                                  .model = model,
                                  .size = size,
                                  .batch = model->recipe.batch,
                                  .accumulate = 1,
                                  .learning_rate = model->recipe.adam.learning_rate};
    return model->configure(shape, &run->config);
}

const char *gb_run_memory(const struct gb_run_config *run) {
    return run->reversible ? "reversible" : "stored";
}

// As decimal text for readers, and as bits, which are read back exactly.
static enum gb_status set_float(json_t *metadata, const char *key, float value) {
    char text[32], bits_key[64];
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    snprintf(text, sizeof text, "%.9g", (double)value);
    snprintf(bits_key, sizeof bits_key, "%s_bits", key);
    GB_TRY(gb_metadata_set_string(metadata, key, text));
    return gb_metadata_set_integer(metadata, bits_key, bits);
}

static enum gb_status read_float(const json_t *metadata, const char *path, const char *key,
                                 float min, float max, float *value) {
    char bits_key[64];
    uint64_t wide;
    snprintf(bits_key, sizeof bits_key, "%s_bits", key);
    GB_TRY(gb_metadata_integer(metadata, path, bits_key, 0, UINT32_MAX, &wide));
    const uint32_t bits = (uint32_t)wide;
    memcpy(value, &bits, sizeof bits);
    if (*value >= min && *value <= max)
        return GB_OK;
    return gb_fail(GB_BAD_INPUT, "cannot use checkpoint", path, "its %s is not in %g .. %g", key,
                   (double)min, (double)max);
}

enum gb_status gb_run_config_to_metadata(const struct gb_run_config *run, json_t *metadata) {
    GB_TRY(gb_config_to_metadata(&run->config, run->model->kind->table, metadata));
    GB_TRY(gb_metadata_set_string(metadata, "task", run->task->name));
    GB_TRY(gb_metadata_set_string(metadata, "task_model", run->model->name));
    GB_TRY(set_float(metadata, "learning_rate", run->learning_rate));
    GB_TRY(set_float(metadata, "ema_decay", run->ema_decay));
    GB_TRY(set_float(metadata, "clip_norm", run->clip_norm));
    GB_TRY(gb_metadata_set_integer(metadata, "accumulate", (uint64_t)run->accumulate));
    GB_TRY(gb_metadata_set_integer(metadata, "size", (uint64_t)run->size));
    GB_TRY(gb_metadata_set_integer(metadata, "batch", (uint64_t)run->batch));
    GB_TRY(gb_metadata_set_integer(metadata, "iterations", (uint64_t)run->iterations));
    GB_TRY(gb_metadata_set_string(metadata, "memory", gb_run_memory(run)));
    return gb_metadata_set_integer(metadata, "seed", run->seed);
}

static enum gb_status read_task(const json_t *metadata, const char *path,
                                struct gb_run_config *run) {
    const char *task, *model;
    char printable[GB_PRINTABLE];
    GB_TRY(gb_metadata_string(metadata, path, "task", &task));
    GB_TRY(gb_metadata_string(metadata, path, "task_model", &model));
    if (gb_task_find(task, &run->task) != GB_OK)
        return gb_fail(GB_BAD_INPUT, "cannot use checkpoint", path, "unknown task '%s'",
                       gb_printable(task, printable));
    if (gb_task_model_find(run->task, model, &run->model) != GB_OK)
        return gb_fail(GB_BAD_INPUT, "cannot use checkpoint", path, "unknown model '%s' of %s",
                       gb_printable(model, printable), task);
    GB_TRY(gb_config_from_metadata(metadata, path, run->model->kind->table, &run->config));
    return run->model->kind->check(&run->config);
}

static enum gb_status read_numbers(const json_t *metadata, const char *path,
                                   struct gb_run_config *run) {
    uint64_t value;
    const struct {
        const char *key;
        int *to, low, high;
    } integers[] = {{"size", &run->size, GB_MIN_SIZE, GB_MAX_SIZE},
                    {"batch", &run->batch, 1, GB_MAX_BATCH},
                    {"iterations", &run->iterations, 0, INT_MAX}};
    for (size_t i = 0; i < sizeof integers / sizeof *integers; i++) {
        GB_TRY(gb_metadata_integer(metadata, path, integers[i].key, (uint64_t)integers[i].low,
                                   (uint64_t)integers[i].high, &value));
        *integers[i].to = (int)value;
    }
    GB_TRY(
        read_float(metadata, path, "learning_rate", 0, GB_MAX_LEARNING_RATE, &run->learning_rate));
    run->ema_decay = 0; // older checkpoints have none
    if (json_object_get(metadata, "ema_decay_bits"))
        GB_TRY(read_float(metadata, path, "ema_decay", 0, GB_MAX_EMA_DECAY, &run->ema_decay));
    run->clip_norm = 0;
    if (json_object_get(metadata, "clip_norm_bits"))
        GB_TRY(read_float(metadata, path, "clip_norm", 0, GB_MAX_CLIP_NORM, &run->clip_norm));
    value = 1;
    if (json_object_get(metadata, "accumulate"))
        GB_TRY(gb_metadata_integer(metadata, path, "accumulate", 1, GB_MAX_ACCUMULATE, &value));
    run->accumulate = (int)value;
    return gb_metadata_integer(metadata, path, "seed", 0, INT64_MAX, &run->seed);
}

static enum gb_status read_memory(const json_t *metadata, const char *path,
                                  struct gb_run_config *run) {
    const char *memory;
    char printable[GB_PRINTABLE];
    run->reversible = false;
    if (!json_object_get(metadata, "memory"))
        return GB_OK;
    GB_TRY(gb_metadata_string(metadata, path, "memory", &memory));
    run->reversible = strcmp(memory, "reversible") == 0;
    if (strcmp(memory, gb_run_memory(run)) == 0)
        return GB_OK;
    return gb_fail(GB_BAD_INPUT, "cannot use checkpoint", path,
                   "its memory is '%s', neither stored nor reversible",
                   gb_printable(memory, printable));
}

static const struct gb_backend *find_backend(const char *name) {
    for (const struct gb_backend *const *b = gb_backends(); *b; b++)
        if (strcmp((*b)->name, name) == 0)
            return *b;
    return NULL;
}

static enum gb_status read_run(const json_t *metadata, const char *path, struct gb_run_config *run,
                               struct gb_run_origin *origin) {
    const char *backend;
    uint64_t step;
    GB_TRY(read_task(metadata, path, run));
    GB_TRY(read_numbers(metadata, path, run));
    GB_TRY(read_memory(metadata, path, run));
    GB_TRY(gb_metadata_string(metadata, path, "backend", &backend));
    GB_TRY(gb_metadata_integer(metadata, path, "step", 0, INT_MAX, &step));
    *origin = (struct gb_run_origin){.step = (long)step, .backend = find_backend(backend)};
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

json_t *gb_run_config_json(const struct gb_run_config *run) {
    json_t *json = json_pack("{s:s, s:s, s:i, s:i, s:i, s:f, s:f, s:i, s:f, s:I, s:s}", "task",
                             run->task->name, "model", run->model->name, "size", run->size, "batch",
                             run->batch, "iterations", run->iterations, "learning_rate",
                             (double)run->learning_rate, "ema_decay", (double)run->ema_decay,
                             "accumulate", run->accumulate, "clip_norm", (double)run->clip_norm,
                             "seed", (json_int_t)run->seed, "memory", gb_run_memory(run));
    if (json && gb_config_to_json(&run->config, run->model->kind->table, json) == 0)
        return json;
    json_decref(json);
    return NULL;
}
