// SPDX-License-Identifier: MIT
#include "tasks/training/reduced_run.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

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

// NaN, which compares false, if it is missing.
static double metric(const json_t *record, const char *prefix, const char *name) {
    char key[128];
    snprintf(key, sizeof key, "%s%s", prefix, name);
    const json_t *value = json_object_get(json_object_get(record, "metrics"), key);
    return json_is_number(value) ? json_number_value(value) : NAN;
}

bool gb_reduced_beats_trivial(const struct gb_task *task, const json_t *record) {
    const double model = metric(record, "", task->headline),
                 trivial = metric(record, "trivial_", task->headline);
    return task->lower_is_better ? model < trivial : model > trivial;
}

enum gb_status gb_reduced_check(json_t *const *records) {
    const struct gb_task *const *tasks = gb_tasks();
    char names[256] = "";
    for (int i = 0; tasks[i]; i++) {
        const size_t used = strlen(names);
        if (!gb_reduced_beats_trivial(tasks[i], records[i]))
            snprintf(names + used, sizeof names - used, "%s%s", used ? ", " : "", tasks[i]->name);
    }
    return *names ? gb_fail(GB_CHECK_FAILED, "no better than the trivial baseline", names,
                            "see the metrics in the table")
                  : GB_OK;
}
