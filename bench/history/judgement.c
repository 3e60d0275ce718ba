// SPDX-License-Identifier: MIT
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/console.h"
#include "base/json.h"
#include "bench/history/history.h"

// ---- Alerts ----

static int by_chance(const void *left, const void *right) {
    const struct gb_level_change *a = *(struct gb_level_change *const *)left,
                                 *b = *(struct gb_level_change *const *)right;
    if (a->chance != b->chance)
        return a->chance < b->chance ? -1 : 1;
    return a->row != b->row ? a->row - b->row : a->commit - b->commit;
}

static int by_row(const void *left, const void *right) {
    const struct gb_level_change *a = *(struct gb_level_change *const *)left,
                                 *b = *(struct gb_level_change *const *)right;
    return a->row - b->row;
}

static int by_commit(const void *left, const void *right) {
    const struct gb_history_alert *a = left, *b = right;
    return a->commit != b->commit ? a->commit - b->commit : (int)a->change - (int)b->change;
}

// The clearest change and all others that may be the same one, and so on with the rest.
static enum gb_status make_alerts(const struct gb_history *h, struct gb_history_judgement *j) {
    const int count = h->changes.count;
    struct gb_level_change **sorted = calloc((size_t)count + 1, sizeof *sorted);
    j->lists = calloc((size_t)count + 1, sizeof *j->lists);
    j->alerts = calloc((size_t)count + 1, sizeof *j->alerts);
    if (!sorted || !j->lists || !j->alerts) {
        free(sorted);
        return gb_no_memory("cannot judge", "history");
    }
    for (int i = 0; i < count; i++)
        sorted[i] = &h->changes.list[i];
    qsort(sorted, (size_t)count, sizeof *sorted, by_chance);
    for (int i = 0, used = 0; i < count; i++) {
        if (!sorted[i])
            continue;
        struct gb_history_alert *alert = &j->alerts[j->alert_count++];
        *alert = (struct gb_history_alert){sorted[i]->commit, sorted[i]->found, sorted[i]->change,
                                           j->lists + used, 0};
        for (int k = i; k < count; k++)
            if (sorted[k] && sorted[k]->change == alert->change &&
                sorted[k]->earliest <= alert->commit && sorted[k]->latest >= alert->commit) {
                alert->found = sorted[k]->found < alert->found ? sorted[k]->found : alert->found;
                alert->list[alert->count++] = sorted[k];
                used++;
                sorted[k] = NULL;
            }
        qsort(alert->list, (size_t)alert->count, sizeof *alert->list, by_row);
    }
    free(sorted);
    qsort(j->alerts, (size_t)j->alert_count, sizeof *j->alerts, by_commit);
    return GB_OK;
}

// ---- The verdict ----

bool gb_history_counts(const struct gb_history *h, const struct gb_history_question *question,
                       const struct gb_level_change *change) {
    return change->change == GB_SLOWER && !change->recovered && change->commit > question->since &&
           (!question->once || change->found == h->commit_count - 1);
}

static bool failure_counts(const struct gb_history *h, const struct gb_history_question *question,
                           const struct gb_history_row *row) {
    return row->failing > question->since &&
           (!question->once || row->failing == h->commit_count - 1);
}

__attribute__((format(printf, 3, 4))) static void
decide(struct gb_history_judgement *j, enum gb_verdict verdict, const char *format, ...) {
    j->verdict = verdict;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(j->reason, sizeof j->reason, format, arguments);
    va_end(arguments);
}

static void judge(const struct gb_history *h, const struct gb_history_question *question,
                  struct gb_history_judgement *j) {
    const int first = question->since < 0 ? 0 : question->since;
    const char *since = h->commits[first].name;
    const int after = h->commit_count - 1 - first;
    int last = -1;
    for (int i = 0; i < h->changes.count; i++) // of a row's changes only one is counted
        if (gb_history_counts(h, question, &h->changes.list[i]) && h->changes.list[i].row != last) {
            last = h->changes.list[i].row;
            j->slower++;
        }
    for (int i = 0; i < h->row_count; i++)
        j->failing += failure_counts(h, question, &h->rows[i]);
    if (j->slower + j->failing > 0)
        decide(j, GB_REGRESSION, "since commit %s: %d of %d benchmarks slower, %d failing", since,
               j->slower, h->row_count, j->failing);
    else if (h->changes.undecidable == h->row_count)
        decide(j, GB_INCONCLUSIVE, "need at least %d commits for %d benchmarks; there are %d",
               h->changes.needed, h->row_count, h->commit_count);
    else if (after < GB_MIN_STRETCH)
        decide(j, GB_INCONCLUSIVE,
               "need at least %d commits after %s to find a change; there are %d", GB_MIN_STRETCH,
               since, after);
    else
        decide(j, GB_NO_REGRESSION, "since commit %s: no lasting slowdown found in %d benchmarks",
               since, h->row_count - h->changes.undecidable);
}

enum gb_status gb_history_judge(const struct gb_history *h,
                                const struct gb_history_question *question,
                                struct gb_history_judgement *j) {
    *j = (struct gb_history_judgement){0};
    GB_TRY(make_alerts(h, j));
    judge(h, question, j);
    return GB_OK;
}

void gb_history_judgement_free(struct gb_history_judgement *j) {
    free(j->alerts);
    free(j->lists);
    *j = (struct gb_history_judgement){0};
}

// ---- The table ----

static void add_word(char text[static 128], const char *word) {
    const size_t used = strlen(text);
    snprintf(text + used, 128 - used, "%s%s", used ? ", " : "", word);
}

void gb_history_differences(const struct gb_history *h, int commit, char text[static 128]) {
    static const char *const build[] = {"compiler", "flags", "isa_flags", "libraries", NULL};
    *text = '\0';
    if (commit < 1)
        return;
    const struct gb_history_commit *is = &h->commits[commit], *was = is - 1;
    for (const char *const *key = build; *key; key++)
        if (gb_first_difference(was->build, is->build, (const char *const[]){*key, NULL}))
            add_word(text, *key);
    if (gb_first_difference(was->machine, is->machine, (const char *const[]){"system", NULL}))
        add_word(text, "system");
    if (gb_first_difference(json_object_get(was->machine, "cpu"),
                            json_object_get(is->machine, "cpu"),
                            (const char *const[]){"microcode", NULL}))
        add_word(text, "microcode");
}

static void print_alert(const struct gb_history *h, const struct gb_history_alert *alert) {
    const struct gb_history_commit *commit = &h->commits[alert->commit];
    char differences[128];
    printf("\n%s from commit %s%s%.10s, %d benchmark%s\n  first seen at %s\n",
           alert->change == GB_SLOWER ? "slower" : "faster", commit->name,
           *commit->date ? " of " : "", commit->date, alert->count, alert->count == 1 ? "" : "s",
           h->commits[alert->found].name);
    gb_history_differences(h, alert->commit, differences);
    if (*differences) {
        const int indent = printf("  different from the commit before: ");
        gb_print_wrapped(stdout, differences, indent, gb_console_columns());
    }
    for (int i = 0; i < alert->count; i++) {
        const struct gb_level_change *change = alert->list[i];
        char name[GB_HISTORY_NAME];
        gb_history_row_name(h->rows[change->row].row, name);
        char text[3 * GB_HISTORY_NAME];
        snprintf(text, sizeof text, "%s%s", name, change->recovered ? " (recovered)" : "");
        if (change->earliest < change->latest) {
            const size_t used = strlen(text);
            snprintf(text + used, sizeof text - used, " (%s .. %s)",
                     h->commits[change->earliest].name, h->commits[change->latest].name);
        }
        const int indent =
            printf("  %7.4f  %6.4f .. %6.4f  ", change->ratio, change->low, change->high);
        gb_print_wrapped(stdout, text, indent, gb_console_columns());
    }
}

void gb_history_print(const struct gb_history *h, const struct gb_history_judgement *j) {
    const struct gb_history_commit *first = &h->commits[0],
                                   *last = &h->commits[h->commit_count - 1];
    char text[512];
    snprintf(text, sizeof text, "History of %d benchmarks, %d commits from %s to %s, %s",
             h->row_count, h->commit_count, first->name, last->name,
             gb_json_string_or_unknown(json_object_get(last->machine, "cpu"), "model"));
    gb_print_wrapped(stdout, text, 0, gb_console_columns());
    if (h->left_out)
        printf("%d of %d launches left out: their control benchmark shows other load\n",
               h->left_out, h->launches);
    if (h->changes.undecidable > 0 && h->changes.undecidable < h->row_count)
        printf("%d benchmarks have too few commits to find a change: %d are needed\n",
               h->changes.undecidable, h->changes.needed);
    if (j->alert_count > 0)
        printf(
            "\nRatio of times (above 1: slower), 99 %% interval, benchmark (possible commits)\n");
    for (int i = 0; i < j->alert_count; i++)
        print_alert(h, &j->alerts[i]);
    bool titled = false;
    for (int i = 0; i < h->row_count; i++) {
        const struct gb_history_row *row = &h->rows[i];
        char name[GB_HISTORY_NAME];
        if (row->failing < 0)
            continue;
        if (!titled)
            printf("\nfailing\n");
        titled = true;
        gb_history_row_name(row->row, name);
        printf("  since %s  %s\n", h->commits[row->failing].name, name);
    }
    printf("\n%s: %s\n", gb_verdict_name(j->verdict), j->reason);
}
