// SPDX-License-Identifier: MIT
// A history in the formats of other tools:
//   otava   Apache Otava (formerly Hunter): a directory with one CSV file per benchmark and an
//           otava.yaml that lists them; the metric is the time divided by the control's
//   lnt     LLVM LNT's report, format version 2: every launch is a sample of execution_time
//   bmf     Bencher Metric Format: latency in ns with the interval of the launches' centre
//   github  github-action-benchmark, customSmallerIsBetter
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/atomic_file.h"
#include "base/files.h"
#include "base/json.h"
#include "bench/history/history.h"

static const char what[] = "cannot export";

static const char *time_of(const struct gb_history_commit *commit) {
    return *commit->date ? commit->date : commit->finished;
}

// A benchmark's name without the spaces after commas, as other tools show it.
static void export_name(const struct gb_row *row, char text[static GB_HISTORY_NAME]) {
    snprintf(text, GB_HISTORY_NAME, "%s/%s/threads%d/%s", row->problem, row->backend, row->threads,
             gb_cache_name(row->cache));
}

// ---- Apache Otava ----

static void put_csv(FILE *file, const struct gb_history *h, const struct gb_history_row *row) {
    fprintf(file, "time,commit,time_ratio,seconds\n");
    for (int i = 0; i < h->commit_count; i++)
        if (!isnan(row->values[i])) // a missing value cannot be written
            fprintf(file, "%s,%s,%.9g,%.9g\n", time_of(&h->commits[i]), h->commits[i].name,
                    exp(row->values[i]), row->seconds[i]);
}

static enum gb_status write_csv(const struct gb_history *h, int index, const char *directory) {
    char path[GB_PATH];
    struct gb_atomic_file file;
    GB_TRY(gb_path_format(path, "%s/%d.csv", directory, index + 1));
    GB_TRY(gb_atomic_open(&file, path));
    put_csv(file.stream, h, &h->rows[index]);
    return gb_atomic_commit(&file);
}

// Paths in otava.yaml are relative to the working directory of otava.
static enum gb_status export_otava(const struct gb_history *h, const char *directory) {
    char path[GB_PATH];
    struct gb_atomic_file file;
    GB_TRY(gb_make_directory(what, directory));
    for (int i = 0; i < h->row_count; i++)
        GB_TRY(write_csv(h, i, directory));
    GB_TRY(gb_path_join(directory, "otava.yaml", path));
    GB_TRY(gb_atomic_open(&file, path));
    fprintf(file.stream, "tests:\n");
    for (int i = 0; i < h->row_count; i++) {
        char name[GB_HISTORY_NAME];
        export_name(h->rows[i].row, name);
        fprintf(file.stream,
                "  \"%s\":\n    type: csv\n    file: \"%d.csv\"\n    time_column: time\n"
                "    attributes: [commit]\n    metrics:\n      time_ratio:\n"
                "        direction: -1\n        scale: 1\n",
                name, i + 1);
    }
    return gb_atomic_commit(&file);
}

// ---- One commit as JSON ----

// Calls `add` for each row that has times at the last commit, with the seconds of its launches.
static bool each_row(const struct gb_history *h, json_t *to,
                     bool (*add)(json_t *to, const char *name, const double *seconds, int count)) {
    const char *last = h->commits[h->commit_count - 1].name;
    bool added = true;
    size_t i = 0;
    for (int row = 0; row < h->row_count && added; row++) {
        double seconds[GB_SAMPLE_MAX];
        char name[GB_HISTORY_NAME], other[GB_HISTORY_NAME];
        int count = 0;
        export_name(h->rows[row].row, name);
        for (; i < h->timed_count; i++) {
            export_name(h->timed[i], other);
            if (strcmp(name, other) != 0)
                break;
            if (!h->timed[i]->error && count < GB_SAMPLE_MAX &&
                strcmp(gb_json_string_or_unknown(h->timed[i]->build, "commit"), last) == 0)
                seconds[count++] = h->timed[i]->median_seconds;
        }
        if (count > 0)
            added = add(to, name, seconds, count);
    }
    return added;
}

static bool add_lnt(json_t *to, const char *name, const double *seconds, int count) {
    json_t *samples = json_array();
    for (int i = 0; i < count; i++)
        if (json_array_append_new(samples, json_real(seconds[i])) != 0)
            return false;
    return json_array_append_new(
               to, json_pack("{s:s, s:o}", "name", name, "execution_time", samples)) == 0;
}

// The interval of the launches' centre in seconds; of too few launches, the lowest and the highest.
static struct gb_interval interval_of(const double *seconds, int count) {
    double logs[GB_SAMPLE_MAX];
    struct gb_interval interval = {0, INFINITY, -INFINITY};
    for (int i = 0; i < count; i++) {
        logs[i] = log(seconds[i]);
        interval.low = fmin(interval.low, logs[i]);
        interval.high = fmax(interval.high, logs[i]);
    }
    const struct gb_interval rank = gb_signed_rank_interval(logs, count, GB_CONFIDENCE);
    if (isfinite(rank.low))
        interval = rank;
    return (struct gb_interval){exp(rank.estimate), exp(interval.low), exp(interval.high)};
}

static bool add_bmf(json_t *to, const char *name, const double *seconds, int count) {
    const struct gb_interval i = interval_of(seconds, count);
    return json_object_set_new(to, name,
                               json_pack("{s:{s:f, s:f, s:f}}", "latency", "value",
                                         1e9 * i.estimate, "lower_value", 1e9 * i.low,
                                         "upper_value", 1e9 * i.high)) == 0;
}

static bool add_github(json_t *to, const char *name, const double *seconds, int count) {
    const struct gb_interval i = interval_of(seconds, count);
    char range[48], extra[48];
    snprintf(range, sizeof range, "± %.4g", 1e9 * fmax(i.high - i.estimate, i.estimate - i.low));
    snprintf(extra, sizeof extra, "%d launches", count);
    return json_array_append_new(to, json_pack("{s:s, s:s, s:f, s:s, s:s}", "name", name, "unit",
                                               "ns", "value", 1e9 * i.estimate, "range", range,
                                               "extra", extra)) == 0;
}

// LNT takes times without "T" and "Z".
static void lnt_time(const char *time, char text[static 32]) {
    snprintf(text, 32, "%.19s", time);
    for (char *at = text; *at; at++)
        if (*at == 'T')
            *at = ' ';
}

static json_t *lnt_report(const struct gb_history *h, json_t *tests) {
    const struct gb_history_commit *last = &h->commits[h->commit_count - 1];
    const json_t *system = json_object_get(last->machine, "system");
    char finished[32];
    lnt_time(last->finished, finished);
    return json_pack("{s:s, s:{s:s, s:s, s:s}, s:{s:s, s:s, s:s, s:s}, s:O}", "format_version", "2",
                     "machine", "name",
                     gb_json_string_or_unknown(json_object_get(last->machine, "cpu"), "model"),
                     "os", gb_json_string_or_unknown(system, "distribution"), "kernel",
                     gb_json_string_or_unknown(system, "kernel"), "run", "start_time", finished,
                     "end_time", finished, "llvm_project_revision", last->name, "compiler",
                     gb_json_string_or_unknown(last->build, "compiler"), "tests", tests);
}

enum gb_status gb_history_export(const struct gb_history *h, const char *format, const char *path) {
    if (strcmp(format, "otava") == 0)
        return export_otava(h, path);
    const bool lnt = strcmp(format, "lnt") == 0, bmf = strcmp(format, "bmf") == 0;
    if (!lnt && !bmf && strcmp(format, "github") != 0)
        return gb_fail(GB_BAD_INPUT, "bad value", "--export",
                       "unknown format \"%s\"; formats: otava, lnt, bmf, github", format);
    json_t *rows = bmf ? json_object() : json_array();
    const bool added = rows && each_row(h, rows, lnt ? add_lnt : bmf ? add_bmf : add_github);
    json_t *all = lnt && added ? lnt_report(h, rows) : json_incref(rows);
    enum gb_status status = added && all ? gb_json_write(path, all) : gb_no_memory(what, path);
    json_decref(all);
    json_decref(rows);
    return status;
}
