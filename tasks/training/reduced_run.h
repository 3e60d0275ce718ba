// SPDX-License-Identifier: MIT
// A task's reduced run: generated data and the task's first model, small enough to train in half a
// minute.
#ifndef GB_REDUCED_RUN_H
#define GB_REDUCED_RUN_H

#include "tasks/run_config.h"

struct gb_reduced_job {
    struct gb_run_config config; // seed 0
    struct gb_dataset splits[GB_SPLITS];
};

// Must be closed even on failure.
enum gb_status gb_reduced_open(const struct gb_task *task, int threads, int iterations,
                               struct gb_reduced_job *job);
void gb_reduced_close(struct gb_reduced_job *job);

// Whether a run's headline metric is better than the trivial baseline's; false if either is
// missing.
bool gb_reduced_beats_trivial(const struct gb_task *task, const json_t *record);

// GB_CHECK_FAILED with the names of the tasks whose metric is not better; records in the order of
// gb_tasks.
enum gb_status gb_reduced_check(json_t *const *records);

#endif
