// SPDX-License-Identifier: MIT
// Changes of level in the rows of a history. A row has one value per commit, the logarithm of a
// time, or NAN.
//
// A change point control chart (Hawkins and Deng 2010, A nonparametric change-point control chart,
// JQT 42(2)): commits are taken one after another; with each, every split of a row since its last
// change into values before and after is tested by Wilcoxon's rank-sum test, the smallest p-values
// of all rows that have a value there go through Benjamini and Hochberg's correction at
// GB_CHANGE_LEVEL, and a row that is significant and has shifted by GB_MIN_SHIFT has changed at its
// best split, where its next stretch begins. What was found at one commit is thus found again
// whatever follows. Ranks make the rate of false alarms the same for any noise that is independent
// from commit to commit: of series of 60 commits that do not change, 0.7 % give an alarm.
//
// Both sides of a split have GB_MIN_STRETCH commits or more, and up to three commits in a row that
// differ from those on both sides of them are left out as spikes, as other load on the machine
// makes them.
#ifndef GB_CHANGES_H
#define GB_CHANGES_H

#include <stdbool.h>

#include "base/status.h"
#include "bench/compare/comparison.h"

enum { GB_MIN_STRETCH = 5 };
#define GB_CHANGE_LEVEL 2e-5
#define GB_MIN_SHIFT 1.015 // half of the threshold of `compare`; code layout alone shifts by less

struct gb_level_change {
    int row;
    int commit; // the first with the new level
    int earliest,
        latest; // range of its likely positions: splits whose p-value is at most 100 times
                // that of the best
    int found;  // the commit whose values made it significant
    double ratio, low, high; // of the times after to those before, and its interval
    double chance;           // p-value of the split, on one side
    enum gb_change change;   // GB_SLOWER, GB_FASTER
    bool recovered; // the row's last level is as fast as that before this change, or faster
};

struct gb_level_changes {
    struct gb_level_change *list; // by row, then commit
    int count;
    int undecidable; // rows too short to find a change of any size
    int needed;      // commits with which no row would be
};

// values[row * commits + commit]. GB_OUT_OF_MEMORY; there is then nothing to free.
enum gb_status gb_level_changes_find(const double *values, int rows, int commits,
                                     struct gb_level_changes *changes);
void gb_level_changes_free(struct gb_level_changes *changes);

#endif
