// SPDX-License-Identifier: MIT
// Two sets of rows joined, tested and judged. The unit is the launch: the median of a row in one
// launch is one value, and the mean of an operation's rows one value of the operation. Rows are
// joined by problem, backend, threads and cache; an operation is all joined rows of one operation,
// direction, backend and thread count.
//
// There are two gates, each in both directions: the geometric mean of each operation, in which the
// noise of single rows averages out, and the rows. A gate finds what is significant by the rank
// test with Benjamini and Hochberg's correction and has changed by the threshold or more. If
// nothing has changed, the chance that anything is found is at most 1 % (GB_FALSE_ALARMS), shared
// equally by the four.
#ifndef GB_COMPARISON_H
#define GB_COMPARISON_H

#include "bench/compare/statistics.h"
#include "bench/runner/row.h"

#define GB_FALSE_ALARMS 0.01
#define GB_GATES 4         // operations and rows, slower and faster
#define GB_CONFIDENCE 0.99 // of the intervals

enum gb_pairing {
    GB_UNPAIRED, // launches of two separate sessions: rank sums
    GB_PAIRED,   // launch i of one with launch i of the other: signed ranks of their ratios, or of
                 // the ratios' medians by layout
};

enum gb_side { GB_BASE, GB_NEW, GB_SIDES };

enum gb_change { GB_UNCHANGED, GB_SLOWER, GB_FASTER };

struct gb_compared {
    const struct gb_row *row;              // the row, one of the operation's rows
    int rows;                              // 1, or the operation's
    double times[GB_SIDES][GB_SAMPLE_MAX]; // log(median seconds) by launch; NAN: missing
    double ratio, low, high;               // of new to base times, and its interval
    struct gb_p_values chance;    // that noise shifts new times this far up (high) or down (low)
    struct gb_layout_noise noise; // of the pairs' ratios; NAN: not known
    enum gb_change change;
    bool undecidable;  // too few launches to find it alone, whatever the times
    bool non_inferior; // shown to be slower by less than the threshold, if at all
};

// A row that is not joined, or without some of its launches, and why.
struct gb_unjoined {
    const struct gb_row *row; // with the error, if that is the reason
    enum gb_unjoined_reason {
        GB_ONLY_IN_BASE,  // prevents a pass: a kernel may have disappeared with its backend
        GB_ONLY_IN_NEW,   // not a regression
        GB_FAILS_IN_BASE, // in all launches, and possibly in new as well
        GB_FAILS_IN_PART, // in some launches of base; the others are compared
        GB_FAILS_IN_NEW,  // in a launch, while base has one without an error or lacks the row: a
                          // regression, whatever the times
    } reason;
};

struct gb_rule {
    enum gb_pairing pairing;
    double threshold; // the smallest change that counts, as a ratio above 1: 1.03
    double level;     // of each gate and direction
    double clearing;  // level of the test that a row is not slower
    int layouts;      // struct gb_looks
};

enum gb_verdict { GB_NO_REGRESSION, GB_REGRESSION, GB_INCONCLUSIVE };

struct gb_comparison {
    struct gb_compared *rows, *operations, *controls;
    int row_count, operation_count, control_count;
    struct gb_unjoined *unjoined;
    int unjoined_count, failures, missing; // failures: GB_FAILS_IN_NEW; missing: GB_ONLY_IN_BASE
    int open_operations, open_rows;        // not non_inferior
    int launches[GB_SIDES];
    bool other_machine;  // set by the caller: the control then forbids no verdict
    struct gb_rule rule; // by which it was judged
    enum gb_verdict verdict;
    char reason[160]; // one clause, without a full stop
    double *chances;  // scratch of the gates
    bool *found;
};

// Joins the rows, which must outlive the comparison; it is to be freed even on failure.
// GB_BAD_INPUT if a launch has a row twice (control rows are averaged), if there are more than
// GB_SAMPLE_MAX launches, and if no row is in both sets.
enum gb_status gb_comparison_make(const struct gb_rows rows[GB_SIDES],
                                  struct gb_comparison *comparison);
void gb_comparison_free(struct gb_comparison *comparison);

// Tests everything as launches of two sessions, and decides. Times give no verdict if a thread
// count lacks a control row in either set or a control has moved: by more than half the threshold,
// with a p-value of 1 % or less, unless the sets are of different machines, whose controls differ.
// If new lacks rows of base, the only verdict possible is a regression. Rows not shown to be
// non-inferior are counted (open_rows) and change nothing.
void gb_comparison_judge(struct gb_comparison *comparison, double threshold);

// The same for pairs or layouts, at one of the planned looks (of level GB_FALSE_ALARMS / GB_GATES).
// True if it ends there: at the last look, with a regression, if new lacks rows of base, or if
// every row and operation is non_inferior, which is wrong with a chance of at most GB_FALSE_ALARMS
// over all looks (an intersection-union test, which needs no correction for the number of rows). A
// row that is open at the last look makes the verdict inconclusive. Before looks are planned
// (`looks` is zero) only failures and missing rows are found, and end it.
bool gb_comparison_look(struct gb_comparison *comparison, const struct gb_looks *looks, int look,
                        double threshold);

// Prints which builds the rows come from, everything that was compared, and the verdict, which it
// returns: a regression is GB_CHECK_FAILED, inconclusive GB_BAD_INPUT. `names` are the files' or
// the executables'.
enum gb_status gb_comparison_report(const struct gb_comparison *comparison,
                                    const struct gb_rows rows[GB_SIDES],
                                    const char *const names[GB_SIDES]);

// Writes the same to files: operations, rows and what is not joined are cases. `command` is "ab" or
// "compare". GB_IO_ERROR, GB_OUT_OF_MEMORY.
struct gb_verdict_files; // bench/verdict/verdict.h
enum gb_status gb_comparison_write(const struct gb_comparison *comparison, const char *command,
                                   const struct gb_rows rows[GB_SIDES],
                                   const char *const names[GB_SIDES],
                                   const struct gb_verdict_files *files);

// ---- Two sets of rows, and what they must have in common to be compared (comparable.c)

// Reads two files. On failure there is nothing to free.
enum gb_status gb_sides_read(const char *const paths[GB_SIDES], struct gb_rows rows[GB_SIDES]);
void gb_sides_free(struct gb_rows rows[GB_SIDES]);

// The keys of gb_machine_json and of a row's build that distinguish machines and builds. A
// comparison is between builds of different commits, whose launches may be days and a system update
// apart; the columns of a report are of one build on one system.
extern const char *const gb_compared_machine[], *const gb_compared_build[];
extern const char *const gb_reported_machine[], *const gb_reported_build[];

// The first of the keys (ended by NULL) whose values differ; NULL if none do.
const char *gb_first_difference(const json_t *a, const json_t *b, const char *const *keys);

struct gb_allowed {
    bool other_machine, other_build;
};

// The rows of each file must come from one machine, one build and one version of each backend's
// library (GB_BAD_INPUT); both files must come from the same machine (CPU and caches) and the same
// kind of build (type, compiler, flags, versions of the backends' libraries) unless `allowed`
// (GB_NOT_COMPARABLE).
enum gb_status gb_rows_comparable(const struct gb_rows rows[GB_SIDES],
                                  const char *const names[GB_SIDES],
                                  const struct gb_allowed *allowed);

// "3%" or "3" as the ratio 1.03. GB_BAD_INPUT unless it is a number from 0.1 to 100.
enum gb_status gb_threshold_parse(const char *text, double *ratio);
#define GB_THRESHOLD "3%" // the default

#endif
