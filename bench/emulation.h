// SPDX-License-Identifier: MIT
// Times taken while an emulator such as qemu-aarch64 runs the program are of the emulator.
#ifndef GB_EMULATION_H
#define GB_EMULATION_H

#include <stdbool.h>

#include "base/status.h"

// GB_UNSUPPORTED with a message if an emulator runs the program, unless that is allowed. `what`
// names the action: "cannot time".
enum gb_status gb_emulation_check(const char *what, bool allowed);

// The option that allows it, into a bool.
#define GB_ALLOW_EMULATION(allowed)                                                                \
    gb_option_flag("allow-emulation", allowed,                                                     \
                   "time although an emulator runs the program (for tests)")

#endif
