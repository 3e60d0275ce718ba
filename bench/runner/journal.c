// SPDX-License-Identifier: MIT
#include "bench/runner/journal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/atomic_file.h"
#include "base/files.h"
#include "base/json.h"
#include "tasks/machine.h"

static const char what[] = "cannot start a sweep";

// The parts of gb_machine_json that determine what a row can be compared with.
static enum gb_status describe_here(struct gb_journal *journal) {
    json_t *all;
    GB_TRY(gb_machine_json(&all));
    const char *const machine_keys[] = {"cpu", "caches", "memory_bytes", "system"};
    journal->machine = json_object();
    for (size_t i = 0; i < sizeof machine_keys / sizeof *machine_keys; i++)
        gb_json_put(&journal->machine, machine_keys[i],
                    json_incref(json_object_get(all, machine_keys[i])));
    journal->build = gb_json_copy(json_object_get(all, "build"));
    gb_json_put(&journal->build, "libraries", json_incref(json_object_get(all, "libraries")));
    json_decref(all);
    if (!journal->machine || !journal->build)
        return gb_no_memory(what, "this machine");
    return GB_OK;
}

static enum gb_status check_origin(const struct gb_journal *journal) {
    for (size_t i = 0; i < journal->rows.count; i++) {
        const struct gb_row *row = &journal->rows.list[i];
        if (!json_equal(row->machine, journal->machine))
            return gb_fail(GB_NOT_COMPARABLE, "cannot resume", journal->path,
                           "row %zu is from another machine", i + 1);
        if (!json_equal(row->build, journal->build))
            return gb_fail(GB_NOT_COMPARABLE, "cannot resume", journal->path,
                           "row %zu is from another build", i + 1);
    }
    return GB_OK;
}

static enum gb_status refused(const char *path) {
    return gb_fail(GB_IO_ERROR, what, path, "%s", strerror(errno));
}

// Two sweeps in one file would mix their lines, and --resume would take one's rows for the other's.
static enum gb_status lock(struct gb_journal *journal) {
    char *file = realpath(journal->path, NULL), *path = file ? gb_format("%s.lock", file) : NULL;
    enum gb_status status = path ? gb_lock_take(&journal->lock, path, what, journal->path)
                                 : gb_no_memory(what, journal->path);
    free(path);
    free(file);
    return status;
}

static enum gb_status open_file(struct gb_journal *journal, bool resume) {
    struct stat file;
    GB_TRY(gb_stream_open(journal->path, &journal->file));
    if (journal->file)
        return resume ? gb_fail(GB_BAD_INPUT, "cannot resume", journal->path,
                                "it is not a regular file")
                      : GB_OK;
    journal->created = access(journal->path, F_OK) != 0;
    journal->file = fopen(journal->path, "a");
    if (!journal->file)
        return refused(journal->path);
    GB_TRY(lock(journal));
    if (fstat(fileno(journal->file), &file) != 0)
        return refused(journal->path);
    if (file.st_size > 0 && !resume)
        return gb_fail(GB_BAD_INPUT, what, journal->path,
                       "it has results already: add --resume to continue, or give another --json "
                       "to start over");
    size_t valid_bytes;
    GB_TRY(gb_rows_recover(journal->path, &journal->rows, &valid_bytes));
    GB_TRY(check_origin(journal));
    journal->dropped = (size_t)file.st_size > valid_bytes;
    if (journal->dropped && ftruncate(fileno(journal->file), (off_t)valid_bytes) != 0)
        return refused(journal->path);
    return GB_OK;
}

enum gb_status gb_journal_open(struct gb_journal *journal, const char *path, bool resume) {
    *journal = (struct gb_journal){.path = path};
    enum gb_status status = describe_here(journal);
    if (status == GB_OK && path)
        status = open_file(journal, resume);
    if (status != GB_OK)
        gb_journal_close(journal);
    return status;
}

const struct gb_row *gb_journal_find(const struct gb_journal *journal, const char *problem,
                                     const char *backend, int threads, enum gb_cache cache,
                                     int launch) {
    for (size_t i = 0; i < journal->rows.count; i++) {
        const struct gb_row *row = &journal->rows.list[i];
        if (row->threads == threads && row->cache == cache && row->launch == launch &&
            strcmp(row->problem, problem) == 0 && strcmp(row->backend, backend) == 0)
            return row;
    }
    return NULL;
}

enum gb_status gb_journal_add(struct gb_journal *journal, struct gb_row *row) {
    if (getloadavg(&row->load_average, 1) != 1)
        row->load_average = -1;
    time_t now = time(NULL);
    struct tm utc;
    strftime(row->finished, sizeof row->finished, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&now, &utc));
    row->machine = json_incref(journal->machine);
    row->build = json_incref(journal->build);
    if (journal->file)
        GB_TRY(gb_row_write(journal->file, journal->path, row));
    return gb_rows_add(&journal->rows, row);
}

void gb_journal_close(struct gb_journal *journal) {
    if (journal->file)
        fclose(journal->file); // every row was flushed
    char *created =
        journal->created && journal->rows.count == 0 ? realpath(journal->path, NULL) : NULL;
    if (created && journal->lock.path) // else it is another process's
        unlink(created);               // what a link points to, not the link
    free(created);
    gb_lock_release(&journal->lock);
    gb_rows_free(&journal->rows);
    json_decref(journal->machine);
    json_decref(journal->build);
    *journal = (struct gb_journal){0};
}
