// SPDX-License-Identifier: MIT
// Signals that end a process as requests, so that a long job can save before it stops: SIGINT,
// SIGTERM, SIGHUP and SIGXCPU.
#ifndef GB_INTERRUPT_H
#define GB_INTERRUPT_H

#include <stdbool.h>

// From now on a signal is a request; a second one of its kind ends the process, except SIGXCPU,
// which the kernel repeats every second. A signal that is ignored, as under nohup and in a shell's
// background jobs, stays so.
void gb_interrupt_watch(void);

bool gb_interrupt_asked(void);

// Restores the handlers before gb_interrupt_watch.
void gb_interrupt_unwatch(void);

#endif
