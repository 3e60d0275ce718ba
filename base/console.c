// SPDX-License-Identifier: MIT
#include "base/console.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

struct gb_console gb_console;

static void say(const char *format, va_list arguments) {
    vprintf(format, arguments);
    fflush(stdout);
}

void gb_say(const char *format, ...) {
    if (gb_console.quiet)
        return;
    va_list arguments;
    va_start(arguments, format);
    say(format, arguments);
    va_end(arguments);
}

void gb_say_more(const char *format, ...) {
    if (gb_console.quiet || !gb_console.verbose)
        return;
    va_list arguments;
    va_start(arguments, format);
    say(format, arguments);
    va_end(arguments);
}

bool gb_console_escapes(void) {
    const char *terminal = getenv("TERM");
    return terminal && *terminal && strcmp(terminal, "dumb") != 0 && isatty(STDOUT_FILENO);
}

const char *gb_console_verdict(bool passed) {
    const char *plain = getenv("NO_COLOR");
    if (!gb_console_escapes() || (plain && *plain))
        return passed ? "PASS" : "FAIL";
    return passed ? "\033[32mPASS\033[0m" : "\033[31mFAIL\033[0m";
}

void gb_print_wrapped(FILE *file, const char *text, int indent, int columns) {
    int used = indent;
    while (*text) {
        const int word = (int)strcspn(text, " ");
        if (used > indent && used + 1 + word > columns) {
            fprintf(file, "\n%*s", indent, "");
            used = indent;
        }
        used += fprintf(file, "%s%.*s", used > indent ? " " : "", word, text);
        text += word;
        text += strspn(text, " ");
    }
    fputc('\n', file);
}

int gb_console_columns(void) {
    enum { USUAL = 80 };
    struct winsize window;
    return ioctl(STDOUT_FILENO, TIOCGWINSZ, &window) == 0 && window.ws_col > 0 ? window.ws_col
                                                                               : USUAL;
}
