// SPDX-License-Identifier: MIT
#include "bench/tables/tables.h"

#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/atomic_file.h"
#include "base/files.h"
#include "base/json.h"
#include "base/lock.h"
#include "tasks/data/lists.h"
#include "tasks/task.h"

static const char what[] = "cannot use results";

// GB_BAD_INPUT unless the value has the members that a format of json_unpack names.
static enum gb_status check_members(json_t *json, const char *path, const char *format, ...) {
    json_error_t error;
    va_list keys;
    va_start(keys, format);
    int failed = json_vunpack_ex(json, &error, JSON_VALIDATE_ONLY, format, keys);
    va_end(keys);
    return failed ? gb_fail(GB_BAD_INPUT, what, path, "%s", error.text) : GB_OK;
}

json_t *gb_results_find(const json_t *array, const char *key, const char *text, size_t *at) {
    size_t i;
    json_t *object, *found = NULL;
    json_array_foreach(array, i, object) {
        if (gb_json_is(object, key, text)) {
            found = object;
            break;
        }
    }
    if (at)
        *at = found ? i : SIZE_MAX;
    return found;
}

// ---- The papers' tables ----

enum { MAX_DECIMALS = 12 };

static bool has(const json_t *table, const char *list, const char *key, const char *name) {
    return gb_results_find(json_object_get(table, list), key, name, NULL);
}

// What a table's summary names must be in the table.
static enum gb_status check_summary(const char *path, const json_t *table, json_t *summary) {
    static const struct {
        const char *member, *list, *key;
    } names[] = {{"column", "columns", "name"},
                 {"published", "published", "line"},
                 {"measured", "measured", "line"},
                 {"blind", "measured", "line"}};
    if (!summary)
        return GB_OK;
    GB_TRY(check_members(summary, path, "{s:s, s?:s, s?:b}", "what", "detail", "comparable"));
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        GB_TRY(check_members(summary, path, "{s:s}", names[i].member));
        const char *name = gb_json_text(summary, names[i].member);
        if (!has(table, names[i].list, names[i].key, name))
            return gb_fail(GB_BAD_INPUT, what, path, "table %s, summary: unknown %s '%s'",
                           gb_json_text(table, "id"), names[i].member, name);
    }
    return GB_OK;
}

static enum gb_status check_table(const char *path, json_t *table) {
    GB_TRY(check_members(table, path, "{s:s, s:s, s:s, s:[], s:[], s:[]}", "id", "title", "note",
                         "columns", "published", "measured"));
    const json_t *columns = json_object_get(table, "columns");
    size_t i;
    json_t *each;
    json_array_foreach(columns, i, each) {
        GB_TRY(check_members(each, path, "{s:s, s:i}", "name", "decimals"));
        const json_int_t decimals = gb_json_integer(each, "decimals");
        if (decimals < 0 || decimals > MAX_DECIMALS)
            return gb_fail(GB_BAD_INPUT, what, path, "table %s, column %s: not 0 to %d decimals",
                           gb_json_text(table, "id"), gb_json_text(each, "name"), MAX_DECIMALS);
    }
    json_array_foreach(json_object_get(table, "measured"), i, each) {
        GB_TRY(check_members(each, path, "{s:s, s:s, s?:s, s?:s}", "line", "unmeasured",
                             "not_applicable", "published"));
        const char *published = gb_json_text(each, "published");
        if (*published && !has(table, "published", "line", published))
            return gb_fail(GB_BAD_INPUT, what, path, "table %s, line %s: unknown published '%s'",
                           gb_json_text(table, "id"), gb_json_text(each, "line"), published);
    }
    json_array_foreach(json_object_get(table, "published"), i, each) {
        GB_TRY(check_members(each, path, "{s:s, s:[]}", "line", "values"));
        if (json_array_size(json_object_get(each, "values")) != json_array_size(columns))
            return gb_fail(GB_BAD_INPUT, what, path, "table %s, line %s: not one value per column",
                           gb_json_text(table, "id"), gb_json_text(each, "line"));
    }
    return check_summary(path, table, json_object_get(table, "summary"));
}

static enum gb_status read_tables(struct gb_results *results) {
    char path[GB_PATH];
    json_t *published = NULL, *table;
    size_t i;
    GB_TRY(gb_path_join(results->directory, "published.json", path));
    GB_TRY(gb_json_read(what, path, &published));
    results->tables = json_incref(json_object_get(published, "tables"));
    json_decref(published);
    if (json_array_size(results->tables) == 0)
        return gb_fail(GB_BAD_INPUT, what, path, "no tables");
    json_array_foreach(results->tables, i, table)
        GB_TRY(check_table(path, table));
    return GB_OK;
}

// ---- Runs ----

static enum gb_status check_cell(const struct gb_results *results, const char *path, json_t *cell) {
    GB_TRY(check_members(cell, path, "{s:s, s:s, s:s, s:s}", "table", "line", "column", "metric"));
    const json_t *table = gb_results_find(results->tables, "id", gb_json_text(cell, "table"), NULL);
    return has(table, "measured", "line", gb_json_text(cell, "line")) &&
                   has(table, "columns", "name", gb_json_text(cell, "column"))
               ? GB_OK
               : gb_fail(GB_BAD_INPUT, what, path, "published.json has no measured cell %s, %s, %s",
                         gb_json_text(cell, "table"), gb_json_text(cell, "line"),
                         gb_json_text(cell, "column"));
}

static enum gb_status check_run(const struct gb_results *results, const char *path, json_t *run) {
    const struct gb_task *task;
    size_t i;
    json_t *each;
    const char *key;
    GB_TRY(check_members(run, path, "{s:s, s:{s:i}, s:[i], s:[], s:[]}", "task", "options", "iters",
                         "seeds", "cells", "notes"));
    if (gb_task_find(gb_json_text(run, "task"), &task) != GB_OK)
        return gb_fail_within(GB_BAD_INPUT, what, path);
    json_object_foreach(json_object_get(run, "options"), key, each) {
        if (!json_is_string(each) && !json_is_number(each))
            return gb_fail(GB_BAD_INPUT, what, path, "option %s is neither a string nor a number",
                           key);
    }
    json_array_foreach(json_object_get(run, "notes"), i, each) {
        if (!json_is_string(each))
            return gb_fail(GB_BAD_INPUT, what, path, "note %zu is not a string", i + 1);
    }
    json_array_foreach(json_object_get(run, "cells"), i, each)
        GB_TRY(check_cell(results, path, each));
    return GB_OK;
}

static enum gb_status read_run(struct gb_results *results, const char *directory,
                               const char *file) {
    char path[GB_PATH], name[GB_PATH];
    json_t *run = NULL;
    GB_TRY(gb_path_join(directory, file, path));
    GB_TRY(gb_json_read(what, path, &run));
    snprintf(name, sizeof name, "%.*s", (int)(strlen(file) - strlen(".json")), file);
    if (json_object_set_new(results->runs, name, run) != 0)
        return gb_fail(GB_BAD_INPUT, what, path, "the file name is not UTF-8");
    return check_run(results, path, run);
}

const json_t *gb_run_cell(const json_t *run, const char *table, const char *line,
                          const char *column) {
    size_t i;
    json_t *cell;
    json_array_foreach(json_object_get(run, "cells"), i, cell) {
        if (gb_json_is(cell, "table", table) && (!line || gb_json_is(cell, "line", line)) &&
            (!column || gb_json_is(cell, "column", column)))
            return cell;
    }
    return NULL;
}

const json_t *gb_results_cell(const struct gb_results *results, const json_t *table,
                              const json_t *line, const json_t *column, const char **name) {
    json_t *run;
    json_object_foreach(results->runs, *name, run) {
        const json_t *cell = gb_run_cell(run, gb_json_text(table, "id"), gb_json_text(line, "line"),
                                         gb_json_text(column, "name"));
        if (cell)
            return cell;
    }
    return NULL;
}

// A cell that no run fills needs a reason.
static enum gb_status check_reasons(const struct gb_results *results, const json_t *table) {
    size_t i, j;
    json_t *line, *column;
    const char *run;
    json_array_foreach(json_object_get(table, "measured"), i, line) {
        json_array_foreach(json_object_get(table, "columns"), j, column) {
            if (!*gb_json_text(line, "unmeasured") && !*gb_json_text(line, "not_applicable") &&
                !gb_results_cell(results, table, line, column, &run))
                return gb_fail(GB_BAD_INPUT, what, results->directory,
                               "no run fills the cell %s, %s, %s, and published.json gives no "
                               "reason",
                               gb_json_text(table, "id"), gb_json_text(line, "line"),
                               gb_json_text(column, "name"));
        }
    }
    return GB_OK;
}

static enum gb_status read_runs(struct gb_results *results) {
    char directory[GB_PATH];
    struct gb_list files;
    GB_TRY(gb_path_join(results->directory, "runs", directory));
    GB_TRY(gb_list_directory(directory, ".json", &files));
    results->runs = json_object();
    enum gb_status status = GB_OK;
    for (int i = 0; i < files.count && status == GB_OK; i++)
        status = read_run(results, directory, files.names[i]);
    gb_list_free(&files);
    size_t i;
    json_t *table;
    json_array_foreach(results->tables, i, table) {
        if (status == GB_OK)
            status = check_reasons(results, table);
    }
    return status;
}

// ---- Rows ----

enum gb_status gb_results_check_seed(const struct gb_results *results, const char *run,
                                     json_int_t seed) {
    const json_t *config = json_object_get(results->runs, run);
    if (!config)
        return gb_fail(GB_BAD_INPUT, "unknown run", run, "%s/runs has no %s.json",
                       results->directory, run);
    size_t i;
    json_t *each;
    json_array_foreach(json_object_get(config, "seeds"), i, each) {
        if (json_integer_value(each) == seed)
            return GB_OK;
    }
    return gb_fail(GB_BAD_INPUT, "unknown seed", run,
                   "%lld is not among the seeds of %s/runs/%s.json", (long long)seed,
                   results->directory, run);
}

static enum gb_status read_rows(struct gb_results *results) {
    char path[GB_PATH];
    json_decref(results->rows);
    results->rows = json_array();
    GB_TRY(gb_path_join(results->directory, "rows.jsonl", path));
    if (gb_is_missing(path))
        return GB_OK;
    GB_TRY(gb_json_lines_read(what, path, results->rows));
    size_t i;
    json_t *row;
    json_array_foreach(results->rows, i, row) {
        GB_TRY(check_members(row, path, "{s:s, s:I, s:I, s:{}, s?:[]}", "run", "seed", "steps",
                             "metrics", "notes"));
        if (gb_results_check_seed(results, gb_json_text(row, "run"),
                                  gb_json_integer(row, "seed")) != GB_OK)
            return gb_fail_within(GB_BAD_INPUT, what, path);
    }
    return GB_OK;
}

static enum gb_status write_rows(const struct gb_results *results, const char *path) {
    struct gb_atomic_file file = {0};
    GB_TRY(gb_atomic_open(&file, path));
    size_t i;
    json_t *row;
    json_array_foreach(results->rows, i, row) {
        if (json_dumpf(row, file.stream, 0) != 0 && !ferror(file.stream)) {
            gb_atomic_abort(&file);
            return gb_no_memory("cannot write", path);
        }
        fputc('\n', file.stream);
    }
    return gb_atomic_commit(&file);
}

// With the directory locked.
static enum gb_status add_row(struct gb_results *results, json_t *row, json_int_t *kept) {
    char path[GB_PATH];
    GB_TRY(gb_path_join(results->directory, "rows.jsonl", path));
    GB_TRY(read_rows(results));
    const size_t count = json_array_size(results->rows);
    size_t i = 0;
    const json_t *old = json_array_get(results->rows, 0);
    while (i < count && !(gb_json_is(old, "run", gb_json_text(row, "run")) &&
                          gb_json_integer(old, "seed") == gb_json_integer(row, "seed")))
        old = json_array_get(results->rows, ++i);
    *kept = i < count ? gb_json_integer(old, "steps") : 0;
    if (*kept > gb_json_integer(row, "steps"))
        return GB_OK;
    *kept = 0;
    const int failed =
        i < count ? json_array_set(results->rows, i, row) : json_array_append(results->rows, row);
    return failed ? gb_no_memory("cannot write", path) : write_rows(results, path);
}

enum gb_status gb_results_add(struct gb_results *results, json_t *row, json_int_t *kept) {
    char path[GB_PATH];
    struct gb_lock lock;
    GB_TRY(gb_path_join(results->directory, "rows.jsonl.lock", path));
    GB_TRY(gb_lock_wait(&lock, path));
    const enum gb_status status = add_row(results, row, kept);
    gb_lock_release(&lock);
    return status;
}

// ---- All of it ----

enum gb_status gb_results_read(const char *directory, struct gb_results *results) {
    *results = (struct gb_results){.directory = directory};
    GB_TRY(read_tables(results));
    GB_TRY(read_runs(results));
    return read_rows(results);
}

void gb_results_free(struct gb_results *results) {
    json_decref(results->tables);
    json_decref(results->runs);
    json_decref(results->rows);
    *results = (struct gb_results){0};
}
