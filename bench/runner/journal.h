// SPDX-License-Identifier: MIT
// The rows of a sweep, in memory and, row by row as they come, in a file. A sweep that was stopped,
// or killed while it wrote, goes on in the same file.
#ifndef GB_JOURNAL_H
#define GB_JOURNAL_H

#include <stdbool.h>
#include <stdio.h>

#include "bench/runner/row.h"

struct gb_journal {
    const char *path; // NULL: the rows are kept in memory alone
    FILE *file;
    bool created;            // the file was not there
    struct gb_rows rows;     // of the file, in its order
    bool dropped;            // the file's last line was cut short and is gone
    json_t *machine, *build; // that new rows are of (struct gb_row)
};

// Opens `path`, whose text must outlive the journal. Without `resume` it has to be absent or empty;
// with it, its rows must be of this machine and build. GB_BAD_INPUT where there are rows that are
// not to be gone on with, or damaged ones; GB_NOT_COMPARABLE where they are of another machine or
// build; GB_IO_ERROR where the system refuses. On failure there is nothing to close.
enum gb_status gb_journal_open(struct gb_journal *journal, const char *path, bool resume);

// The row with this key; NULL if there is none.
const struct gb_row *gb_journal_find(const struct gb_journal *journal, const char *problem,
                                     const char *backend, int threads, enum gb_cache cache,
                                     int launch);

// Stamps the row with the time, the load, machine and build, appends it to the file and flushes,
// and moves it to the list. On failure it stays the caller's.
enum gb_status gb_journal_add(struct gb_journal *journal, struct gb_row *row);

// A file that was created and got no row is removed.
void gb_journal_close(struct gb_journal *journal);

#endif
