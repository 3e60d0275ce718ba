// SPDX-License-Identifier: MIT
#include "bench/catalog/models.h"

#include <stdio.h>

#include "tasks/run_config.h"

// c-Glow with the batch and samples of its paper (sections 5.1 and A.3), for horses with the mask
// copied to three channels, for inpainting with the quarter in the middle; CNF and its baselines
// with smaller batches than the paper's 64, for vessels at the size of DRIVE's images padded to
// multiples of 16; other baselines with batches of their tasks, but dncnn's 8.
static const struct {
    const char *model, *task, *size;
    struct gb_image_sizes sizes;
    int batch, samples;
} rows[] = {
    {"cglow", "horses", "32", {32, 32, 3, 32, 32, 3}, 2, 10},
    {"cglow", "horses", "64", {64, 64, 3, 64, 64, 3}, 2, 10},
    {"cglow", "horses", "128", {128, 128, 3, 128, 128, 3}, 2, 10},
    {"cglow", "lfw", "32", {32, 32, 3, 32, 32, 3}, 2, 10},
    {"cglow", "lfw", "64", {64, 64, 3, 64, 64, 3}, 2, 10},
    {"cglow", "lfw", "128", {128, 128, 3, 128, 128, 3}, 2, 10},
    {"cglow", "denoise", "128", {128, 128, 3, 128, 128, 3}, 2, 10},
    {"cglow", "depth", "96x128", {96, 128, 1, 96, 128, 1}, 2, 10},
    {"cglow", "inpaint", "64", {64, 64, 3, 32, 32, 3}, 2, 10},
    {"cnf", "sr", "32", {16, 16, 3, 32, 32, 3}, 8, 1},
    {"cnf", "sr", "64", {32, 32, 3, 64, 64, 3}, 2, 1},
    {"cnf", "vessels", "592x576", {592, 576, 3, 592, 576, 1}, 2, 10},
    {"dncnn", "denoise", "128", {128, 128, 3, 128, 128, 3}, 2, 1},
    {"fcn", "horses", "32", {32, 32, 3, 32, 32, 1}, 8, 1},
    {"ffn", "inpaint", "64", {64, 64, 3, 32, 32, 3}, 16, 1},
    {"srcnn", "sr", "32", {16, 16, 3, 32, 32, 3}, 16, 1},
    {"factored", "sr", "32", {16, 16, 3, 32, 32, 3}, 8, 1},
    {"factored", "vessels", "592x576", {592, 576, 3, 592, 576, 1}, 2, 10},
};
enum { MODELS = sizeof rows / sizeof *rows };

enum gb_status gb_model_cases(const struct gb_model_case **cases) {
    static struct gb_model_case list[MODELS + 1];
    static union gb_model_config configs[MODELS];
    static char names[MODELS][48];
    for (int i = 0; i < MODELS && !list[MODELS - 1].name; i++) {
        const struct gb_task *task;
        const struct gb_task_model *model;
        const struct gb_image_sizes *s = &rows[i].sizes;
        const struct gb_example_shape shape = {s->x_h, s->x_w, s->x_c, s->y_h,
                                               s->y_w, s->y_c, false};
        GB_TRY(gb_task_find(rows[i].task, &task));
        GB_TRY(gb_task_model_find(task, rows[i].model, &model));
        GB_TRY(gb_task_configure(model, &shape, &configs[i]));
        snprintf(names[i], sizeof names[i], "%s-%s-%s", model->name, task->name, rows[i].size);
        list[i] = (struct gb_model_case){names[i], model->kind, &configs[i], rows[i].batch,
                                         rows[i].samples};
    }
    *cases = list;
    return GB_OK;
}

enum gb_status gb_own_model_read(const char *checkpoint, struct gb_own_model *own) {
    struct gb_run_config run;
    struct gb_run_origin origin;
    GB_TRY(gb_run_config_read(checkpoint, &run, &origin));
    const struct gb_image_sizes *sizes = &run.config.sizes;
    const bool one = run.model->kind->point_estimate || run.task->one_sample;
    own->config = run.config;
    own->precision = run.precision;
    snprintf(own->name, sizeof own->name, "own-%s-%s-%dx%d", run.model->name, run.task->name,
             sizes->y_h, sizes->y_w);
    own->model = (struct gb_model_case){own->name, run.model->kind, &own->config, run.batch,
                                        one ? 1 : gb_task_samples(run.task)};
    return GB_OK;
}
