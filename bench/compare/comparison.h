// SPDX-License-Identifier: MIT
// Two sets of rows joined, tested and judged. The unit is the launch: a launch's median of a row is
// one value, and its rows' mean one value of their operation. A row is joined with its like by
// problem, backend, threads and cache; an operation is all joined rows of one operation, direction,
// backend and number of threads.
//
// Two gates, each in both directions: first the geometric mean of each operation, where noise of
// single rows averages out, then the rows. A gate finds what the rank test together with Benjamini
// and Hochberg's correction takes for real and what has changed by the threshold or more. Where
// nothing has changed, the chance that anything is found is 1 % (GB_FALSE_ALARMS), shared alike by
// the four.
#ifndef GB_COMPARISON_H
#define GB_COMPARISON_H

#include "bench/compare/statistics.h"
#include "bench/runner/row.h"

#define GB_FALSE_ALARMS 0.01
#define GB_GATES 4         // operations and rows, slower and faster
#define GB_CONFIDENCE 0.99 // of the intervals

enum gb_pairing {
    GB_UNPAIRED, // launches of two sessions: rank sums
    GB_PAIRED,   // launch i of one beside launch i of the other: signed ranks of their ratios
};

enum gb_side { GB_BASE, GB_NEW, GB_SIDES };

enum gb_change { GB_UNCHANGED, GB_SLOWER, GB_FASTER };

struct gb_compared {
    const struct gb_row *row;              // the row, one of the operation's rows
    int rows;                              // 1, or the operation's
    double times[GB_SIDES][GB_SAMPLE_MAX]; // log(median seconds) by launch; NAN: not there
    double ratio, low, high;               // of new to base times, and its interval
    struct gb_p_values chance; // that noise shifts new times so far up (high), so far down (low)
    enum gb_change change;
    bool undecidable; // with so few launches it could not have been found alone, whatever the times
    bool non_inferior; // shown to be slower by less than the threshold, if at all
};

// A row that is not joined, or without some of its launches, and why.
struct gb_unjoined {
    const struct gb_row *row; // with the error, if that is the reason
    enum gb_unjoined_reason {
        GB_ONLY_IN_BASE,  // what new lacks cannot be passed: a kernel may be gone with its backend
        GB_ONLY_IN_NEW,   // no regression
        GB_FAILS_IN_BASE, // in all launches, and maybe in new as well
        GB_FAILS_IN_PART, // in some launches of base, which do not count: the others are compared
        GB_FAILS_IN_NEW,  // in a launch, and base has one without an error or lacks the row: a
                          // regression, whatever the times of others
    } reason;
};

struct gb_rule {
    enum gb_pairing pairing;
    double threshold; // the least change that counts, as a ratio above 1: 1.03
    double level;     // of each gate and direction
    double clearing;  // level at which a row is shown not to be slower
};

enum gb_verdict { GB_NO_REGRESSION, GB_REGRESSION, GB_CANNOT_DECIDE };

struct gb_comparison {
    struct gb_compared *rows, *operations, *controls;
    int row_count, operation_count, control_count;
    struct gb_unjoined *unjoined;
    int unjoined_count, failures, missing; // failures: GB_FAILS_IN_NEW; missing: GB_ONLY_IN_BASE
    int open_operations, open_rows;        // not non_inferior
    int launches[GB_SIDES];
    struct gb_rule rule; // by which it was judged
    enum gb_verdict verdict;
    char reason[160]; // one clause, without a full stop
    double *chances;  // scratch of the gates
    bool *found;
};

// Joins the rows, which must outlive the comparison. GB_BAD_INPUT where a launch has a row twice
// (of the control, such are averaged), where there are more than GB_SAMPLE_MAX launches, and where
// no row has its like.
enum gb_status gb_comparison_make(const struct gb_rows rows[GB_SIDES],
                                  struct gb_comparison *comparison);
void gb_comparison_free(struct gb_comparison *comparison);

// Tests everything, as launches of two sessions, and decides. There is no verdict on times where a
// number of threads has no control row in both or one has moved: by more than half the threshold,
// while the chance that noise moves it so far is 1 % or less. Where new lacks rows of base there is
// none but a regression. So few launches seldom clear a row: those that they leave open are counted
// and do not change the verdict.
void gb_comparison_judge(struct gb_comparison *comparison, double threshold);

// The same for pairs, at one of the looks that were planned (for level GB_FALSE_ALARMS / GB_GATES).
// True if it ends there: with the last look, with a regression, where new lacks rows of base, or
// where each row and operation is non_inferior. That has an error of at most GB_FALSE_ALARMS in all
// looks together: any row alone would refute it, so these tests need no correction for their
// number. There is no verdict where the last look leaves one open, which noise can do. Before any
// look is planned (`looks` is zero) only failures and missing rows are found, and end it.
bool gb_comparison_look(struct gb_comparison *comparison, const struct gb_looks *looks, int look,
                        double threshold);

// Prints all that was compared, and the verdict last.
void gb_comparison_print(const struct gb_comparison *comparison);

// The verdict as a status, with a message about `name` unless it is GB_OK: a regression is
// GB_CHECK_FAILED, what cannot be decided GB_BAD_INPUT.
enum gb_status gb_comparison_status(const struct gb_comparison *comparison, const char *name);

#endif
