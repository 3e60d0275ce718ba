// SPDX-License-Identifier: MIT
#define _GNU_SOURCE // posix_openpt, ptsname
#include "base/console.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "tests/support/test.h"

// A terminal of 47 columns as stdout; `kept` is what it was.
struct terminal {
    int master, kept;
};

static struct terminal open_terminal(void) {
    struct terminal terminal = {posix_openpt(O_RDWR | O_NOCTTY), dup(STDOUT_FILENO)};
    const struct winsize size = {.ws_row = 24, .ws_col = 47};
    assert_true(terminal.master >= 0 && terminal.kept >= 0);
    assert_int_equal(grantpt(terminal.master), 0);
    assert_int_equal(unlockpt(terminal.master), 0);
    const int slave = open(ptsname(terminal.master), O_RDWR | O_NOCTTY);
    assert_true(slave >= 0);
    assert_int_equal(ioctl(slave, TIOCSWINSZ, &size), 0);
    fflush(stdout);
    dup2(slave, STDOUT_FILENO);
    close(slave);
    return terminal;
}

static void close_terminal(const struct terminal *terminal) {
    fflush(stdout);
    dup2(terminal->kept, STDOUT_FILENO);
    close(terminal->kept);
    close(terminal->master);
}

GB_TEST(colour_is_for_terminals_that_take_it) {
    static const struct {
        const char *term, *no_color;
        bool escapes, colour;
    } cases[] = {
        {"xterm", NULL, true, true},  {"xterm", "", true, true}, {"xterm", "1", true, false},
        {"dumb", NULL, false, false}, {"", NULL, false, false},  {NULL, NULL, false, false},
    };
    const struct terminal terminal = open_terminal();
    bool right = gb_console_columns() == 47;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        unsetenv("TERM");
        unsetenv("NO_COLOR");
        if (cases[i].term)
            setenv("TERM", cases[i].term, 1);
        if (cases[i].no_color)
            setenv("NO_COLOR", cases[i].no_color, 1);
        right = right && gb_console_escapes() == cases[i].escapes &&
                (strcmp(gb_console_verdict(true), "PASS") != 0) == cases[i].colour &&
                (strchr(gb_console_verdict(false), '\033') != NULL) == cases[i].colour &&
                strstr(gb_console_verdict(false), "FAIL");
    }
    close_terminal(&terminal);
    assert_true(right);
}

// Runs `print` with stdout in a pipe; what it wrote, cut at the buffer's size.
static void capture(void (*print)(void), char *text, size_t size) {
    int ends[2];
    const int kept = dup(STDOUT_FILENO);
    assert_int_equal(pipe(ends), 0);
    fflush(stdout);
    dup2(ends[1], STDOUT_FILENO);
    close(ends[1]);
    print();
    fflush(stdout);
    dup2(kept, STDOUT_FILENO);
    close(kept);
    const ssize_t count = read(ends[0], text, size - 1);
    text[count > 0 ? count : 0] = '\0';
    close(ends[0]);
}

static void say_both(void) {
    gb_say("%d,", 1);
    gb_say_more("%d,", 2);
    printf("%s %d %d", gb_console_verdict(true), gb_console_escapes(), gb_console_columns());
}

GB_TEST(quiet_wins_over_verbose) {
    static const struct {
        struct gb_console console;
        const char *text;
    } cases[] = {{{false, false}, "1,PASS 0 80"},
                 {{false, true}, "1,2,PASS 0 80"},
                 {{true, false}, "PASS 0 80"},
                 {{true, true}, "PASS 0 80"}};
    char text[64];
    setenv("TERM", "xterm", 1);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        gb_console = cases[i].console;
        capture(say_both, text, sizeof text);
        gb_console = (struct gb_console){false, false};
        assert_string_equal(text, cases[i].text);
    }
}

static void print_words(void) {
    printf("ab: ");
    gb_print_wrapped(stdout, "one two three  four incomprehensible x", 4, 12);
    gb_print_wrapped(stdout, "", 0, 12);
}

GB_TEST(lines_are_indented_and_end_in_time) {
    char text[128];
    capture(print_words, text, sizeof text);
    assert_string_equal(text, "ab: one two\n    three\n    four\n    incomprehensible\n    x\n\n");
}
