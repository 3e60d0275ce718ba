// SPDX-License-Identifier: MIT
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/files.h"
#include "base/minmax.h"
#include "bench/history/history.h"

static const char what[] = "cannot read rows";

static int is_row_file(const struct dirent *entry) {
    const char *ending = strrchr(entry->d_name, '.');
    return entry->d_name[0] != '.' && ending && strcmp(ending, ".jsonl") == 0;
}

static enum gb_status read_file(const char *path, struct gb_rows *all) {
    struct gb_rows rows;
    int first = 0;
    for (size_t i = 0; i < all->count; i++)
        first = gb_max_int(first, all->list[i].launch + 1);
    GB_TRY(gb_rows_read(path, &rows));
    enum gb_status status = GB_OK;
    for (size_t i = 0; i < rows.count && status == GB_OK; i++) {
        rows.list[i].launch += first;
        status = gb_rows_add(all, &rows.list[i]);
    }
    gb_rows_free(&rows);
    return status;
}

static enum gb_status read_directory(const char *directory, struct gb_rows *all) {
    struct dirent **entries;
    const int count = scandir(directory, &entries, is_row_file, alphasort);
    if (count < 0)
        return gb_fail(GB_BAD_INPUT, what, directory, "%s", strerror(errno));
    enum gb_status status =
        count ? GB_OK : gb_fail(GB_BAD_INPUT, what, directory, "no files *.jsonl in it");
    for (int i = 0; i < count; i++) {
        char path[GB_PATH];
        if (status == GB_OK)
            status = gb_path_join(directory, entries[i]->d_name, path);
        if (status == GB_OK)
            status = read_file(path, all);
        free(entries[i]);
    }
    free(entries);
    return status;
}

enum gb_status gb_history_read(const char *const *paths, int count, struct gb_rows *rows) {
    *rows = (struct gb_rows){0};
    enum gb_status status = GB_OK;
    for (int i = 0; i < count && status == GB_OK; i++)
        status =
            gb_is_directory(paths[i]) ? read_directory(paths[i], rows) : read_file(paths[i], rows);
    if (status != GB_OK)
        gb_rows_free(rows);
    return status;
}
