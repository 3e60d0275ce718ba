// SPDX-License-Identifier: MIT
// Launches: runs of the program in separate processes. The layout of a process's memory and code is
// fixed until it ends and can change a kernel's speed by a quarter, so repetitions in one process
// agree with each other better than with those of the next. Verdicts are based on launches.
#ifndef GB_LAUNCHES_H
#define GB_LAUNCHES_H

#include <stdbool.h>

#include "base/status.h"
#include "bench/runner/runner.h"

// The running program, even if its file was renamed.
#define GB_THIS_EXECUTABLE "/proc/self/exe"

// Runs `executable` with `arguments` (a command and its arguments, ended by NULL) and waits for it.
// Its standard error is not printed: a failure is returned as the status of its exit code, with its
// first line as the reason. `quiet`: its standard output is discarded.
enum gb_status gb_launch(const char *executable, const char *const *arguments, bool quiet);

// What `executable` forecasts for a launch of `bench` with these arguments, to which --forecast is
// added. False if it does not know that option, or fails.
bool gb_launch_forecast(const char *executable, const char *const *arguments,
                        struct gb_forecast *forecast);

// `bench --launches N`: runs this executable `launches` times with the bench arguments `argv`
// (argv[0] is "bench"), so that all add to the same file: without --launches, with `--launch I`,
// with `--budget` in seconds unless it is 0, and from the second on with --resume. Continues after
// a failed check and returns that in the end.
enum gb_status gb_launches_run(int argc, const char **argv, int launches, double budget);

#endif
