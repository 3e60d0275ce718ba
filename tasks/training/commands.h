// SPDX-License-Identifier: MIT
// The commands of this room.
#ifndef GB_TASKS_COMMANDS_H
#define GB_TASKS_COMMANDS_H

#include "base/command.h"

extern const struct gb_command gb_train_command, gb_eval_command, gb_sample_command, gb_run_command;

// Minutes that --time-limit takes at least.
#define GB_MIN_TIME_LIMIT 1e-4f

// What follows `glowbench train`, as a part of another command: `resume_hint` tells the user how to go
// on where it was stopped.
enum gb_status gb_train_argv(int argc, const char **argv, const char *resume_hint);

#endif
