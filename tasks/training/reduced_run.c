// SPDX-License-Identifier: MIT
#include "tasks/training/reduced_run.h"

enum gb_status gb_reduced_open(const struct gb_task *task, int threads, int iterations,
                               struct gb_reduced_job *job) {
    const struct gb_reduced_run *reduced = &task->reduced;
    const struct gb_source source = {.size = reduced->size, .threads = threads};
    const struct gb_task_model *model = &task->models[0];
    *job = (struct gb_reduced_job){0};
    GB_TRY(task->load(&source, job->splits));
    GB_TRY(gb_run_config_default(task, model, source.size, &job->splits[GB_SPLIT_TRAIN].shape,
                                 &job->config));
    if (model->reduce)
        model->reduce(&job->config.config);
    job->config.batch = reduced->batch;
    job->config.learning_rate = reduced->learning_rate;
    job->config.iterations = iterations;
    return GB_OK;
}

void gb_reduced_close(struct gb_reduced_job *job) {
    for (int i = 0; i < GB_SPLITS; i++)
        gb_dataset_free(&job->splits[i]);
}
