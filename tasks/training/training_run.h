// SPDX-License-Identifier: MIT
// A whole training run and its folder: checkpoint.safetensors, log.jsonl (a row a logged step), and
// at the end run.json (configuration, machine, commit, seed, metrics, speed, memory) and
// samples.png.
#ifndef GB_TRAINING_RUN_H
#define GB_TRAINING_RUN_H

#include "tasks/training/trainer.h"

struct gb_training_run {
    struct gb_run_config config;
    const char *data_folder, *split_folder; // UTF-8. NULL: synthetic data, the task's own split
    const struct gb_backend *backend;
    int threads;
    const char *out;
    bool resume;          // go on from out's checkpoint, whose configuration `config` already is
    bool replace;         // a run that `out` holds may be thrown away
    int checkpoint_every; // steps
    int samples;          // of the final evaluation's sample average
};

// Runs it. `record` gets what run.json holds; the caller's to json_decref; NULL if not wanted.
// GB_INTERRUPTED after SIGINT or SIGTERM: the checkpoint then stands at the last whole step, and
// the message says so.
// GB_BAD_INPUT where `out` holds a run already and neither resume nor replace is set.
enum gb_status gb_training_run(const struct gb_training_run *run, json_t **record);

// A run's configuration as JSON, a new reference; NULL without memory.
json_t *gb_run_config_json(const struct gb_run_config *config);

#endif
