// SPDX-License-Identifier: MIT
// Everything that a training run's results depend on, except its data and backend; kept in its
// checkpoints and record.
#ifndef GB_RUN_CONFIG_H
#define GB_RUN_CONFIG_H

#include "tasks/task.h"

struct gb_run_config {
    const struct gb_task *task;
    const struct gb_task_model *model;
    union gb_model_config config; // of the model
    int size, batch, iterations;
    int width; // of examples that are not square; 0: the size
    float learning_rate;
    struct gb_schedule schedule; // of the learning rate
    float ema_decay;             // per step, of the average of the weights; 0: none
    int accumulate;              // minibatches per step, whose mean gradient is applied
    int shards;      // of a minibatch, whose gradients one fixed tree adds up (flows/shards.h)
    float clip_norm; // the largest L2 norm of a step's gradient over all parameters; 0: any
    uint64_t seed;
    bool reversible;                 // gb_model_use
    enum gb_type precision, moments; // gb_model_use
};

// Its numbers, as options and files name them.
struct gb_run_field {
    const char *key, *option; // "learning_rate", "--lr"; NULL: it may change when a run is resumed
    size_t offset;            // of a float if `real`, else of an int
    bool real, optional;      // older checkpoints lack optional ones, which were `min` then
    double min, max;
};
enum { GB_RUN_FIELDS = 11 };
extern const struct gb_run_field gb_run_fields[GB_RUN_FIELDS];

static inline double gb_run_number(const struct gb_run_config *run,
                                   const struct gb_run_field *field) {
    const void *number = (const char *)run + field->offset;
    return field->real ? (double)*(const float *)number : *(const int *)number;
}

static inline void gb_run_set(struct gb_run_config *run, const struct gb_run_field *field,
                              double value) {
    void *number = (char *)run + field->offset;
    if (field->real)
        *(float *)number = (float)value;
    else
        *(int *)number = (int)value;
}

// Its types, as options and files name them: "fp32" or "bf16". Older checkpoints lack them, which
// were fp32.
struct gb_run_type {
    const char *key, *option; // "precision", "--precision"
    size_t offset;
};
enum { GB_RUN_TYPES = 2 };
extern const struct gb_run_type gb_run_types[GB_RUN_TYPES];

static inline enum gb_type *gb_run_type(struct gb_run_config *run, const struct gb_run_type *type) {
    return (enum gb_type *)((char *)run + type->offset);
}

// "stored" or "reversible".
const char *gb_run_memory(const struct gb_run_config *run);

enum { GB_MAX_BATCH = 4096, GB_MAX_CROPS = 10000, GB_MAX_ACCUMULATE = 4096 };
#define GB_MAX_LEARNING_RATE 1.0f
#define GB_MAX_CLIP_NORM 1e9f
#define GB_MAX_EMA_DECAY 0.99999f

// The task's default for examples of this shape; iterations are 0.
enum gb_status gb_run_config_default(const struct gb_task *task, const struct gb_task_model *model,
                                     int size, const struct gb_example_shape *shape,
                                     struct gb_run_config *run);

// GB_BAD_INPUT unless the shards divide the batch.
enum gb_status gb_run_check_shards(int batch, int shards);

// Images of a pass, which computes a shard of a minibatch, and passes of a step.
static inline int gb_run_pass_images(const struct gb_run_config *run) {
    return run->batch / run->shards;
}
static inline int gb_run_passes(const struct gb_run_config *run) {
    return run->shards * run->accumulate;
}

// Whether a step stores its gradient and then applies it: needed to sum or clip it by norm.
// Otherwise each gradient is applied as soon as it is complete, which saves memory traffic.
static inline bool gb_run_stores_gradient(const struct gb_run_config *run) {
    return run->accumulate > 1 || run->shards > 1 || run->clip_norm > 0;
}

// Adds its entries to a checkpoint's metadata.
enum gb_status gb_run_config_to_metadata(const struct gb_run_config *run, json_t *metadata);

struct gb_run_origin {
    long step;
    const struct gb_backend *backend; // NULL: one that this build does not have
    bool synthetic;                   // it was trained on generated data
};

// Reads a checkpoint's configuration, step and backend. Older checkpoints without "memory" stored
// their activations, and those without "schedule" had the recipe's. GB_BAD_INPUT.
enum gb_status gb_run_config_read(const char *path, struct gb_run_config *run,
                                  struct gb_run_origin *origin);

// As JSON, a new reference; NULL without memory.
json_t *gb_run_config_json(const struct gb_run_config *run);

#endif
