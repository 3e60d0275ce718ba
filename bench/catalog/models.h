// SPDX-License-Identifier: MIT
// The models that benchmarks are made of, each at one of its task's sizes, and how a pass of one is
// run: the table from which the catalogue takes kernels, layers, steps and samples.
#ifndef GB_MODELS_H
#define GB_MODELS_H

#include "bench/catalog/recorder.h"
#include "bench/runner/benchmark.h"
#include "flows/params.h"

enum gb_pass_kind {
    GB_PASS_TRAIN,  // conditioning, forward, backward with Adam; an image for each target
    GB_PASS_SAMPLE, // conditioning, inverse; all targets are samples for one image
};

struct gb_pass_use {
    enum gb_pass_kind kind;
    int batch; // targets
    int threads;
};

// A "layer" problem, and how often a training step has it.
struct gb_layer_call {
    char text[GB_PROBLEM]; // "layer/coupling_forward/n2h16w16c12..."
    int count;
};

// A family of models: how one is built for a kind of pass, and run. `run` is the family's own.
struct gb_model_family {
    // Plans and reserves; parameters and inputs are zero, matrices that are to be inverted the
    // identity. No run where it fails.
    enum gb_status (*open)(const void *config, const struct gb_pass_use *use,
                           const struct gb_backend *backend, void **run);
    void (*close)(void *run);
    // Gives parameters and inputs numbers that depend on the configuration alone; no parameter that
    // training moves stays zero, so that what comes out depends on every kernel.
    enum gb_status (*fill)(void *run);
    enum gb_status (*pass)(void *run, float learning_rate);
    // What the last pass gave: the log-likelihoods (nats) that a training pass found before its
    // update, or the samples' elements. The run's, until the next pass.
    const double *(*results)(void *run, size_t *count);
    double (*parameters)(const void *run); // their number
    // The sum of the magnitudes of Adam's first moments, which every gradient moves.
    double (*moments)(const void *run);
    size_t (*dimensions)(const void *config); // of a target
    // The distinct layers of a training step with `batch` targets; *calls is the caller's to free.
    // NULL: none are listed.
    enum gb_status (*layers)(const void *config, int batch, struct gb_layer_call **calls,
                             int *count);
};

struct gb_model_case {
    const char *name;   // family, task, size of the target: "cglow-horses-32"
    const char *source; // where its numbers stand
    const struct gb_model_family *family;
    const void *config; // the family's
    int batch;          // of a training step
    int samples;        // that a prediction draws for one image
};

// The papers' models, ended by one without a name.
const struct gb_model_case *gb_model_cases(void);

// Lists what one pass asks of the kernels, with one thread, and counts the model's parameters.
enum gb_status gb_model_record(const struct gb_model_case *model, const struct gb_pass_use *use,
                               struct gb_recording *recording, double *parameters);

// Gives zero parameters that are matrices the identity, so that none is singular: that would end a
// pass before it is recorded.
void gb_make_regular(const struct gb_params *params);

extern const struct gb_model_family gb_cglow_family; // config: struct gb_cglow_config
extern const struct gb_model_family gb_cnf_family;   // config: struct gb_cnf_config

#endif
