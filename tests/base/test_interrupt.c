// SPDX-License-Identifier: MIT
#include <signal.h>
#include <stdbool.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/interrupt.h"
#include "tests/support/test.h"

static const int signals[] = {SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2, SIGXCPU, SIGPIPE};
enum { SIGNALS = sizeof signals / sizeof *signals };

GB_TEST(signals_ask_to_stop) {
    for (int i = 0; i < SIGNALS; i++) {
        struct sigaction after;
        gb_interrupt_watch();
        assert_false(gb_interrupt_asked());
        raise(signals[i]);
        assert_true(gb_interrupt_asked());
        gb_interrupt_unwatch();
        sigaction(signals[i], NULL, &after);
        // Nobody reads what is printed after SIGPIPE.
        assert_true(signals[i] == SIGPIPE ? after.sa_handler != SIG_DFL
                                          : after.sa_handler == SIG_DFL);
        signal(signals[i], SIG_DFL);
    }
}

GB_TEST(ignored_signals_stay_ignored) {
    for (int i = 0; i < SIGNALS; i++) {
        signal(signals[i], SIG_IGN);
        gb_interrupt_watch();
        raise(signals[i]);
        assert_false(gb_interrupt_asked());
        gb_interrupt_unwatch();
        raise(signals[i]);
        signal(signals[i], SIG_DFL);
    }
}

// But not those that the system repeats by itself.
GB_TEST(a_second_signal_ends_the_process) {
    for (int i = 0; i < SIGNALS; i++) {
        int state;
        const pid_t child = fork();
        if (child == 0) {
            gb_interrupt_watch();
            raise(signals[i]);
            raise(signals[i]);
            _exit(gb_interrupt_asked() ? 0 : 1);
        }
        assert_int_equal(waitpid(child, &state, 0), child);
        if (signals[i] == SIGXCPU || signals[i] == SIGPIPE)
            assert_true(WIFEXITED(state) && WEXITSTATUS(state) == 0);
        else
            assert_true(WIFSIGNALED(state) && WTERMSIG(state) == signals[i]);
    }
}
