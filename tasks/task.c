// SPDX-License-Identifier: MIT
#include "tasks/task.h"

#include <stdio.h>
#include <string.h>

extern const struct gb_task gb_horses;

static const struct gb_task *const tasks[] = {&gb_horses, NULL};

const struct gb_task *const *gb_tasks(void) {
    return tasks;
}

enum gb_status gb_task_find(const char *name, const struct gb_task **task) {
    char names[256] = "";
    for (const struct gb_task *const *t = tasks; *t; t++) {
        if (strcmp((*t)->name, name) == 0) {
            *task = *t;
            return GB_OK;
        }
        size_t used = strlen(names);
        snprintf(names + used, sizeof names - used, "%s%s", used ? ", " : "", (*t)->name);
    }
    return gb_fail(GB_BAD_INPUT, "unknown task", name, "there are: %s", names);
}

enum gb_status gb_task_check_data(const struct gb_cglow_config *model,
                                  const struct gb_dataset *set) {
    const struct gb_tensor *x = &set->x, *y = &set->y;
    if (x->h == model->x_h && x->w == model->x_w && x->c == model->x_c && y->h == model->y_h &&
        y->w == model->y_w)
        return GB_OK;
    return gb_fail(GB_BAD_INPUT, "cannot use the model", "size",
                   "it takes images of %dx%dx%d and targets of %dx%d, the data have %dx%dx%d and "
                   "%dx%d",
                   model->x_h, model->x_w, model->x_c, model->y_h, model->y_w, x->h, x->w, x->c,
                   y->h, y->w);
}
