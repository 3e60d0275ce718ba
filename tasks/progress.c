// SPDX-License-Identifier: MIT
#include "tasks/progress.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tasks/clock.h"

static const double terminal_pause = 0.2, line_pause = 10; // seconds between two showings
enum { BAR = 30 };

void gb_duration_text(double seconds, char text[static 32]) {
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
                                     .terminal = isatty(STDOUT_FILENO),
                                     .start = gb_seconds()};
    progress->shown = progress->start;
}

void gb_progress_step(struct gb_progress *progress, long step, const char *name, double value,
                      double per_step) {
    double now = gb_seconds();
    bool last = step == progress->last;
    if (!last && now - progress->shown < (progress->terminal ? terminal_pause : line_pause))
        return;
    progress->shown = now;
    double done = (double)(step - progress->first), seconds = now - progress->start;
    char left[32];
    gb_duration_text(seconds / done * (double)(progress->last - step), left);
    char bar[BAR + 1];
    int filled = (int)((double)BAR * (double)step / (double)progress->last);
    memset(bar, '.', BAR);
    memset(bar, '#', (size_t)filled);
    bar[BAR] = '\0';
    if (progress->terminal)
        printf("\r%s [%s] %ld/%ld  ", progress->label, bar, step, progress->last);
    else
        printf("%s %ld/%ld  ", progress->label, step, progress->last);
    printf("%s %.4f  %.1f images/s  %s left", name, value, done * per_step / seconds, left);
    fputs(progress->terminal ? "\033[K" : "\n", stdout);
    fflush(stdout);
}

void gb_progress_end(struct gb_progress *progress) {
    if (progress->terminal)
        putchar('\n');
}
