// SPDX-License-Identifier: MIT
// A command of the program. It lives in the directory that does its work; main only looks it up by
// name.
#ifndef GB_COMMAND_H
#define GB_COMMAND_H

#include <stdbool.h>

#include "base/status.h"

struct gb_command {
    const char *name, *summary; // summary: one line, no full stop
    // argv[0] is the command's name. Results go to stdout; a failure leaves its message with
    // gb_fail and is returned, and main prints it.
    enum gb_status (*run)(int argc, const char **argv);
    bool reproducible; // it trains or predicts: variables that change results are refused
    bool shared; // the ranks of an MPI job run it together (tasks/parallel/ranks.h); others are for
                 // one process
};

#endif
