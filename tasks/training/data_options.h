// SPDX-License-Identifier: MIT
// Command-line options that say where a task's data come from.
#ifndef GB_DATA_OPTIONS_H
#define GB_DATA_OPTIONS_H

#include "base/options.h"
#include "tasks/task.h"

enum { GB_DATA_OPTIONS = 8 };

// Fills `options` with those that set *source.
void gb_data_options(struct gb_source *source, struct gb_option options[GB_DATA_OPTIONS]);

// GB_BAD_INPUT for options that the task's data do not have, that need others, or that contradict
// each other: lists, masks and scenes for generated data, scenes together with lists. To be called
// before the data are loaded, with source->size and source->width set.
enum gb_status gb_data_options_check(const struct gb_task *task, const struct gb_source *source);

#endif
