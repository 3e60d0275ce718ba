// SPDX-License-Identifier: MIT
// The commands train, eval, sample and run.
#ifndef GB_TASKS_COMMANDS_H
#define GB_TASKS_COMMANDS_H

#include "base/command.h"
#include "tasks/training/step_profile.h"

extern const struct gb_command gb_train_command, gb_eval_command, gb_sample_command, gb_run_command;

// The smallest --time-limit, in minutes.
#define GB_MIN_TIME_LIMIT 1e-4f

// `glowbench train` with these arguments, from another command; `resume_hint` is printed when the
// run is interrupted.
enum gb_status gb_train_argv(int argc, const char **argv, const char *resume_hint);

// How `train --profile` measures the machine's peaks. The code for that is in bench/peaks, in a
// room above this one, so the program sets it. NULL: profiles have no shares of peak.
extern gb_measure_peaks_fn *gb_train_measure_peaks;

// Prints a line about the data: a source's `note`.
void gb_print_note(const char *line);

#endif
