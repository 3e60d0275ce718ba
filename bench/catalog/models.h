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

// A model of one's own, as a checkpoint describes it: "own-cglow-horses-32x48", with the batch that
// it was trained with.
struct gb_own_model {
    struct gb_model_case model; // points into the struct, which must not be moved
    union gb_model_config config;
    char name[48];
    enum gb_type precision; // that it was trained in
};
// Fails as gb_run_config_read does.
enum gb_status gb_own_model_read(const char *checkpoint, struct gb_own_model *own);

#endif
