// SPDX-License-Identifier: MIT
// Launches: runs of the program in processes of their own. Where a process's memory and code come
// to lie stays as it is until it ends and can change a kernel's speed by a quarter, so repetitions
// in one process agree with each other better than with those of the next: what a verdict rests on
// are launches.
#ifndef GB_LAUNCHES_H
#define GB_LAUNCHES_H

#include <stdbool.h>

#include "base/status.h"

// The running program, whatever its name is by now.
#define GB_THIS_EXECUTABLE "/proc/self/exe"

// Runs `executable` with `arguments` (a command and what it takes, ended by NULL) and waits for its
// end. Its errors are not printed: a failure is returned as the status that its exit code stands
// for, with its own line as the reason. `quiet`: its standard output goes nowhere.
enum gb_status gb_launch(const char *executable, const char *const *arguments, bool quiet);

// `bench --launches N`: the bench command line `argv` (argv[0] is "bench") run `launches` times by
// this executable, --launches taken out, `--launch I` added and, from the second on, --resume, so
// that all add to the same file. Goes on after a launch whose check failed and returns that status
// in the end; stops at any other failure.
enum gb_status gb_launches_run(int argc, const char **argv, int launches);

#endif
