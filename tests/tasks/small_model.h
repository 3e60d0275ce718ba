// SPDX-License-Identifier: MIT
// Models that train in milliseconds a step.
#ifndef GB_SMALL_MODEL_H
#define GB_SMALL_MODEL_H

#include "flows/models/cglow.h"
#include "tasks/task.h"

static inline void gb_make_small(const struct gb_task_model *model, union gb_model_config *config) {
    if (model->kind == &gb_cglow_model) {
        struct gb_cglow_config *c = &config->cglow;
        c->levels = 2;
        c->steps = 1;
        c->n_c = 8;
        c->n_w = 16;
        c->coupling_channels = 16;
    } else if (model->reduce) {
        model->reduce(config);
    }
}

#endif
