// SPDX-License-Identifier: MIT
#include "base/interrupt.h"

#include <signal.h>
#include <stddef.h>

static volatile sig_atomic_t stop_asked;
static void ask_to_stop(int signal) {
    (void)signal;
    stop_asked = 1;
}

// Batch systems announce the end of a job by SIGTERM, SIGXCPU, SIGUSR1 or SIGUSR2; a terminal that
// closes by SIGHUP, a reader of the output that is gone by SIGPIPE.
static const struct {
    int signal, flags;
} watched[] = {{SIGINT, (int)SA_RESETHAND},
               {SIGTERM, (int)SA_RESETHAND},
               {SIGHUP, (int)SA_RESETHAND},
               {SIGUSR1, (int)SA_RESETHAND},
               {SIGUSR2, (int)SA_RESETHAND},
               {SIGXCPU, 0},  // repeated every second
               {SIGPIPE, 0}}; // repeated at every write
enum { WATCHED = sizeof watched / sizeof *watched };
static struct sigaction before[WATCHED];

void gb_interrupt_watch(void) {
    stop_asked = 0;
    for (int i = 0; i < WATCHED; i++) {
        // SA_RESTART, since an interrupted read or write would fail the run.
        const struct sigaction action = {.sa_handler = ask_to_stop,
                                         .sa_flags = watched[i].flags | SA_RESTART};
        sigaction(watched[i].signal, NULL, &before[i]);
        if (before[i].sa_handler != SIG_IGN) // as nohup has it, or a job in a script's background
            sigaction(watched[i].signal, &action, NULL);
    }
}

bool gb_interrupt_asked(void) {
    return stop_asked;
}

void gb_interrupt_unwatch(void) {
    for (int i = 0; i < WATCHED; i++)
        if (watched[i].signal != SIGPIPE || !stop_asked) // the last lines have no reader either
            sigaction(watched[i].signal, &before[i], NULL);
}
