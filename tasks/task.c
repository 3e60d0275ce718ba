// SPDX-License-Identifier: MIT
#include "tasks/task.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "tasks/metrics/psnr.h"

extern const struct gb_task gb_horses, gb_lfw, gb_denoise, gb_depth, gb_inpaint;
extern const struct gb_task gb_sr, gb_vessels;

static const struct gb_task *const tasks[] = {&gb_horses,  &gb_lfw, &gb_denoise, &gb_depth,
                                              &gb_inpaint, &gb_sr,  &gb_vessels, NULL};

const struct gb_task *const *gb_tasks(void) {
    return tasks;
}

static void append(char names[static 256], const char *name) {
    size_t used = strlen(names);
    snprintf(names + used, 256 - used, "%s%s", used ? ", " : "", name);
}

enum gb_status gb_task_find(const char *name, const struct gb_task **task) {
    char names[256] = "";
    for (const struct gb_task *const *t = tasks; *t; t++) {
        if (strcmp((*t)->name, name) == 0) {
            *task = *t;
            return GB_OK;
        }
        append(names, (*t)->name);
    }
    return gb_fail(GB_BAD_INPUT, "unknown task", name, "the tasks are %s", names);
}

enum gb_status gb_task_model_find(const struct gb_task *task, const char *name,
                                  const struct gb_task_model **model) {
    char names[256] = "";
    for (const struct gb_task_model *m = task->models; m->name; m++) {
        if (!name || strcmp(m->name, name) == 0) {
            *model = m;
            return GB_OK;
        }
        append(names, m->name);
    }
    return gb_fail(GB_BAD_INPUT, "unknown model", name, "the models of %s are %s", task->name,
                   names);
}

void gb_task_postprocess(const struct gb_task *task, const struct gb_tensor *x,
                         const struct gb_tensor *picture, const struct gb_tensor *prediction) {
    if (task->postprocess)
        task->postprocess(x, picture, prediction);
    else
        gb_clip(picture, prediction);
}

void gb_target_copied(const struct gb_tensor *x, const struct gb_tensor *from,
                      const struct gb_tensor *to) {
    (void)x;
    gb_copy_values(from, to);
}

int gb_task_samples(const struct gb_task *task) {
    enum { CGLOW_SAMPLES = 10 };
    return task->samples ? task->samples : CGLOW_SAMPLES;
}

double gb_task_bits(const struct gb_task *task, enum gb_dequantisation dequantisation,
                    double log_likelihood, size_t dimensions) {
    double bits = gb_bits_per_dimension(log_likelihood, dimensions);
    bool density = dequantisation == GB_DEQUANTISED_BY_CALLER && task->level_distance > 0;
    return density ? bits - log2((double)task->level_distance) : bits;
}

enum gb_status gb_task_configure(const struct gb_task_model *model,
                                 const struct gb_example_shape *shape,
                                 union gb_model_config *config) {
    if (model->flow) {
        union gb_model_config flow;
        GB_TRY(gb_task_configure(model->flow, shape, &flow));
        return gb_factored_match(&flow.cnf, &config->factored);
    }
    const int y_c = model->config.sizes.y_c ? model->config.sizes.y_c : shape->y_c;
    *config = model->config;
    config->sizes =
        (struct gb_image_sizes){shape->x_h, shape->x_w, shape->x_c, shape->y_h, shape->y_w, y_c};
    return GB_OK;
}

enum gb_status gb_task_check_shape(const struct gb_model_kind *kind, const void *config,
                                   const struct gb_example_shape *shape) {
    struct gb_model_shapes takes;
    gb_model_shapes(kind, config, 1, &takes);
    const struct gb_tensor *x = &takes.x, *y = &takes.y;
    if (x->h == shape->x_h && x->w == shape->x_w && x->c == shape->x_c && y->h == shape->y_h &&
        y->w == shape->y_w)
        return GB_OK;
    return gb_fail(GB_BAD_INPUT, "cannot use the model", "size",
                   "it takes images of %dx%dx%d and targets of %dx%d, the data have %dx%dx%d and "
                   "%dx%d",
                   x->h, x->w, x->c, y->h, y->w, shape->x_h, shape->x_w, shape->x_c, shape->y_h,
                   shape->y_w);
}
