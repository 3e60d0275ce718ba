// SPDX-License-Identifier: MIT
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/options.h"
#include "bench/commands.h"
#include "bench/history/history.h"

struct request {
    const char **paths;
    int path_count;
    const char *machine, *order, *since, *svg, *export;
    bool once;
    struct gb_verdict_files files;
};

// The last change of each row that counts, or else its last; NULL if it has none.
static const struct gb_level_change *change_of(const struct gb_history *h, int row,
                                               const struct gb_history_question *question) {
    const struct gb_level_change *change = NULL;
    for (int i = 0; i < h->changes.count; i++) {
        const struct gb_level_change *each = &h->changes.list[i];
        if (each->row == row && (!change || !gb_history_counts(h, question, change) ||
                                 gb_history_counts(h, question, each)))
            change = each;
    }
    return change;
}

static enum gb_status add_row(const struct gb_history *h, int index,
                              const struct gb_history_question *question,
                              struct gb_verdict_report *report) {
    const struct gb_history_row *row = &h->rows[index];
    const struct gb_level_change *change = change_of(h, index, question);
    char name[GB_HISTORY_NAME], group[2 * GB_WORD + 2], text[256] = "";
    gb_history_row_name(row->row, name);
    snprintf(group, sizeof group, "%s/%s", row->row->operation, row->row->direction);
    struct gb_verdict_case add = {
        .name = name, .group = group, .ratio = NAN, .low = NAN, .high = NAN};
    if (change) {
        snprintf(text, sizeof text, "from commit %s %.10s%s", h->commits[change->commit].name,
                 h->commits[change->commit].date, change->recovered ? ", recovered since" : "");
        add.change = change->change;
        add.failed = gb_history_counts(h, question, change);
        add.ratio = change->ratio;
        add.low = change->low;
        add.high = change->high;
    }
    int commits = 0;
    for (int i = 0; i < h->commit_count; i++)
        commits += !isnan(row->values[i]);
    add.undecided = commits < h->changes.needed;
    if (row->failing > question->since) {
        snprintf(text, sizeof text, "fails since commit %s", h->commits[row->failing].name);
        add.failed = !question->once || row->failing == h->commit_count - 1;
    }
    add.text = *text ? text : NULL;
    return gb_verdict_add(report, &add);
}

static enum gb_status write_verdict(const struct gb_history *h,
                                    const struct gb_history_question *question,
                                    const struct gb_history_judgement *judgement,
                                    const struct gb_verdict_files *files) {
    const struct gb_history_commit *last = &h->commits[h->commit_count - 1];
    struct gb_verdict_report report = {
        .command = "history",
        .verdict = judgement->verdict,
        .reason = judgement->reason,
        .context =
            json_pack("{s:s, s:s, s:s, s:i, s:i}", "machine",
                      gb_json_string_or_unknown(json_object_get(last->machine, "cpu"), "model"),
                      "first commit", h->commits[0].name, "last commit", last->name, "commits",
                      h->commit_count, "launches left out", h->left_out)};
    enum gb_status status = report.context ? GB_OK : gb_no_memory("cannot write", "verdict");
    for (int i = 0; i < h->row_count && status == GB_OK; i++)
        status = add_row(h, i, question, &report);
    if (status == GB_OK)
        status = gb_verdict_write(&report, files);
    gb_verdict_free(&report);
    return status;
}

static enum gb_status judge(const struct gb_history *h, const struct request *request) {
    struct gb_history_question question = {-1, request->once};
    if (request->since)
        GB_TRY(gb_history_find_commit(h, request->since, &question.since));
    struct gb_history_judgement judgement;
    enum gb_status status = gb_history_judge(h, &question, &judgement);
    if (status == GB_OK && request->svg)
        status = gb_history_plot(h, request->svg);
    if (status == GB_OK)
        status = write_verdict(h, &question, &judgement, &request->files);
    if (status == GB_OK) {
        gb_history_print(h, &judgement);
        if (judgement.verdict == GB_REGRESSION)
            status = gb_fail(GB_CHECK_FAILED, "regression", "history", "%s", judgement.reason);
        else if (judgement.verdict == GB_INCONCLUSIVE)
            status = gb_fail(GB_BAD_INPUT, "inconclusive", "history", "%s", judgement.reason);
    }
    gb_history_judgement_free(&judgement);
    return status;
}

static enum gb_status write_export(const struct gb_history *h, const char *text) {
    const size_t length = strcspn(text, "=");
    char format[16];
    if (!text[length] || !text[length + 1] || length >= sizeof format)
        return gb_fail(GB_BAD_INPUT, "bad value", "--export", "\"%s\" is not FORMAT=FILE", text);
    memcpy(format, text, length);
    format[length] = '\0';
    GB_TRY(gb_history_export(h, format, text + length + 1));
    printf("%d benchmarks written to %s\n", h->row_count, text + length + 1);
    return GB_OK;
}

static enum gb_status run(const struct request *request) {
    const bool by_time = request->order && strcmp(request->order, "time") == 0;
    const struct gb_history_order order = {by_time, by_time ? NULL : request->order};
    struct gb_rows rows;
    struct gb_history history;
    GB_TRY(gb_verdict_probe(&request->files));
    GB_TRY(gb_history_read(request->paths, request->path_count, &rows));
    enum gb_status status = gb_history_make(&rows, request->machine, &order, &history);
    if (status == GB_OK)
        status =
            request->export ? write_export(&history, request->export) : judge(&history, request);
    gb_history_free(&history);
    gb_rows_free(&rows);
    return status;
}

static enum gb_status history(int argc, const char **argv) {
    struct request request = {.paths = calloc((size_t)argc, sizeof *request.paths)};
    if (!request.paths)
        return gb_no_memory("cannot read", "rows");
    const struct gb_option options[] = {
        gb_option_string("since", "COMMIT", &request.since,
                         "exit with 1 only for changes after COMMIT (default: all)"),
        gb_option_flag("once", &request.once,
                       "exit with 1 only for what the last commit's rows reveal: once per change"),
        gb_option_string("order", "FILE|time", &request.order,
                         "order of commits: a list, oldest first, or when they were timed "
                         "(default: commit date)"),
        gb_option_string("machine", "TEXT", &request.machine,
                         "only rows from CPUs whose model name contains TEXT"),
        gb_option_string("svg", "DIR", &request.svg, "draw one SVG per operation into DIR"),
        gb_option_string("export", "FORMAT=FILE", &request.export,
                         "instead of judging, write for another tool: otava (all commits), lnt, "
                         "bmf or github (the last commit)"),
        GB_VERDICT_OPTIONS(request.files),
        gb_operand_list("ROWS", request.paths, &request.path_count,
                        "results of bench --json, or a directory of bench --append"),
        {0},
    };
    bool helped;
    enum gb_status status = gb_options_parse(&gb_history_command, options, argc, argv, &helped);
    if (status == GB_OK && !helped)
        status = run(&request);
    free(request.paths);
    return status;
}

const struct gb_command gb_history_command = {
    "history", "Find lasting changes of speed over many commits", history, false, false};
