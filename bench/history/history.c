// SPDX-License-Identifier: MIT
#include "bench/history/history.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/files.h"
#include "base/json.h"
#include "base/minmax.h"
#include "base/quantile.h"

static const char what[] = "cannot make a history";

void gb_history_row_name(const struct gb_row *row, char text[static GB_HISTORY_NAME]) {
    snprintf(text, GB_HISTORY_NAME, "%s  %s, %d thread%s, %s", row->problem, row->backend,
             row->threads, row->threads == 1 ? "" : "s", gb_cache_name(row->cache));
}

// ---- Which rows ----

static const char *cpu_of(const struct gb_row *row) {
    return gb_json_text(json_object_get(row->machine, "cpu"), "model");
}

// NULL if both rows are of one machine and type of build, otherwise what differs. The microcode and
// the system may change over a history.
static const char *difference(const struct gb_row *a, const struct gb_row *b) {
    static const char *const cpu[] = {"model", "cpus", NULL}, *const caches[] = {"caches", NULL},
                             *const type[] = {"type", NULL};
    if (gb_first_difference(json_object_get(a->machine, "cpu"), json_object_get(b->machine, "cpu"),
                            cpu))
        return "cpu";
    const char *key = gb_first_difference(a->machine, b->machine, caches);
    return key ? key : gb_first_difference(a->build, b->build, type);
}

static enum gb_status select_rows(const struct gb_rows *rows, const char *machine,
                                  struct gb_history *h) {
    h->timed = calloc(rows->count + 1, sizeof *h->timed);
    if (!h->timed)
        return gb_no_memory(what, "rows");
    for (size_t i = 0; i < rows->count; i++) {
        const struct gb_row *row = &rows->list[i];
        if (machine && !strstr(cpu_of(row), machine))
            continue;
        const char *key = h->timed_count ? difference(h->timed[0], row) : NULL;
        if (key && strcmp(key, "type") == 0)
            return gb_fail(GB_NOT_COMPARABLE, what, "rows", "types of build differ: %s and %s",
                           gb_json_string_or_unknown(h->timed[0]->build, key),
                           gb_json_string_or_unknown(row->build, key));
        if (key)
            return gb_fail(GB_NOT_COMPARABLE, what, "rows",
                           "machines differ in %s: %s and %s; choose one by --machine", key,
                           cpu_of(h->timed[0]), cpu_of(row));
        h->timed[h->timed_count++] = row;
    }
    if (h->timed_count == 0)
        return gb_fail(GB_BAD_INPUT, what, "--machine", "no row comes from a CPU \"%s\"", machine);
    return GB_OK;
}

// ---- Commits ----

static const char *commit_of(const struct gb_row *row) {
    return gb_json_string_or_unknown(row->build, "commit");
}

static int commit_index(const struct gb_history *h, const struct gb_row *row) {
    for (int i = 0; i < h->commit_count; i++)
        if (strcmp(h->commits[i].name, commit_of(row)) == 0)
            return i;
    return -1;
}

static enum gb_status collect_commits(struct gb_history *h) {
    h->commits = calloc(h->timed_count, sizeof *h->commits);
    if (!h->commits)
        return gb_no_memory(what, "commits");
    for (size_t i = 0; i < h->timed_count; i++) {
        const struct gb_row *row = h->timed[i];
        const int index = commit_index(h, row);
        if (index >= 0 && strcmp(h->commits[index].finished, row->finished) <= 0)
            continue;
        h->commits[index < 0 ? h->commit_count++ : index] =
            (struct gb_history_commit){commit_of(row), gb_json_text(row->build, "commit_date"),
                                       row->finished, row->machine, row->build};
    }
    return GB_OK;
}

static int by_finished(const void *left, const void *right) {
    const struct gb_history_commit *a = left, *b = right;
    const int order = strcmp(a->finished, b->finished);
    return order ? order : strcmp(a->name, b->name);
}

static int by_date(const void *left, const void *right) {
    const struct gb_history_commit *a = left, *b = right;
    const int order = strcmp(a->date, b->date);
    return order ? order : by_finished(left, right);
}

// Whether one is an abbreviation of the other, of seven digits or more. Changes after a commit,
// "12ab34c+changes", are not the commit.
static bool same_commit(const char *a, const char *b) {
    const size_t a_hash = strcspn(a, "+"), b_hash = strcspn(b, "+");
    const size_t shorter = gb_min_size(a_hash, b_hash);
    return strcmp(a, b) == 0 ||
           (strcmp(a + a_hash, b + b_hash) == 0 && shorter >= 7 && strncmp(a, b, shorter) == 0);
}

static enum gb_status order_by_file(const char *path, struct gb_history *h) {
    struct gb_history_commit *ordered = calloc((size_t)h->commit_count, sizeof *ordered);
    char *text = NULL, *rest, *line;
    size_t size;
    if (!ordered)
        return gb_no_memory(what, path);
    enum gb_status status = gb_file_read(what, path, &text, &size);
    int count = 0;
    for (rest = text; status == GB_OK && (line = strsep(&rest, "\n"));) {
        line[strcspn(line, " \t\r")] = '\0';
        for (int i = 0; i < h->commit_count; i++) {
            bool taken = false;
            for (int j = 0; j < count; j++)
                taken |= ordered[j].name == h->commits[i].name;
            if (!taken && same_commit(line, h->commits[i].name))
                ordered[count++] = h->commits[i];
        }
    }
    free(text);
    if (status == GB_OK && count == 0)
        status = gb_fail(GB_BAD_INPUT, what, path, "no row comes from one of its commits");
    if (status != GB_OK) {
        free(ordered);
        return status;
    }
    free(h->commits);
    h->commits = ordered;
    h->commit_count = count;
    return GB_OK;
}

static enum gb_status order_commits(const struct gb_history_order *order, struct gb_history *h) {
    if (order->path)
        return order_by_file(order->path, h);
    for (int i = 0; i < h->commit_count && !order->by_time; i++)
        if (!*h->commits[i].date)
            return gb_fail(GB_BAD_INPUT, what, h->commits[i].name,
                           "its rows have no commit date: give --order FILE or --order time");
    qsort(h->commits, (size_t)h->commit_count, sizeof *h->commits,
          order->by_time ? by_finished : by_date);
    return GB_OK;
}

enum gb_status gb_history_find_commit(const struct gb_history *h, const char *name, int *index) {
    *index = -1;
    for (int i = 0; i < h->commit_count; i++) {
        if (!same_commit(name, h->commits[i].name))
            continue;
        if (*index >= 0)
            return gb_fail(GB_BAD_INPUT, "bad value", "--since", "%s is ambiguous: %s, %s", name,
                           h->commits[*index].name, h->commits[i].name);
        *index = i;
    }
    return *index >= 0
               ? GB_OK
               : gb_fail(GB_BAD_INPUT, "bad value", "--since",
                         "no rows of commit %s in this history (seven digits or more)", name);
}

// ---- Controls ----

// The control of a launch, and whether it shows other load.
struct control {
    int threads, commit, launch;
    double log_seconds;
    int count; // rows that it is the mean of
    bool disturbed;
};

struct entry { // a row, or a control's
    const struct gb_row *row;
    int commit;
};

static int by_key_commit_launch(const void *left, const void *right) {
    const struct entry *a = left, *b = right;
    int order = gb_row_order(a->row, b->row);
    if (order == 0)
        order = a->commit - b->commit;
    return order ? order : a->row->launch - b->row->launch;
}

static int by_threads_commit_launch(const void *left, const void *right) {
    const struct control *a = left, *b = right;
    int order = a->threads - b->threads;
    if (order == 0)
        order = a->commit - b->commit;
    return order ? order : a->launch - b->launch;
}

struct builder {
    struct gb_history *history;
    struct entry *entries; // without the control's, sorted
    size_t count;
    struct control *controls; // sorted
    size_t control_count;
};

static void add_control(struct builder *b, const struct gb_row *row, int commit) {
    if (!row->error)
        b->controls[b->control_count++] =
            (struct control){row->threads, commit, row->launch, log(row->median_seconds), 1, false};
}

// A resumed launch has several control rows.
static void merge_controls(struct builder *b) {
    size_t count = 0;
    qsort(b->controls, b->control_count, sizeof *b->controls, by_threads_commit_launch);
    for (size_t i = 0; i < b->control_count; i++) {
        struct control *last = count ? &b->controls[count - 1] : NULL, *next = &b->controls[i];
        if (last && by_threads_commit_launch(last, next) == 0) {
            last->count++;
            last->log_seconds += (next->log_seconds - last->log_seconds) / last->count;
        } else {
            b->controls[count++] = *next;
        }
    }
    b->control_count = count;
}

enum { PAST = 7, MIN_PAST = 3 }; // commits

static double median_of_launches(const struct control *first, size_t count) {
    double values[GB_SAMPLE_MAX];
    count = gb_min_size(count, GB_SAMPLE_MAX);
    for (size_t i = 0; i < count; i++)
        values[i] = first[i].log_seconds;
    return gb_quantile(values, (int)count, 0.5);
}

// Marks the launches of one thread count whose control is off the median of the commits before.
static void mark_disturbed(struct control *controls, size_t count) {
    double medians[PAST]; // of the last commits, in a ring
    int commits = 0;
    for (size_t i = 0, end; i < count; i = end, commits++) {
        for (end = i; end < count && controls[end].commit == controls[i].commit; end++)
            ;
        double past[PAST];
        const int known = gb_min_int(commits, PAST);
        memcpy(past, medians, (size_t)known * sizeof *past);
        const double usual = gb_quantile(past, known, 0.5);
        for (size_t j = i; j < end && known >= MIN_PAST; j++)
            controls[j].disturbed = fabs(controls[j].log_seconds - usual) >= log(1.03);
        medians[commits % PAST] = median_of_launches(controls + i, end - i);
    }
}

static void mark_all_disturbed(struct builder *b) {
    for (size_t i = 0, end; i < b->control_count; i = end) {
        for (end = i; end < b->control_count && b->controls[end].threads == b->controls[i].threads;
             end++)
            ;
        mark_disturbed(b->controls + i, end - i);
    }
    for (size_t i = 0; i < b->control_count; i++) {
        b->history->launches++;
        b->history->left_out += b->controls[i].disturbed;
    }
}

static const struct control *control_of(const struct builder *b, const struct entry *entry) {
    const struct control key = {
        .threads = entry->row->threads, .commit = entry->commit, .launch = entry->row->launch};
    return b->control_count
               ? bsearch(&key, b->controls, b->control_count, sizeof key, by_threads_commit_launch)
               : NULL;
}

// ---- Values ----

// The launches of a row at a commit.
static enum gb_status take_launches(const struct builder *b, const struct entry *entries,
                                    size_t count, struct gb_history_row *to) {
    double values[GB_SAMPLE_MAX], seconds[GB_SAMPLE_MAX];
    int used = 0, timed = 0;
    bool fails = false;
    for (size_t i = 0; i < count; i++) {
        const struct gb_row *row = entries[i].row;
        const struct control *control = control_of(b, &entries[i]);
        if (i > 0 && row->launch == entries[i - 1].row->launch)
            return gb_fail(GB_BAD_INPUT, what, row->problem, "a launch of commit %s has it twice",
                           commit_of(row));
        fails |= row->error != NULL;
        if (row->error || timed == GB_SAMPLE_MAX)
            continue;
        seconds[timed++] = row->median_seconds;
        if (control && !control->disturbed)
            values[used++] = log(row->median_seconds) - control->log_seconds;
    }
    const int commit = entries[0].commit;
    to->values[commit] = gb_quantile(values, used, 0.5);
    to->seconds[commit] = gb_quantile(seconds, timed, 0.5);
    to->failing = !fails ? -1 : to->failing >= 0 ? to->failing : commit;
    return GB_OK;
}

static enum gb_status take_rows(const struct builder *b) {
    struct gb_history *h = b->history;
    const size_t commits = (size_t)h->commit_count;
    int rows = 0;
    for (size_t i = 0; i < b->count; i++)
        rows += i == 0 || gb_row_order(b->entries[i].row, b->entries[i - 1].row) != 0;
    if (rows == 0)
        return gb_fail(GB_BAD_INPUT, what, "rows", "no rows but the control's");
    h->rows = calloc((size_t)rows, sizeof *h->rows);
    h->all_values = calloc((size_t)rows * commits, sizeof *h->all_values);
    h->all_seconds = calloc((size_t)rows * commits, sizeof *h->all_seconds);
    if (!h->rows || !h->all_values || !h->all_seconds)
        return gb_no_memory(what, "rows");
    for (size_t i = 0; i < (size_t)rows * commits; i++)
        h->all_values[i] = h->all_seconds[i] = NAN;
    for (size_t i = 0, end; i < b->count; i = end) {
        if (i == 0 || gb_row_order(b->entries[i].row, b->entries[i - 1].row) != 0) {
            const size_t offset = (size_t)h->row_count++ * commits;
            h->rows[h->row_count - 1] =
                (struct gb_history_row){NULL, h->all_values + offset, h->all_seconds + offset, -1};
        }
        for (end = i; end < b->count && b->entries[end].commit == b->entries[i].commit &&
                      gb_row_order(b->entries[end].row, b->entries[i].row) == 0;
             end++)
            ;
        h->rows[h->row_count - 1].row = b->entries[i].row;
        GB_TRY(take_launches(b, b->entries + i, end - i, &h->rows[h->row_count - 1]));
    }
    return GB_OK;
}

static enum gb_status build(struct builder *b) {
    struct gb_history *h = b->history;
    size_t kept = 0;
    for (size_t i = 0; i < h->timed_count; i++) {
        const struct gb_row *row = h->timed[i];
        const int commit = commit_index(h, row);
        if (commit < 0) // not in the file of the order
            continue;
        h->timed[kept++] = row;
        if (gb_row_is_control(row))
            add_control(b, row, commit);
        else
            b->entries[b->count++] = (struct entry){row, commit};
    }
    h->timed_count = kept;
    merge_controls(b);
    mark_all_disturbed(b);
    qsort(b->entries, b->count, sizeof *b->entries, by_key_commit_launch);
    GB_TRY(take_rows(b));
    for (size_t i = 0; i < b->count; i++)
        h->timed[i] = b->entries[i].row;
    h->timed_count = b->count;
    return gb_level_changes_find(h->all_values, h->row_count, h->commit_count, &h->changes);
}

enum gb_status gb_history_make(const struct gb_rows *rows, const char *machine,
                               const struct gb_history_order *order, struct gb_history *h) {
    *h = (struct gb_history){0};
    GB_TRY(select_rows(rows, machine, h));
    GB_TRY(collect_commits(h));
    GB_TRY(order_commits(order, h));
    struct builder b = {.history = h,
                        .entries = calloc(h->timed_count, sizeof *b.entries),
                        .controls = calloc(h->timed_count, sizeof *b.controls)};
    enum gb_status status = b.entries && b.controls ? build(&b) : gb_no_memory(what, "rows");
    free(b.entries);
    free(b.controls);
    return status;
}

void gb_history_free(struct gb_history *h) {
    free(h->commits);
    free(h->rows);
    free(h->timed);
    free(h->all_values);
    free(h->all_seconds);
    gb_level_changes_free(&h->changes);
    *h = (struct gb_history){0};
}
