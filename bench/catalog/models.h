// SPDX-License-Identifier: MIT
// The models that benchmarks are made of, as their tasks configure them, each at one of its task's
// sizes: the catalogue takes kernels, layers, steps and samples from them.
#ifndef GB_MODELS_H
#define GB_MODELS_H

#include "flows/models/model.h"

struct gb_model_case {
    const char *name; // model and task as `train` names them, size of the target: "cglow-horses-32"
    const struct gb_model_kind *kind;
    const void *config; // the kind's
    int batch;          // of a training step
    int samples;        // that a prediction draws for one image
};

// The papers' models and the baselines, ended by one without a name. Not thread-safe.
enum gb_status gb_model_cases(const struct gb_model_case **cases);

#endif
