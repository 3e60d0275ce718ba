// SPDX-License-Identifier: MIT
// Command-line options that choose scenes, for tasks whose data have them.
#ifndef GB_SCENE_OPTIONS_H
#define GB_SCENE_OPTIONS_H

#include "base/options.h"
#include "tasks/task.h"

enum { GB_SCENE_OPTIONS = 4 };

// Fills `options` with those that set *choice.
void gb_scene_options(struct gb_scene_choice *choice, struct gb_option options[GB_SCENE_OPTIONS]);

// GB_BAD_INPUT where scenes are chosen for a task without any, for generated data, or together with
// lists of frames. To be called before the data are loaded.
enum gb_status gb_scene_options_check(const struct gb_task *task, const struct gb_source *source);

#endif
