// SPDX-License-Identifier: MIT
#include "base/progress.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/console.h"

// Seconds between updates: of a bar, of lines, of lines with --verbose.
static const double terminal_pause = 0.2, line_pause = 10, verbose_pause = 1;
enum { BAR = 30, SHORTEST_BAR = 5 }; // columns

void gb_duration_text(double seconds, char text[static 32]) {
    if (!(seconds >= 0 && seconds < 1e15)) { // of a file; nothing that was measured
        snprintf(text, 32, "unknown");
        return;
    }
    long whole = (long)(seconds + 0.5);
    if (whole < 60)
        snprintf(text, 32, "%ld s", whole);
    else if (whole < 3600)
        snprintf(text, 32, "%ld min %02ld s", whole / 60, whole % 60);
    else
        snprintf(text, 32, "%ld h %02ld min", whole / 3600, whole / 60 % 60);
}

void gb_progress_begin(struct gb_progress *progress, const char *label, long first, long last) {
    *progress = (struct gb_progress){.label = label,
                                     .first = first,
                                     .last = last,
                                     .terminal = gb_console_escapes() && !gb_console.verbose,
                                     .start = gb_seconds()};
    progress->shown = progress->start;
}

// One line that must not wrap, or it could not be overwritten. Label before text before bar.
static void redraw(const struct gb_progress *progress, double share, const char *text) {
    int room = gb_console_columns() - 1 - (int)strlen(progress->label) - 1;
    int bar = room - (int)strlen(text) - (int)strlen("[] ");
    bar = bar > BAR ? BAR : bar;
    printf("\r%s ", progress->label);
    if (bar >= SHORTEST_BAR) {
        char cells[BAR + 1];
        memset(cells, '.', BAR);
        memset(cells, '#', (size_t)(bar * share));
        printf("[%.*s] ", bar, cells);
    }
    printf("%.*s\033[K", room > 0 ? room : 0, text);
}

bool gb_progress_due(const struct gb_progress *progress) {
    const double pause = progress->terminal   ? terminal_pause
                         : gb_console.verbose ? verbose_pause
                                              : line_pause;
    return !gb_console.quiet && gb_seconds() - progress->shown >= pause;
}

void gb_progress_show(struct gb_progress *progress, double share, const char *text) {
    if (gb_console.quiet)
        return;
    progress->shown = gb_seconds();
    if (progress->terminal)
        redraw(progress, share, text);
    else
        printf("%s %s\n", progress->label, text);
    fflush(stdout);
}

void gb_progress_step(struct gb_progress *progress, long step, const char *name, double value,
                      double per_step) {
    if (step != progress->last && !gb_progress_due(progress))
        return;
    double done = (double)(step - progress->first), seconds = gb_seconds() - progress->start;
    char left[32], text[160];
    const double all = (double)(progress->last - progress->first);
    gb_duration_text(seconds / done * ((1 + progress->rest) * all - done), left);
    snprintf(text, sizeof text, "%ld/%ld  %s %.4f  %.1f images/s  %s left", step, progress->last,
             name, value, done * per_step / seconds, left);
    gb_progress_show(progress, (double)step / (double)progress->last, text);
}

void gb_progress_end(struct gb_progress *progress) {
    if (progress->terminal && progress->shown > progress->start)
        putchar('\n');
}
