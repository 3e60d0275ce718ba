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
