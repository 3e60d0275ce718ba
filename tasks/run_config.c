// SPDX-License-Identifier: MIT
#include "tasks/run_config.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "flows/files/checkpoint.h"
#include "flows/files/metadata.h"
#include "flows/files/safetensors.h"
#include "flows/shards.h"

enum gb_status gb_run_config_default(const struct gb_task *task, const struct gb_task_model *model,
                                     int size, const struct gb_example_shape *shape,
                                     struct gb_run_config *run) {
    *run = (struct gb_run_config){.task = task,
                                  .model = model,
                                  .size = size,
                                  .batch = model->recipe.batch,
                                  .accumulate = 1,
                                  .schedule = model->recipe.schedule,
                                  .shards = 1,
                                  .learning_rate = model->recipe.adam.learning_rate};
    return gb_task_configure(model, shape, &run->config);
}

enum gb_status gb_run_check_shards(int batch, int shards) {
    if (batch % shards == 0)
        return GB_OK;
    return gb_fail(GB_BAD_INPUT, "bad value", "--shards",
                   "%d does not divide the batch of %d images", shards, batch);
}

const char *gb_run_memory(const struct gb_run_config *run) {
    return run->reversible ? "reversible" : "stored";
}

#define AT(member) offsetof(struct gb_run_config, member)
// In the order of metadata.
const struct gb_run_field gb_run_fields[GB_RUN_FIELDS] = {
    {"learning_rate", "--lr", AT(learning_rate), true, false, 0, GB_MAX_LEARNING_RATE},
    {"ema_decay", "--ema", AT(ema_decay), true, true, 0, GB_MAX_EMA_DECAY},
    {"clip_norm", "--clip-norm", AT(clip_norm), true, true, 0, GB_MAX_CLIP_NORM},
    {"accumulate", "--accumulate", AT(accumulate), false, true, 1, GB_MAX_ACCUMULATE},
    {"schedule_steps", "--schedule-steps", AT(schedule.steps), false, true, 0, INT_MAX},
    {"warm_up", "--warm-up", AT(schedule.warm_up), false, true, 0, INT_MAX},
    {"shards", "--shards", AT(shards), false, true, 1, GB_MAX_SHARDS},
    {"size", "--size", AT(size), false, false, GB_MIN_SIZE, GB_MAX_SIZE},
    {"width", "--width", AT(width), false, true, 0, GB_MAX_SIZE},
    {"batch", "--batch", AT(batch), false, false, 1, GB_MAX_BATCH},
    {"iterations", NULL, AT(iterations), false, false, 0, INT_MAX},
};

const struct gb_run_type gb_run_types[GB_RUN_TYPES] = {
    {"precision", "--precision", AT(precision)},
    {"moments", "--moments", AT(moments)},
};

static const char *type_name(const struct gb_run_config *run, int i) {
    return gb_precision_name(*gb_run_type((struct gb_run_config *)run, &gb_run_types[i]));
}

// A float's bits, which are read back exactly, stand under this key.
static const char *bits_key(const struct gb_run_field *field, char key[static 64]) {
    snprintf(key, 64, "%s_bits", field->key);
    return key;
}

// A float is decimal text for readers, and bits.
static enum gb_status write_field(json_t *metadata, const struct gb_run_field *field,
                                  const struct gb_run_config *run) {
    const double value = gb_run_number(run, field);
    if (!field->real)
        return gb_metadata_set_integer(metadata, field->key, (uint64_t)value);
    const float number = (float)value;
    char text[32], key[64];
    uint32_t bits;
    memcpy(&bits, &number, sizeof bits);
    snprintf(text, sizeof text, "%.9g", value);
    GB_TRY(gb_metadata_set_string(metadata, field->key, text));
    return gb_metadata_set_integer(metadata, bits_key(field, key), bits);
}

static enum gb_status read_field(const json_t *metadata, const char *path,
                                 const struct gb_run_field *field, struct gb_run_config *run) {
    char bits[64];
    const char *key = field->real ? bits_key(field, bits) : field->key;
    uint64_t integer;
    gb_run_set(run, field, field->min);
    if (field->optional && !json_object_get(metadata, key))
        return GB_OK;
    if (!field->real) {
        GB_TRY(gb_metadata_integer(metadata, path, key, (uint64_t)field->min, (uint64_t)field->max,
                                   &integer));
        gb_run_set(run, field, (double)integer);
        return GB_OK;
    }
    float number;
    GB_TRY(gb_metadata_integer(metadata, path, key, 0, UINT32_MAX, &integer));
    const uint32_t word = (uint32_t)integer;
    memcpy(&number, &word, sizeof number);
    gb_run_set(run, field, (double)number);
    if ((double)number >= field->min && (double)number <= field->max)
        return GB_OK;
    return gb_fail(GB_BAD_INPUT, "cannot use checkpoint", path, "its %s is not in %g .. %g",
                   field->key, field->min, field->max);
}

enum gb_status gb_run_config_to_metadata(const struct gb_run_config *run, json_t *metadata) {
    GB_TRY(gb_config_to_metadata(&run->config, run->model->kind->table, metadata));
    GB_TRY(gb_metadata_set_string(metadata, "task", run->task->name));
    GB_TRY(gb_metadata_set_string(metadata, "task_model", run->model->name));
    for (int i = 0; i < GB_RUN_FIELDS; i++)
        GB_TRY(write_field(metadata, &gb_run_fields[i], run));
    GB_TRY(gb_metadata_set_string(metadata, "schedule", gb_schedule_names[run->schedule.kind]));
    GB_TRY(gb_metadata_set_string(metadata, "memory", gb_run_memory(run)));
    for (int i = 0; i < GB_RUN_TYPES; i++)
        GB_TRY(gb_metadata_set_string(metadata, gb_run_types[i].key, type_name(run, i)));
    return gb_metadata_set_integer(metadata, "seed", run->seed);
}

static enum gb_status read_task(const json_t *metadata, const char *path,
                                struct gb_run_config *run) {
    const char *task, *model;
    GB_TRY(gb_metadata_string(metadata, path, "task", &task));
    GB_TRY(gb_metadata_string(metadata, path, "task_model", &model));
    if (gb_task_find(task, &run->task) != GB_OK)
        return gb_fail(GB_BAD_INPUT, "cannot use checkpoint", path, "unknown task '%.96s'", task);
    if (gb_task_model_find(run->task, model, &run->model) != GB_OK)
        return gb_fail(GB_BAD_INPUT, "cannot use checkpoint", path, "unknown model '%.96s' of %s",
                       model, task);
    GB_TRY(gb_config_from_metadata(metadata, path, run->model->kind->table, &run->config));
    return run->model->kind->check(&run->config);
}

// After the fields, two of which are the schedule's.
static enum gb_status read_schedule(const json_t *metadata, const char *path,
                                    struct gb_run_config *run) {
    const char *name;
    if (!json_object_get(metadata, "schedule")) {
        run->schedule = run->model->recipe.schedule;
        return GB_OK;
    }
    GB_TRY(gb_metadata_string(metadata, path, "schedule", &name));
    run->schedule.kind = gb_schedule_find(name);
    if (run->schedule.kind == GB_SCHEDULE_KINDS)
        return gb_fail(GB_BAD_INPUT, "cannot use checkpoint", path, "unknown schedule '%.96s'",
                       name);
    const enum gb_status status = gb_schedule_check(&run->schedule, run->iterations);
    return status == GB_OK ? GB_OK : gb_fail_within(status, "cannot use checkpoint", path);
}

static enum gb_status read_memory(const json_t *metadata, const char *path,
                                  struct gb_run_config *run) {
    const char *memory;
    run->reversible = false;
    if (!json_object_get(metadata, "memory"))
        return GB_OK;
    GB_TRY(gb_metadata_string(metadata, path, "memory", &memory));
    run->reversible = strcmp(memory, "reversible") == 0;
    if (strcmp(memory, gb_run_memory(run)) != 0)
        return gb_fail(GB_BAD_INPUT, "cannot use checkpoint", path,
                       "its memory is '%.96s', neither stored nor reversible", memory);
    // Older builds recorded it of models that have nothing to recompute.
    run->reversible &= run->model->kind->recomputes;
    return GB_OK;
}

static enum gb_status read_type(const json_t *metadata, const char *path, int i,
                                struct gb_run_config *run) {
    const char *key = gb_run_types[i].key, *name;
    enum gb_type *type = gb_run_type(run, &gb_run_types[i]);
    *type = GB_F32;
    if (!json_object_get(metadata, key))
        return GB_OK;
    GB_TRY(gb_metadata_string(metadata, path, key, &name));
    if (strcmp(name, gb_precision_name(GB_BF16)) == 0)
        *type = GB_BF16;
    if (strcmp(name, gb_precision_name(*type)) == 0)
        return GB_OK;
    return gb_fail(GB_BAD_INPUT, "cannot use checkpoint", path,
                   "its %s is '%.96s', neither fp32 nor bf16", key, name);
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
    for (int i = 0; i < GB_RUN_FIELDS; i++)
        GB_TRY(read_field(metadata, path, &gb_run_fields[i], run));
    if (gb_run_check_shards(run->batch, run->shards) != GB_OK)
        return gb_fail(GB_BAD_INPUT, "cannot use checkpoint", path,
                       "its batch of %d is not a multiple of its %d shards", run->batch,
                       run->shards);
    GB_TRY(gb_metadata_integer(metadata, path, "seed", 0, INT64_MAX, &run->seed));
    GB_TRY(read_schedule(metadata, path, run));
    GB_TRY(read_memory(metadata, path, run));
    for (int i = 0; i < GB_RUN_TYPES; i++)
        GB_TRY(read_type(metadata, path, i, run));
    GB_TRY(gb_metadata_string(metadata, path, "backend", &backend));
    GB_TRY(gb_metadata_integer(metadata, path, "step", 0, INT_MAX, &step));
    const char *data = json_string_value(json_object_get(metadata, "data"));
    *origin = (struct gb_run_origin){.step = (long)step,
                                     .backend = find_backend(backend),
                                     .synthetic = !data || strcmp(data, "synthetic") == 0};
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
    json_t *json = json_pack("{s:s, s:s, s:I, s:s, s:s}", "task", run->task->name, "model",
                             run->model->name, "seed", (json_int_t)run->seed, "memory",
                             gb_run_memory(run), "schedule", gb_schedule_names[run->schedule.kind]);
    int failed = !json;
    for (int i = 0; i < GB_RUN_FIELDS; i++) {
        const double number = gb_run_number(run, &gb_run_fields[i]);
        failed |= json_object_set_new(json, gb_run_fields[i].key,
                                      gb_run_fields[i].real ? json_real(number)
                                                            : json_integer((json_int_t)number));
    }
    for (int i = 0; i < GB_RUN_TYPES; i++)
        failed |= json_object_set_new(json, gb_run_types[i].key, json_string(type_name(run, i)));
    if (!failed && gb_config_to_json(&run->config, run->model->kind->table, json) == 0)
        return json;
    json_decref(json);
    return NULL;
}
