// SPDX-License-Identifier: MIT
// A whole training run and its directory: checkpoint.safetensors, log.jsonl (a row a logged step, and
// one a step that is scored), and at the end run.json (configuration, machine, commit, seed,
// metrics, speed, memory) and samples.png.
#ifndef GB_TRAINING_RUN_H
#define GB_TRAINING_RUN_H

#include "tasks/training/trainer.h"

struct gb_training_run {
    struct gb_run_config config;
    const char *data_directory,
        *split_directory; // UTF-8. NULL: synthetic data, the task's own split
    const struct gb_backend *backend;
    int threads;
    const char *out;
    const char *resume_hint; // for the user: how to go on where the run was stopped
    bool resume;             // go on from out's checkpoint, whose configuration `config` already is
    bool replace;            // a run that `out` holds may be thrown away
    int checkpoint_every;    // steps; every five minutes there is one anyway
    int samples;             // of the final evaluation's sample average
    int crops;               // as in struct gb_predictor_options
    int score_every;         // steps from one score on few test images to the next; 0: none
    int score_images;        // as `scored` in struct gb_predictor_options
    double time_limit;       // seconds of steps after which it saves and stops; 0: none
    bool score_unfinished;   // where the limit stops it, it is scored and recorded as it stands
};

// GB_BAD_INPUT where `out` holds a run already and neither resume nor replace is set: to be asked
// before the data is loaded. Of `config` nothing needs to be known yet.
enum gb_status gb_training_run_check(const struct gb_training_run *run);

// Runs it on the task's splits. `record` gets what run.json holds; the caller's to json_decref;
// NULL if not wanted. GB_INTERRUPTED after SIGINT or SIGTERM, and at the time limit unless it is to
// be scored: the checkpoint then stands at the last whole step, and the message says so.
enum gb_status gb_training_run(const struct gb_training_run *run, const struct gb_dataset splits[],
                               json_t **record);

#endif
