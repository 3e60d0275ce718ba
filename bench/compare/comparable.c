// SPDX-License-Identifier: MIT
#include "bench/compare/comparison.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

const char *const gb_compared_machine[] = {"cpu", "caches", NULL};
const char *const gb_compared_build[] = {"type", "compiler", "flags", "isa_flags", NULL};
const char *const gb_reported_machine[] = {"cpu", "caches", "system", NULL};
const char *const gb_reported_build[] = {"commit", "type", "compiler", "flags", "isa_flags", NULL};

enum gb_status gb_sides_read(const char *const paths[GB_SIDES], struct gb_rows rows[GB_SIDES]) {
    GB_TRY(gb_rows_read(paths[GB_BASE], &rows[GB_BASE]));
    enum gb_status status = gb_rows_read(paths[GB_NEW], &rows[GB_NEW]);
    if (status != GB_OK)
        gb_rows_free(&rows[GB_BASE]);
    return status;
}

void gb_sides_free(struct gb_rows rows[GB_SIDES]) {
    gb_rows_free(&rows[GB_BASE]);
    gb_rows_free(&rows[GB_NEW]);
}

// The library of a backend's first row; NULL if it has no row.
static const char *library_of(const struct gb_rows *rows, const char *backend) {
    for (size_t i = 0; i < rows->count; i++)
        if (strcmp(rows->list[i].backend, backend) == 0)
            return rows->list[i].library;
    return NULL;
}

static bool differ(const char *was, const char *is) {
    return was && strcmp(was, is) != 0;
}

static enum gb_status check_uniform(const struct gb_rows *rows, const char *name) {
    const struct gb_row *first = &rows->list[0];
    for (size_t i = 1; i < rows->count; i++) {
        const struct gb_row *row = &rows->list[i];
        if (!json_equal(row->machine, first->machine))
            return gb_fail(GB_BAD_INPUT, "cannot compare", name, "row %zu is from another machine",
                           i + 1);
        if (!json_equal(row->build, first->build))
            return gb_fail(GB_BAD_INPUT, "cannot compare", name, "row %zu is from another build",
                           i + 1);
        if (differ(library_of(rows, row->backend), row->library))
            return gb_fail(GB_BAD_INPUT, "cannot compare", name,
                           "row %zu is from another version of a library", i + 1);
    }
    return GB_OK;
}

const char *gb_first_difference(const json_t *a, const json_t *b, const char *const *keys) {
    for (; *keys; keys++) {
        const json_t *left = json_object_get(a, *keys), *right = json_object_get(b, *keys);
        if (left != right && !json_equal(left, right))
            return *keys;
    }
    return NULL;
}

static enum gb_status check_same(const json_t *base, const json_t *new, const char *const *keys,
                                 const char *what, const char *name) {
    const char *key = gb_first_difference(base, new, keys);
    if (!key)
        return GB_OK;
    char *was = json_dumps(json_object_get(base, key), JSON_ENCODE_ANY | JSON_COMPACT);
    char *is = json_dumps(json_object_get(new, key), JSON_ENCODE_ANY | JSON_COMPACT);
    enum gb_status status =
        gb_fail(GB_NOT_COMPARABLE, "not comparable", name,
                "%ss differ (%s: %.200s, now %.200s); --allow-other-%s compares anyway", what, key,
                was ? was : "unknown", is ? is : "unknown", what);
    free(was);
    free(is);
    return status;
}

// Backends of one name may use two versions of a library.
static enum gb_status check_libraries(const struct gb_rows *base, const struct gb_rows *new,
                                      const char *name) {
    for (size_t i = 0; i < new->count; i++) {
        const struct gb_row *row = &new->list[i];
        const char *was = library_of(base, row->backend);
        if (differ(was, row->library))
            return gb_fail(GB_NOT_COMPARABLE, "not comparable", name,
                           "libraries differ (%s: %s, now %s); --allow-other-build compares anyway",
                           row->backend, was, row->library);
    }
    return GB_OK;
}

enum gb_status gb_rows_comparable(const struct gb_rows rows[GB_SIDES],
                                  const char *const names[GB_SIDES],
                                  const struct gb_allowed *allowed) {
    GB_TRY(check_uniform(&rows[GB_BASE], names[GB_BASE]));
    GB_TRY(check_uniform(&rows[GB_NEW], names[GB_NEW]));
    const struct gb_row *base = rows[GB_BASE].list, *new = rows[GB_NEW].list;
    if (!allowed->other_machine)
        GB_TRY(
            check_same(base->machine, new->machine, gb_compared_machine, "machine", names[GB_NEW]));
    if (allowed->other_build)
        return GB_OK;
    GB_TRY(check_same(base->build, new->build, gb_compared_build, "build", names[GB_NEW]));
    return check_libraries(&rows[GB_BASE], &rows[GB_NEW], names[GB_NEW]);
}

enum gb_status gb_threshold_parse(const char *text, double *ratio) {
    char *end;
    double percent = strtod(text, &end);
    bool number = end != text && !isspace((unsigned char)*text);
    end += *end == '%';
    if (!number || *end || !(percent >= 0.1 && percent <= 100))
        return gb_fail(GB_BAD_INPUT, "bad value", "--threshold",
                       "\"%s\" is not a percentage in 0.1%% .. 100%%", text);
    *ratio = 1 + percent / 100;
    return GB_OK;
}
