// SPDX-License-Identifier: MIT
#include "bench/verdict/verdict.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/atomic_file.h"
#include "base/grow.h"
#include "base/json.h"
#include "base/utf8.h"
#include "bench/report/html.h"

static const char *const changes[] = {
    [GB_UNCHANGED] = "unchanged", [GB_SLOWER] = "slower", [GB_FASTER] = "faster"};

const char *gb_verdict_name(enum gb_verdict verdict) {
    static const char *const names[] = {[GB_NO_REGRESSION] = "no regression",
                                        [GB_REGRESSION] = "regression",
                                        [GB_INCONCLUSIVE] = "inconclusive"};
    return names[verdict];
}

// JSON takes UTF-8 only, XML no control characters.
static void clean(char *text) {
    gb_make_utf8(text);
    for (; *text; text++)
        if ((unsigned char)*text < ' ')
            *text = ' ';
}

static void free_case(struct gb_verdict_case *c) {
    free(c->name);
    free(c->group);
    free(c->text);
}

enum gb_status gb_verdict_add(struct gb_verdict_report *report, const struct gb_verdict_case *add) {
    struct gb_verdict_case *list = gb_grow(report->cases, (size_t)report->count, sizeof *list);
    if (list)
        report->cases = list;
    struct gb_verdict_case copy = *add; // its texts may hold names of files
    copy.name = strdup(add->name);
    copy.group = strdup(add->group);
    copy.text = add->text ? strdup(add->text) : NULL;
    if (!list || !copy.name || !copy.group || (add->text && !copy.text)) {
        free_case(&copy);
        return gb_no_memory("cannot report", add->name);
    }
    clean(copy.name);
    clean(copy.group);
    if (copy.text)
        clean(copy.text);
    list[report->count++] = copy;
    return GB_OK;
}

void gb_verdict_free(struct gb_verdict_report *report) {
    for (int i = 0; i < report->count; i++)
        free_case(&report->cases[i]);
    free(report->cases);
    json_decref(report->context);
    *report = (struct gb_verdict_report){0};
}

// ---- JSON ----

static json_t *number(double value) {
    return isfinite(value) ? json_real(value) : json_null();
}

static json_t *case_json(const struct gb_verdict_case *c) {
    return json_pack("{s:s, s:s, s:s, s:b, s:b, s:o, s:o, s:o, s:o*, s:s*}", "name", c->name,
                     "operation", c->group, "change", changes[c->change], "regression", c->failed,
                     "undecided", c->undecided, "ratio", number(c->ratio), "low", number(c->low),
                     "high", number(c->high), "layout_deviation",
                     c->layout > 0 ? json_real(c->layout) : NULL, "text", c->text);
}

static enum gb_status write_json(FILE *file, const struct gb_verdict_report *report) {
    json_t *cases = json_array();
    bool failed = !cases;
    for (int i = 0; i < report->count && !failed; i++)
        failed = json_array_append_new(cases, case_json(&report->cases[i])) != 0;
    json_t *all = json_pack("{s:s, s:s, s:s, s:O, s:o}", "command", report->command, "verdict",
                            gb_verdict_name(report->verdict), "reason", report->reason, "context",
                            report->context, "benchmarks", cases);
    if (!all || failed || json_dumpf(all, file, JSON_INDENT(2)) != 0) {
        json_decref(all);
        return gb_no_memory("cannot write", "verdict");
    }
    fputc('\n', file);
    json_decref(all);
    return GB_OK;
}

// ---- Markdown ----

// As code, in which nothing is markup but the backtick and, in tables, the bar.
static void put_code(FILE *file, const char *text) {
    fputc('`', file);
    for (; *text; text++)
        if (*text == '|')
            fputs("\\|", file);
        else
            fputc(*text == '`' || *text == '\n' ? ' ' : *text, file);
    fputc('`', file);
}

static void put_context(FILE *file, const struct gb_verdict_report *report) {
    const char *key;
    json_t *value;
    json_object_foreach(report->context, key, value) {
        fprintf(file, "- %s: ", key);
        char *text = json_is_string(value) ? NULL : json_dumps(value, JSON_ENCODE_ANY);
        put_code(file, text ? text : gb_json_text(report->context, key));
        fputc('\n', file);
        free(text);
    }
}

enum { SHOWN = 50 }; // rows; pages of CI have a limit on their size

// Rows that failed first, then the largest changes.
static int by_weight(const void *left, const void *right) {
    const struct gb_verdict_case *a = *(const struct gb_verdict_case *const *)left,
                                 *b = *(const struct gb_verdict_case *const *)right;
    if (a->failed != b->failed)
        return a->failed ? -1 : 1;
    const double a_size = isnan(a->ratio) ? 0 : fabs(log(a->ratio));
    const double b_size = isnan(b->ratio) ? 0 : fabs(log(b->ratio));
    return a_size != b_size ? (a_size > b_size ? -1 : 1) : strcmp(a->name, b->name);
}

static enum gb_status write_summary(FILE *file, const struct gb_verdict_report *report) {
    const struct gb_verdict_case **sorted = calloc((size_t)report->count + 1, sizeof *sorted);
    if (!sorted)
        return gb_no_memory("cannot write", "verdict");
    int count = 0;
    for (int i = 0; i < report->count; i++)
        if (report->cases[i].change != GB_UNCHANGED || report->cases[i].failed)
            sorted[count++] = &report->cases[i];
    qsort(sorted, (size_t)count, sizeof *sorted, by_weight);
    fprintf(file, "### glowbench %s: %s\n\n%s\n\n", report->command,
            gb_verdict_name(report->verdict), report->reason);
    put_context(file, report);
    if (count > 0)
        fprintf(file, "\n| benchmark | time ratio (below 1 is faster) | 99 %% interval | |\n"
                      "|---|---:|---|---|\n");
    for (int i = 0; i < count && i < SHOWN; i++) {
        const struct gb_verdict_case *c = sorted[i];
        fputs("| ", file);
        put_code(file, c->name);
        if (isnan(c->ratio))
            fputs(" | | ", file);
        else
            fprintf(file, " | %.4f | %.4f .. %.4f", c->ratio, c->low, c->high);
        fprintf(file, " | %s", c->failed ? "**regression**" : changes[c->change]);
        if (c->text) {
            fputs(", ", file);
            put_code(file, c->text);
        }
        fputs(" |\n", file);
    }
    if (count > SHOWN)
        fprintf(file, "\n%d more have changed.\n", count - SHOWN);
    free(sorted);
    return GB_OK;
}

// ---- JUnit ----

// A test case per row; a row that is undecided is skipped. CI systems take a run without failures
// for a success, so an inconclusive verdict is an error of a case of its own.
static enum gb_status write_junit(FILE *file, const struct gb_verdict_report *report) {
    int failed = 0, skipped = 0;
    const bool inconclusive = report->verdict == GB_INCONCLUSIVE;
    for (int i = 0; i < report->count; i++) {
        failed += report->cases[i].failed;
        skipped += report->cases[i].undecided && !report->cases[i].failed;
    }
    fprintf(file, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    for (int suites = 1; suites >= 0; suites--)
        gb_html(file,
                suites ? "<testsuites name=\"glowbench %s\" tests=\"%d\" failures=\"%d\" "
                         "errors=\"%d\" skipped=\"%d\">\n"
                       : "<testsuite name=\"glowbench %s\" tests=\"%d\" failures=\"%d\" "
                         "errors=\"%d\" skipped=\"%d\">\n",
                report->command, report->count + 1, failed, (int)inconclusive, skipped);
    gb_html(file, "<testcase classname=\"%s\" name=\"verdict\" time=\"0\">", report->command);
    gb_html(file, inconclusive ? "<error message=\"%s\"/>" : "<system-out>%s</system-out>",
            report->reason);
    gb_html(file, "</testcase>\n");
    for (int i = 0; i < report->count; i++) {
        const struct gb_verdict_case *c = &report->cases[i];
        char ratio[96] = "";
        if (!isnan(c->ratio))
            snprintf(ratio, sizeof ratio, "time ratio %.4f (%.4f .. %.4f) ", c->ratio, c->low,
                     c->high);
        gb_html(file, "<testcase classname=\"%s\" name=\"%s\" time=\"0\">", c->group, c->name);
        if (c->failed)
            gb_html(file, "<failure type=\"regression\" message=\"%s%s\"/>", ratio,
                    c->text ? c->text : "");
        else if (c->undecided)
            gb_html(file, "<skipped message=\"too little data\"/>");
        else if (*ratio || c->text)
            gb_html(file, "<system-out>%s%s</system-out>", ratio, c->text ? c->text : "");
        gb_html(file, "</testcase>\n");
    }
    fprintf(file, "</testsuite>\n</testsuites>\n");
    return GB_OK;
}

// ---- Files ----

enum gb_status gb_verdict_probe(const struct gb_verdict_files *files) {
    const char *const paths[] = {files->json, files->summary, files->junit};
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++)
        if (paths[i])
            GB_TRY(gb_atomic_probe(paths[i]));
    return GB_OK;
}

static enum gb_status write_file(const char *path, const struct gb_verdict_report *report,
                                 enum gb_status (*write)(FILE *,
                                                         const struct gb_verdict_report *)) {
    if (!path)
        return GB_OK;
    struct gb_atomic_file file;
    GB_TRY(gb_atomic_open(&file, path));
    enum gb_status status = write(file.stream, report);
    if (status == GB_OK)
        return gb_atomic_commit(&file);
    gb_atomic_abort(&file);
    return status;
}

enum gb_status gb_verdict_write(const struct gb_verdict_report *report,
                                const struct gb_verdict_files *files) {
    GB_TRY(write_file(files->json, report, write_json));
    GB_TRY(write_file(files->summary, report, write_summary));
    return write_file(files->junit, report, write_junit);
}
