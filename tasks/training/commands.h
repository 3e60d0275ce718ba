// SPDX-License-Identifier: MIT
// The commands train, eval, sample and run.
#ifndef GB_TASKS_COMMANDS_H
#define GB_TASKS_COMMANDS_H

#include "base/command.h"

extern const struct gb_command gb_train_command, gb_eval_command, gb_sample_command, gb_run_command;

// The smallest --time-limit, in minutes.
#define GB_MIN_TIME_LIMIT 1e-4f

// `glowbench train` with these arguments, from another command; `resume_hint` is printed when the
// run is interrupted.
enum gb_status gb_train_argv(int argc, const char **argv, const char *resume_hint);

#endif
