// SPDX-License-Identifier: MIT
// The rows of a sweep, in memory and, as they are timed, in a file. A sweep that was interrupted,
// or killed while it wrote, can resume in the same file.
#ifndef GB_JOURNAL_H
#define GB_JOURNAL_H

#include <stdbool.h>
#include <stdio.h>

#include "base/lock.h"
#include "bench/runner/row.h"

struct gb_journal {
    const char *path; // NULL: the rows are kept in memory only
    FILE *file;
    struct gb_lock lock;
    bool created;            // by this journal
    struct gb_rows rows;     // of the file, in its order
    bool dropped;            // the file's last line was incomplete and has been removed
    json_t *machine, *build; // of new rows (struct gb_row)
};

// Opens `path`, whose text must outlive the journal, and locks it by PATH.lock. Without `resume` it
// must be absent or empty; with it, its rows must come from this machine and build. GB_BAD_INPUT if
// it has rows and `resume` is not set, if they are damaged, if another process has the file open as
// a journal (the message names it), or if `resume` is set for what is not a regular file;
// GB_NOT_COMPARABLE if they come from another machine or build; GB_IO_ERROR if it cannot be opened.
// On failure there is nothing to close.
enum gb_status gb_journal_open(struct gb_journal *journal, const char *path, bool resume);

// The row with this key, or NULL.
const struct gb_row *gb_journal_find(const struct gb_journal *journal, const char *problem,
                                     const char *backend, int threads, enum gb_cache cache,
                                     int launch);

// Adds the time, the load, machine and build to the row, appends it to the file and flushes, and
// moves it to the list. On failure the caller still owns it.
enum gb_status gb_journal_add(struct gb_journal *journal, struct gb_row *row);

// Removes a file that it created and that got no row.
void gb_journal_close(struct gb_journal *journal);

#endif
