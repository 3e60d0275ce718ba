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

// Whether the metric that stands for a task is better than the trivial baseline's, by a run's
// record; where one of them is missing it is not.
bool gb_reduced_beats_trivial(const struct gb_task *task, const json_t *record);

// GB_CHECK_FAILED with the names of the tasks whose metric is no better; records are in the order
// of gb_tasks.
enum gb_status gb_reduced_check(json_t *const *records);

#endif
