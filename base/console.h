// SPDX-License-Identifier: MIT
// What a command prints on stdout next to its results, and how: --quiet and --verbose, escapes and
// colour on terminals that have them, the width of a line.
#ifndef GB_CONSOLE_H
#define GB_CONSOLE_H

#include <stdbool.h>
#include <stdio.h>

// Set by the options, before anything is printed, and read by all that prints: a global, or every
// function that may note something would carry it.
struct gb_console {
    bool quiet, verbose;
};
extern struct gb_console gb_console;

// Entries of the table of options of a command with progress.
#define GB_CONSOLE_OPTIONS                                                                         \
    gb_option_flag("quiet", &gb_console.quiet,                                                     \
                   "no progress, notes or tables: only errors and the final result"),              \
        gb_option_flag("verbose", &gb_console.verbose,                                             \
                       "a line of progress every second, and details (not with --quiet)")

// printf of a note, a table or a step of the work; nothing with --quiet. gb_say_more: only with
// --verbose. Both flush.
void gb_say(const char *format, ...) __attribute__((format(printf, 1, 2)));
void gb_say_more(const char *format, ...) __attribute__((format(printf, 1, 2)));

// Whether stdout is a terminal that takes escapes: TERM is set and is not "dumb".
bool gb_console_escapes(void);

// "PASS" or "FAIL"; green or red where stdout takes escapes, unless NO_COLOR is set and not empty
// (https://no-color.org).
const char *gb_console_verdict(bool passed);

// Words of a text that begins at column `indent` and whose further lines are indented by as much;
// none reaches beyond `columns`, except a longer word. Ends the line.
void gb_print_wrapped(FILE *file, const char *text, int indent, int columns);

// Of the terminal; 80 where stdout is not one.
int gb_console_columns(void);

#endif
