// SPDX-License-Identifier: MIT
// Signals that would end the process as requests, so that a long job can save before it stops:
// SIGINT, SIGTERM, SIGHUP, SIGXCPU, SIGUSR1, SIGUSR2 and SIGPIPE.
#ifndef GB_INTERRUPT_H
#define GB_INTERRUPT_H

#include <stdbool.h>

// From now on such a signal is a request, unless it was ignored; a second SIGINT, SIGTERM, SIGHUP,
// SIGUSR1 or SIGUSR2 ends the process.
void gb_interrupt_watch(void);

bool gb_interrupt_asked(void);

// Restores the handlers before gb_interrupt_watch.
void gb_interrupt_unwatch(void);

#endif
