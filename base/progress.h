// SPDX-License-Identifier: MIT
// Progress of a long loop on stdout: a bar on a terminal that takes escapes, otherwise a line every
// 10 seconds, with --verbose every second; nothing with --quiet (base/console.h).
#ifndef GB_PROGRESS_H
#define GB_PROGRESS_H

#include <stdbool.h>

struct gb_progress {
    const char *label;
    long first, last; // steps: from first + 1 to last
    bool terminal;
    double rest; // work after the loop, in multiples of the loop's: the time left includes it
    double start, shown; // seconds: when the loop began, when something was last shown
};

void gb_progress_begin(struct gb_progress *progress, const char *label, long first, long last);

// After step `step` of a loop with `per_step` images per step: shows the value, images per second
// and the time left, if due.
void gb_progress_step(struct gb_progress *progress, long step, const char *name, double value,
                      double per_step);

// For loops with steps of different cost: whether an update is due; and an update with the share of
// the work done, 0 to 1, and a text.
bool gb_progress_due(const struct gb_progress *progress);
void gb_progress_show(struct gb_progress *progress, double share, const char *text);

// Ends the bar's line.
void gb_progress_end(struct gb_progress *progress);

// Seconds as "4 s", "3 min 20 s" or "2 h 05 min".
void gb_duration_text(double seconds, char text[static 32]);

#endif
