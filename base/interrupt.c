// SPDX-License-Identifier: MIT
#include "base/interrupt.h"

#include <signal.h>
#include <stddef.h>

static volatile sig_atomic_t stop_asked;
static void ask_to_stop(int signal) {
    (void)signal;
    stop_asked = 1;
}

static const int watched[] = {SIGINT, SIGTERM, SIGHUP, SIGXCPU};
enum { WATCHED = sizeof watched / sizeof *watched };
static struct sigaction before[WATCHED];

void gb_interrupt_watch(void) {
    stop_asked = 0;
    for (int i = 0; i < WATCHED; i++) {
        sigaction(watched[i], NULL, &before[i]);
        if (before[i].sa_handler == SIG_IGN)
            continue;
        // SA_RESTART, since an interrupted read or write would fail the run.
        struct sigaction action = {.sa_handler = ask_to_stop, .sa_flags = SA_RESTART};
        if (watched[i] != SIGXCPU)
            action.sa_flags |= (int)SA_RESETHAND;
        sigaction(watched[i], &action, NULL);
    }
}

bool gb_interrupt_asked(void) {
    return stop_asked;
}

void gb_interrupt_unwatch(void) {
    for (int i = 0; i < WATCHED; i++)
        sigaction(watched[i], &before[i], NULL);
}
