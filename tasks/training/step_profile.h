// SPDX-License-Identifier: MIT
// The profile of a run's training steps (`train --profile`): the time of every layer and kernel
// call inside them, with the caches as the calls before left them.
#ifndef GB_STEP_PROFILE_H
#define GB_STEP_PROFILE_H

#include <jansson.h>

#include "kernels/trace.h"
#include "tasks/training/trainer.h"

// The machine's measured peaks.
struct gb_step_peaks {
    double gflops;      // fp32 multiply-adds, two FLOPs each
    double bf16_gflops; // of bf16 operands; 0: the CPU has no instructions for them
    double gbs[3];      // by enum gb_traffic, of the memory or cache that holds the working set
};
// Measures them with as many threads.
typedef enum gb_status gb_measure_peaks_fn(int threads, size_t working_set,
                                           struct gb_step_peaks *peaks);

struct gb_step_profile {
    const struct gb_model *model;
    int threads;
    struct gb_trace *trace;
    struct gb_profile *layers;
    long warm_up; // steps left to pass over
    long steps;   // profiled
    double seconds;
};

// Between gb_step_profile_open and gb_step_profile_begin a trainer is created whose model_backend
// is gb_trace_backend(profile->trace). On failure there is nothing to close.
enum gb_status gb_step_profile_open(struct gb_step_profile *profile,
                                    const struct gb_backend *backend);
// `steps`: that the run has left. The first three are passed over, as far as one remains.
enum gb_status gb_step_profile_begin(struct gb_step_profile *profile,
                                     const struct gb_trainer *trainer, long steps);
// After each step.
void gb_step_profile_add(struct gb_step_profile *profile, double seconds);
// After the trainer was freed, or before it makes another step. A zeroed profile is allowed.
void gb_step_profile_close(struct gb_step_profile *profile);

// The "profile" of run.json (tasks/README.md), a new reference; `measure` NULL: without peaks.
// GB_OUT_OF_MEMORY, or as `measure` fails.
enum gb_status gb_step_profile_json(const struct gb_step_profile *profile,
                                    gb_measure_peaks_fn *measure, json_t **json);

// Prints it as two tables, of layers and of kernels. Nothing without steps, or for NULL.
void gb_step_profile_print(const json_t *json);

#endif
