// SPDX-License-Identifier: MIT
// A training run and its directory: checkpoint.safetensors, log.jsonl (one row per 50 steps and per
// score), and at the end run.json (configuration, machine, commit, seed, metrics, speed, memory)
// and samples.png.
#ifndef GB_TRAINING_RUN_H
#define GB_TRAINING_RUN_H

#include "base/lock.h"
#include "tasks/training/step_profile.h"

struct gb_training_run {
    struct gb_run_config config;
    const char *data_directory; // UTF-8; NULL: generated data
    const struct gb_backend *backend;
    int threads;
    const char *out;
    const char *resume_hint; // printed when the run is interrupted
    const char *label;       // of its progress; NULL: the task's name
    double rest; // work after its steps, in multiples of theirs: the time left includes it
    bool resume; // from the checkpoint in `out`, whose configuration is `config`
    bool accept_changed_data; // of a resumed run: noted in its checkpoints and record
    bool replace;             // overwrite a run in `out`
    int checkpoint_every;     // steps; at least one every five minutes
    int samples;              // averaged by a prediction of the final evaluation
    int crops;                // as in struct gb_predictor_options
    int score_every;          // steps between scores of a few test images; 0: none
    int score_images;         // as `scored` in struct gb_predictor_options
    double time_limit;        // seconds of training after which it saves and stops; 0: none
    bool profile;             // of its steps, in the record
    gb_measure_peaks_fn *measure_peaks; // for the profile; NULL: it has no shares of peak
    bool score_unfinished;              // a run stopped by the limit is scored and recorded
    struct gb_lock lock;                // on `out`; zeroed before
};

// Locks `out` where it exists, until gb_training_run or gb_lock_release. GB_BAD_INPUT where another
// process trains in it, and where it holds a run and neither resume nor replace is set. To be
// called before the data are loaded; does not read `config`.
enum gb_status gb_training_run_check(struct gb_training_run *run);

// Trains on the task's splits. `record` (NULL: not wanted) gets the contents of run.json; the
// caller frees it with json_decref. GB_INTERRUPTED after a signal (base/interrupt.h), and at the
// time limit unless score_unfinished: the checkpoint is then of the last complete step, and the
// message says so; it is saved as well where training data fail to decode. The ranks of a job share
// the steps; rank 0 scores the model and has the record, others leave `record` alone.
enum gb_status gb_training_run(struct gb_training_run *run, const struct gb_dataset splits[],
                               json_t **record);

#endif
