// SPDX-License-Identifier: MIT
// The rows of many commits of one machine as series, and the changes in them.
//
// The value of a row at a commit is the median over its launches of the logarithm of its time
// divided by that of the control row of the same launch and thread count, so what slows the whole
// machine cancels. A launch whose control is 3 % (GB_THRESHOLD) or more off the median of the seven
// commits before is left out: other load on the machine never slows all rows alike. If the machine
// itself has changed, that median follows within four commits.
#ifndef GB_HISTORY_H
#define GB_HISTORY_H

#include "bench/history/changes.h"
#include "bench/runner/row.h"
#include "bench/verdict/verdict.h"

struct gb_history_commit {
    const char *name, *date; // as rows have them (build: commit, commit_date); date "" if unknown
    const char *finished;    // when its first row was
    const json_t *machine, *build; // of that row
};

struct gb_history_row {
    const struct gb_row *row; // its latest
    double *values;           // by commit: log(time / control); NAN: missing or left out
    double *seconds;          // the median of all launches without an error; NAN
    int failing;              // since which commit it fails in every later one; -1 if it does not
};

struct gb_history {
    struct gb_history_commit *commits; // in order
    int commit_count;
    struct gb_history_row *rows; // by problem, backend, threads, cache; without the control
    int row_count;
    const struct gb_row **timed; // the rows that it was made of, by row, commit and launch
    size_t timed_count;
    int launches, left_out; // of all commits
    struct gb_level_changes changes;
    double *all_values; // of the rows, one after another
    double *all_seconds;
};

// Reads files of rows, and all files *.jsonl of directories. Launches are renumbered, so that those
// of different files differ. GB_BAD_INPUT as gb_rows_read, and for a directory without such files.
enum gb_status gb_history_read(const char *const *paths, int count, struct gb_rows *rows);

// The order of the commits.
struct gb_history_order {
    bool by_time;     // when their rows were timed
    const char *path; // a file of commits, oldest first, as `git rev-list --reverse` prints them;
                      // others are left out; NULL: by commit date
};

// Takes the rows of the machine whose CPU model contains `machine` (NULL: of the only one), which
// must outlive the history; it is to be freed even on failure. GB_NOT_COMPARABLE if they come from
// several machines (CPU model, CPUs and caches) or types of build; GB_BAD_INPUT if a commit has no
// date, no commit is in the file of `order`, or a launch has a row twice.
enum gb_status gb_history_make(const struct gb_rows *rows, const char *machine,
                               const struct gb_history_order *order, struct gb_history *history);
void gb_history_free(struct gb_history *history);

// The index of the commit that `name` is, or abbreviates to seven digits or more. GB_BAD_INPUT if
// there is none or more than one.
enum gb_status gb_history_find_commit(const struct gb_history *history, const char *name,
                                      int *index);

// Changes of several rows that have the same commit among their likely ones, and go the same way.
struct gb_history_alert {
    int commit, found; // of its clearest change
    enum gb_change change;
    struct gb_level_change **list; // of the history
    int count;
};

struct gb_history_judgement {
    struct gb_history_alert *alerts; // by commit
    int alert_count;
    struct gb_level_change **lists; // of the alerts, one after another
    int slower, failing;            // rows that count for the verdict
    enum gb_verdict verdict;
    char reason[200];
};

struct gb_history_question {
    int since; // only changes after this commit count; -1: all
    bool once; // only those that the last commit's rows have revealed
};

// A regression is a row that became slower and has not recovered, or that fails. Inconclusive: no
// row has enough commits to find a change of any size, or fewer than GB_MIN_STRETCH follow `since`.
// GB_OUT_OF_MEMORY; to be freed even then.
enum gb_status gb_history_judge(const struct gb_history *history,
                                const struct gb_history_question *question,
                                struct gb_history_judgement *judgement);
void gb_history_judgement_free(struct gb_history_judgement *judgement);

// Whether the change counts for the verdict.
bool gb_history_counts(const struct gb_history *history, const struct gb_history_question *question,
                       const struct gb_level_change *change);

// The table of changes and the verdict.
void gb_history_print(const struct gb_history *history,
                      const struct gb_history_judgement *judgement);

// What differs between the builds or systems of a change's commit and the row's commit before, as
// "compiler, flags"; "" if nothing does.
void gb_history_differences(const struct gb_history *history, int commit, char text[static 128]);

// One file OPERATION-DIRECTION.svg per operation into the directory, which is created: a panel per
// backend, thread count and cache state, a line per row. Fails as gb_gnuplot_draw and
// gb_file_write.
enum gb_status gb_history_plot(const struct gb_history *history, const char *directory);

// Writes the history in another tool's format (export.c): "otava=FILE", "lnt=FILE", "bmf=FILE",
// "github=FILE". Otava's has all commits; the others describe one commit, the last, since those
// tools keep the history themselves.
enum gb_status gb_history_export(const struct gb_history *history, const char *format,
                                 const char *path);

// "conv/forward/n2...  avx2, 2 threads, warm"
enum { GB_HISTORY_NAME = 320 };
void gb_history_row_name(const struct gb_row *row, char text[static GB_HISTORY_NAME]);

#endif
