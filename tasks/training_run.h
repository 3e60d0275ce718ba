// SPDX-License-Identifier: MIT
// A whole training run and its folder: checkpoint.safetensors, log.jsonl (a row a logged step), and
// at the end run.json (configuration, machine, commit, seed, metrics, speed, memory) and
// samples.png.
#ifndef GB_TRAINING_RUN_H
#define GB_TRAINING_RUN_H

#include "tasks/trainer.h"

struct gb_training_run {
    struct gb_run_config config;
    const char *data_folder, *split_folder; // NULL: synthetic data, the task's own split
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
// the message tells how to go on.
// GB_BAD_INPUT where `out` holds a run already and neither resume nor replace is set.
enum gb_status gb_training_run(const struct gb_training_run *run, json_t **record);

// out/checkpoint.safetensors and the like, into `path`. GB_BAD_INPUT where it is too long.
enum { GB_PATH = 4096 };
enum gb_status gb_path_join(const char *folder, const char *name, char path[static GB_PATH]);

// A run's configuration as JSON, a new reference; NULL without memory.
json_t *gb_run_config_json(const struct gb_run_config *config);

// Prints metrics as "name value" lines.
void gb_metrics_print(const json_t *metrics);

// Writes JSON, indented, whole or not at all.
enum gb_status gb_json_write(const char *path, const json_t *json);

#endif
