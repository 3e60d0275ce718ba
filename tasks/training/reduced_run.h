// SPDX-License-Identifier: MIT
// A task's reduced run: synthetic data and the task's first model, made so small that half a minute
// trains it.
#ifndef GB_REDUCED_RUN_H
#define GB_REDUCED_RUN_H

#include "tasks/training/run_config.h"

struct gb_reduced_job {
    struct gb_run_config config; // seed 0
    struct gb_dataset splits[GB_SPLITS];
};

// To be closed whether it succeeds or not.
enum gb_status gb_reduced_open(const struct gb_task *task, int threads, int iterations,
                               struct gb_reduced_job *job);
void gb_reduced_close(struct gb_reduced_job *job);

#endif
