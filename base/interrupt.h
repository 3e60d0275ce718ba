// SPDX-License-Identifier: MIT
// SIGINT and SIGTERM as requests, so that a long job can save before it stops.
#ifndef GB_INTERRUPT_H
#define GB_INTERRUPT_H

#include <stdbool.h>

// From now on a signal is a request; a second one of its kind ends the process.
void gb_interrupt_watch(void);

bool gb_interrupt_asked(void);

// Restores the handlers before gb_interrupt_watch.
void gb_interrupt_unwatch(void);

#endif
