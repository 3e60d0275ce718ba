// SPDX-License-Identifier: MIT
// A conditional model as benchmarks run it: with parameters and inputs of its own, in passes that
// each do the same work.
#ifndef GB_MODEL_RUN_H
#define GB_MODEL_RUN_H

#include <stddef.h>

#include "bench/catalog/models.h"
#include "kernels/trace.h"

enum gb_pass_kind {
    GB_PASS_TRAIN,  // conditioning, forward, backward with Adam; an image for each target
    GB_PASS_SAMPLE, // conditioning, inverse; all targets are samples for one image
};

struct gb_pass_use {
    enum gb_pass_kind kind;
    int batch; // targets
    int threads;
    enum gb_type precision; // of the model (gb_model_use)
    bool profiled;          // its layers are timed: gb_model_run_profile
};

struct gb_model_run;

// Plans and reserves; parameters and inputs are zero, matrices that are to be inverted the
// identity. No run where it fails.
enum gb_status gb_model_run_open(const struct gb_model_case *model, const struct gb_pass_use *use,
                                 const struct gb_backend *backend, struct gb_model_run **run);
void gb_model_run_close(struct gb_model_run *run);

// Gives parameters and inputs numbers that depend on the configuration alone; no parameter that
// training moves stays zero, so that what comes out depends on every kernel.
enum gb_status gb_model_run_fill(struct gb_model_run *run);

// Of the passes since it was cleared; NULL unless `profiled`.
struct gb_profile *gb_model_run_profile(const struct gb_model_run *run);

enum gb_status gb_model_run_pass(struct gb_model_run *run, float learning_rate);

// What the last pass gave: the log-likelihoods (nats) that a training pass found before its update,
// or the samples' elements. The run's, until the next pass.
const double *gb_model_run_results(struct gb_model_run *run, size_t *count);

// The sum of the magnitudes of Adam's first moments, which every gradient moves.
double gb_model_run_moments(const struct gb_model_run *run);

// The kernels and layers that one pass calls, with one thread, and how many parameters the model
// has.
struct gb_recorded_pass {
    struct gb_trace *trace;
    const struct gb_traced *kernels; // of the trace
    int kernel_count;
    struct gb_profiled *layers; // with FLOPs; their times mean nothing
    int layer_count;
    double parameters;
};
// To be closed even on failure: GB_OUT_OF_MEMORY, or the model's own.
enum gb_status gb_model_record(const struct gb_model_case *model, const struct gb_pass_use *use,
                               struct gb_recorded_pass *pass);
void gb_recorded_pass_close(struct gb_recorded_pass *pass);

#endif
