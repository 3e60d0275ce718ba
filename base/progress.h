// SPDX-License-Identifier: MIT
// A long loop's progress on standard output: a bar that redraws itself on a terminal, plain lines
// every few seconds elsewhere.
#ifndef GB_PROGRESS_H
#define GB_PROGRESS_H

#include <stdbool.h>

struct gb_progress {
    const char *label;
    long first, last; // steps: from first + 1 to last
    bool terminal;
    double start, shown; // seconds: when the loop began, when something was last shown
};

void gb_progress_begin(struct gb_progress *progress, const char *label, long first, long last);

// After step `step` of a loop that does `per_step` images a step: shows the value, images per
// second and the time left if it is time to.
void gb_progress_step(struct gb_progress *progress, long step, const char *name, double value,
                      double per_step);

// For loops whose steps cost differently: true if it is time to show something; then `share` of the
// work is done, 0 to 1, and `text` says more.
bool gb_progress_due(const struct gb_progress *progress);
void gb_progress_show(struct gb_progress *progress, double share, const char *text);

// Ends the bar's line.
void gb_progress_end(struct gb_progress *progress);

// Seconds as "4 s", "3 min 20 s" or "2 h 05 min".
void gb_duration_text(double seconds, char text[static 32]);

#endif
