// SPDX-License-Identifier: MIT
// A task: a data set, what a model is asked about it, and how its answer is scored. A task is one
// file (tasks/horses.c) that reads like its section of the paper; what tasks share is in the files
// around it.
#ifndef GB_TASK_H
#define GB_TASK_H

#include <jansson.h>

#include "flows/models/cglow.h"
#include "tasks/data/dataset.h"

// Where a task's data come from.
struct gb_task_source {
    const char *folder;       // the data set as published; NULL: the task's synthetic one
    const char *split_folder; // the lists of the split; NULL: the task's own rule
    int size;                 // height and width of the target
    int threads;
};

struct gb_task {
    const char *name, *summary;
    const char *paper;   // section and table
    const char *dataset; // what `folder` must hold
    int default_size;
    // The distance between two levels of a discrete target: uniform dequantisation noise fills it.
    // 0: the target is real-valued and gets none.
    float level_distance;
    // What the authors' code adds to bits per dimension by its own choice of levels.
    double published_bits;

    // Both splits.
    enum gb_status (*load)(const struct gb_task_source *source, struct gb_dataset splits[]);
    // The paper's model for this size of target.
    void (*configure)(int size, struct gb_cglow_config *config);
    // Data's y to the model's target, before noise; the inverse for a sample or a mean of samples,
    // as a picture in [0, 1] (values beyond are the picture's to clip); the answer that is scored.
    void (*target)(const struct gb_tensor *y, const struct gb_tensor *target);
    void (*reveal)(const struct gb_tensor *target, const struct gb_tensor *picture);
    void (*decide)(const struct gb_tensor *picture, const struct gb_tensor *answer);
    // Adds the task's metrics, and those of its trivial baselines as "trivial_NAME", to `metrics`,
    // and to each object of the array `per_image`. GB_OUT_OF_MEMORY.
    enum gb_status (*score)(const struct gb_dataset *train, const struct gb_dataset *test,
                            const struct gb_tensor *answers, json_t *metrics, json_t *per_image);
    const char *headline; // the metric that stands for the task in one line
};

// All tasks, ended by NULL.
const struct gb_task *const *gb_tasks(void);

// Heights and widths of targets that tasks are asked for.
enum { GB_LEAST_SIZE = 8, GB_MOST_SIZE = 1024 };

// GB_BAD_INPUT where the model takes images or targets of another size than the set's.
enum gb_status gb_task_check_data(const struct gb_cglow_config *model,
                                  const struct gb_dataset *set);

// GB_BAD_INPUT with the names that there are.
enum gb_status gb_task_find(const char *name, const struct gb_task **task);

#endif
