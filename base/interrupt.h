// SPDX-License-Identifier: MIT
// Whether the user asked a long job to stop (SIGINT, SIGTERM), so that it can save first.
#ifndef GB_INTERRUPT_H
#define GB_INTERRUPT_H

#include <stdbool.h>

// From now on a signal only asks; a second one of its kind ends the process at once.
void gb_interrupt_watch(void);

bool gb_interrupt_asked(void);

// Signals do again what they did before gb_interrupt_watch.
void gb_interrupt_unwatch(void);

#endif
