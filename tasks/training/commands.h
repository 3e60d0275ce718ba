// SPDX-License-Identifier: MIT
// The commands of this room.
#ifndef GB_TASKS_COMMANDS_H
#define GB_TASKS_COMMANDS_H

#include "tasks/program/command.h"

extern const struct gb_command gb_train_command, gb_eval_command, gb_sample_command, gb_run_command;

#endif
