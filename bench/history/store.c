// SPDX-License-Identifier: MIT
#include "bench/history/store.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/atomic_file.h"
#include "base/files.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/lock.h"
#include "base/minmax.h"
#include "bench/runner/row.h"

static const char what[] = "cannot append";

static uint64_t hash_text(uint64_t hash, const char *text) {
    return gb_hash_bytes(hash, text, strlen(text));
}

// The file for a row's build and machine.
static enum gb_status path_of(const char *directory, const struct gb_row *row,
                              char path[static GB_PATH]) {
    char *machine = json_dumps(row->machine, JSON_COMPACT | JSON_SORT_KEYS);
    char *build = json_dumps(row->build, JSON_COMPACT | JSON_SORT_KEYS);
    char commit[64];
    snprintf(commit, sizeof commit, "%s", gb_json_string_or_unknown(row->build, "commit"));
    for (char *letter = commit; *letter; letter++)
        *letter = *letter == '/' ? '-' : *letter;
    enum gb_status status =
        machine && build
            ? gb_path_format(
                  path, "%s/%s-%012llx.jsonl", directory, commit,
                  (unsigned long long)(hash_text(hash_text(GB_HASH_BASIS, machine), build) &
                                       UINT64_C(0xffffffffffff)))
            : gb_no_memory(what, directory);
    free(machine);
    free(build);
    return status;
}

static bool same(const struct gb_row *a, const struct gb_row *b) {
    return strcmp(a->finished, b->finished) == 0 && strcmp(a->problem, b->problem) == 0 &&
           strcmp(a->backend, b->backend) == 0 && a->threads == b->threads &&
           a->cache == b->cache && !a->error == !b->error &&
           (a->error || a->median_seconds == b->median_seconds);
}

static bool has(const struct gb_rows *rows, const struct gb_row *row) {
    for (size_t i = 0; i < rows->count; i++)
        if (same(&rows->list[i], row))
            return true;
    return false;
}

static enum gb_status write_all(const char *path, const struct gb_rows *old,
                                const struct gb_rows *new, int *added) {
    struct gb_atomic_file file;
    int first = 0;
    for (size_t i = 0; i < old->count; i++)
        first = gb_max_int(first, old->list[i].launch + 1);
    GB_TRY(gb_atomic_open(&file, path));
    enum gb_status status = GB_OK;
    for (size_t i = 0; i < old->count && status == GB_OK; i++)
        status = gb_row_write(file.stream, path, &old->list[i]);
    for (size_t i = 0; i < new->count &&status == GB_OK; i++) {
        struct gb_row row = new->list[i];
        if (has(old, &row))
            continue;
        row.launch += first;
        status = gb_row_write(file.stream, path, &row);
        ++*added;
    }
    if (status == GB_OK)
        return gb_atomic_commit(&file);
    gb_atomic_abort(&file);
    return status;
}

static enum gb_status merge(const char *path, const struct gb_rows *new) {
    struct gb_rows old = {0};
    int added = 0;
    if (!gb_is_missing(path))
        GB_TRY(gb_rows_read(path, &old));
    enum gb_status status = write_all(path, &old, new, &added);
    if (status == GB_OK)
        printf("%d rows added to %s\n", added, path);
    gb_rows_free(&old);
    return status;
}

static enum gb_status check_origin(const struct gb_rows *rows, const char *path) {
    for (size_t i = 1; i < rows->count; i++)
        if (!json_equal(rows->list[i].build, rows->list[0].build) ||
            !json_equal(rows->list[i].machine, rows->list[0].machine))
            return gb_fail(GB_BAD_INPUT, what, path, "row %zu is from another build or machine",
                           i + 1);
    return GB_OK;
}

static enum gb_status merge_locked(const char *directory, const struct gb_rows *rows) {
    char path[GB_PATH], lock_path[GB_PATH];
    struct gb_lock lock;
    GB_TRY(gb_make_directory(what, directory));
    GB_TRY(path_of(directory, &rows->list[0], path));
    GB_TRY(gb_path_format(lock_path, "%s.lock", path));
    GB_TRY(gb_lock_wait(&lock, lock_path));
    enum gb_status status = merge(path, rows);
    gb_lock_release(&lock);
    return status;
}

enum gb_status gb_history_append(const char *directory, const char *rows_path) {
    struct gb_rows rows;
    GB_TRY(gb_rows_read(rows_path, &rows));
    enum gb_status status = check_origin(&rows, rows_path);
    if (status == GB_OK)
        status = merge_locked(directory, &rows);
    gb_rows_free(&rows);
    return status;
}

enum gb_status gb_history_probe(const char *directory) {
    char path[GB_PATH];
    GB_TRY(gb_make_directory(what, directory));
    GB_TRY(gb_path_join(directory, "probe.jsonl", path));
    return gb_atomic_probe(path);
}
