// SPDX-License-Identifier: MIT
// What decides a training run's bits; kept in its checkpoints and its record.
#ifndef GB_RUN_CONFIG_H
#define GB_RUN_CONFIG_H

#include "tasks/task.h"

struct gb_run_config {
    const struct gb_task *task;
    const struct gb_task_model *model;
    union gb_model_config config; // of the model
    int size, batch, iterations;
    float learning_rate;
    float ema_decay; // a step, of the moving average that the model is used with; 0: none
    int accumulate;  // minibatches per step, whose mean gradient is applied
    float clip_norm; // the largest L2 norm of a step's gradient over all parameters; 0: any
    uint64_t seed;
    // A flow's activations are computed again by the inverse rather than kept, where the model can:
    // gradients are then rounded otherwise.
    bool reversible;
};

// "stored" or "reversible".
const char *gb_run_memory(const struct gb_run_config *run);

enum { GB_MAX_BATCH = 4096, GB_MAX_CROPS = 10000, GB_MAX_ACCUMULATE = 4096 };
#define GB_MAX_LEARNING_RATE 1.0f
#define GB_MAX_CLIP_NORM 1e9f
#define GB_MAX_EMA_DECAY 0.99999f

// The task's default for examples of this shape, except for the iterations: 0.
enum gb_status gb_run_config_default(const struct gb_task *task, const struct gb_task_model *model,
                                     int size, const struct gb_example_shape *shape,
                                     struct gb_run_config *run);

// Whether a step stores its gradient and then applies it: needed to sum or clip it by norm.
// Otherwise each gradient is applied as soon as it is complete, which saves memory traffic.
static inline bool gb_run_stores_gradient(const struct gb_run_config *run) {
    return run->accumulate > 1 || run->clip_norm > 0;
}

// Its entries of a checkpoint's metadata.
enum gb_status gb_run_config_to_metadata(const struct gb_run_config *run, json_t *metadata);

// Where a checkpoint stands, and what made it.
struct gb_run_origin {
    long step;
    const struct gb_backend *backend; // NULL: one that this build does not have
};

// The configuration that a checkpoint was made with, and the rest that a run goes on from. One that
// does not tell its memory is of stored activations, one without a decay keeps no average, one
// without accumulation and clipping has neither.
// GB_BAD_INPUT.
enum gb_status gb_run_config_read(const char *path, struct gb_run_config *run,
                                  struct gb_run_origin *origin);

// As JSON, a new reference; NULL without memory.
json_t *gb_run_config_json(const struct gb_run_config *run);

#endif
