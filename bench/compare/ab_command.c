// SPDX-License-Identifier: MIT
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/files.h"
#include "base/interrupt.h"
#include "base/options.h"
#include "base/progress.h"
#include "bench/commands.h"
#include "bench/compare/comparable.h"
#include "bench/runner/launches.h"
#include "kernels/random/random.h"

enum { FORWARDED = 7 };

struct request {
    const char *executables[GB_SIDES], *directory, *threshold_text;
    const char *forwarded[FORWARDED]; // values of the options that are bench's; NULL: not given
    int max_pairs;                    // 0: as many as the rows need
    uint64_t seed;
    struct gb_allowed allowed;
    double threshold;
};

static const char *const forwarded_names[FORWARDED] = {
    "--filter", "--kind", "--model", "--backend", "--threads", "--cache", "--reps"};

// A session that runs.
struct session {
    const struct request *request;
    char paths[GB_SIDES][GB_PATH]; // of the rows
    struct gb_looks looks;         // count 0: not planned yet
    int look;                      // the next
};

static const char *const what = "cannot compare builds";

// ---- Pairs ----

static enum gb_status launch(const struct session *session, enum gb_side side, int pair) {
    const char *words[2 * FORWARDED + 8] = {"bench", "--json", session->paths[side], "--launch"};
    char number[16];
    snprintf(number, sizeof number, "%d", pair);
    int count = 4;
    words[count++] = number;
    if (pair > 0)
        words[count++] = "--resume";
    for (int i = 0; i < FORWARDED; i++)
        if (session->request->forwarded[i]) {
            words[count++] = forwarded_names[i];
            words[count++] = session->request->forwarded[i];
        }
    return gb_launch(session->request->executables[side], words, true);
}

// By a coin of its own for each pair: where both builds are alike, the sign of each log-ratio is
// then as good as thrown, whatever the machine does in the meantime.
static enum gb_side first_side(uint64_t seed, int pair) {
    struct gb_random_key key = {.seed = seed, .purpose = GB_RANDOM_PAIRS};
    return gb_random_uniform(&key, (uint32_t)pair) < 0.5f ? GB_BASE : GB_NEW;
}

// *failed: a row's check did.
static enum gb_status run_pair(const struct session *session, int pair, bool *failed) {
    enum gb_side first = first_side(session->request->seed, pair);
    const enum gb_side order[GB_SIDES] = {first, first == GB_BASE ? GB_NEW : GB_BASE};
    *failed = false;
    for (int i = 0; i < GB_SIDES; i++) {
        enum gb_status status = launch(session, order[i], pair);
        if (status != GB_OK && status != GB_CHECK_FAILED)
            return status;
        *failed |= status == GB_CHECK_FAILED;
    }
    return GB_OK;
}

// ---- Looks ----

static enum gb_status plan(struct session *session, int rows) {
    const struct request *request = session->request;
    double level = GB_FALSE_ALARMS / GB_GATES;
    int tests = rows > 0 ? rows : 1;
    session->looks = gb_looks_plan(tests, level, request->max_pairs);
    const struct gb_looks *looks = &session->looks;
    if (looks->count == 0)
        return gb_fail(GB_BAD_INPUT, "cannot decide", "--pairs",
                       "%d pairs are too few for %d rows, whatever the times: it takes %d",
                       request->max_pairs, rows, gb_min_pairs(tests, level));
    printf("%d rows: looks after", rows);
    for (int i = 0; i < looks->count; i++)
        printf(" %d", looks->pairs[i]);
    printf(" pairs; --seed %llu\n", (unsigned long long)request->seed);
    return GB_OK;
}

static enum gb_status judge(struct session *session, const struct gb_rows rows[GB_SIDES], int pairs,
                            bool *done) {
    const struct request *request = session->request;
    GB_TRY(gb_rows_comparable(rows, request->executables, &request->allowed));
    struct gb_comparison comparison;
    GB_TRY(gb_comparison_make(rows, &comparison));
    enum gb_status status = GB_OK;
    *done = false;
    bool ends = comparison.failures > 0 || comparison.missing > 0;
    if (pairs == 1 && !ends)
        status = plan(session, comparison.row_count);
    struct gb_looks *looks = &session->looks;
    if (status == GB_OK && (ends || pairs == looks->pairs[session->look])) {
        *done = gb_comparison_look(&comparison, looks, session->look++, request->threshold);
        if (*done) {
            gb_rows_print_origin("BASE", request->executables[GB_BASE], &rows[GB_BASE]);
            gb_rows_print_origin("NEW", request->executables[GB_NEW], &rows[GB_NEW]);
            gb_comparison_print(&comparison);
            status = gb_comparison_status(&comparison, request->executables[GB_NEW]);
        }
    }
    gb_comparison_free(&comparison);
    return status;
}

static enum gb_status read_and_judge(struct session *session, int pairs, bool *done) {
    struct gb_rows rows[GB_SIDES];
    GB_TRY(gb_rows_read(session->paths[GB_BASE], &rows[GB_BASE]));
    enum gb_status status = gb_rows_read(session->paths[GB_NEW], &rows[GB_NEW]);
    if (status == GB_OK)
        status = judge(session, rows, pairs, done);
    gb_rows_free(&rows[GB_BASE]);
    gb_rows_free(&rows[GB_NEW]);
    return status;
}

static enum gb_status run(struct session *session) {
    struct gb_progress progress;
    gb_progress_begin(&progress, "pairs", 0, GB_SAMPLE_MAX);
    enum gb_status status = GB_OK;
    bool done = false, failed;
    for (int pairs = 1; status == GB_OK && !done; pairs++) {
        status = run_pair(session, pairs - 1, &failed);
        const struct gb_looks *looks = &session->looks;
        if (status == GB_OK && (pairs == 1 || failed || pairs == looks->pairs[session->look]))
            status = read_and_judge(session, pairs, &done);
        if (status == GB_OK && !done && gb_progress_due(&progress)) {
            int most = looks->pairs[looks->count - 1];
            char text[64];
            snprintf(text, sizeof text, "%d of at most %d", pairs, most);
            gb_progress_show(&progress, (double)pairs / most, text);
        }
    }
    gb_progress_end(&progress);
    return status;
}

// ---- The command ----

static enum gb_status run_in(const struct request *request, const char *directory) {
    struct session session = {.request = request};
    GB_TRY(gb_path_join(directory, "base.jsonl", session.paths[GB_BASE]));
    GB_TRY(gb_path_join(directory, "new.jsonl", session.paths[GB_NEW]));
    gb_interrupt_watch();
    enum gb_status status = run(&session);
    gb_interrupt_unwatch();
    if (!request->directory) {
        unlink(session.paths[GB_BASE]);
        unlink(session.paths[GB_NEW]);
    }
    return status;
}

static enum gb_status run_in_folder(const struct request *request) {
    if (request->directory) {
        if (mkdir(request->directory, 0777) != 0 && errno != EEXIST)
            return gb_fail(GB_IO_ERROR, what, request->directory, "%s", strerror(errno));
        return run_in(request, request->directory);
    }
    char directory[] = "/tmp/glowbench-ab-XXXXXX";
    if (!mkdtemp(directory))
        return gb_fail(GB_IO_ERROR, what, directory, "%s", strerror(errno));
    enum gb_status status = run_in(request, directory);
    rmdir(directory);
    return status;
}

static enum gb_status check(struct request *request) {
    static const char *const options[GB_SIDES] = {"--base", "--new"};
    for (enum gb_side side = GB_BASE; side < GB_SIDES; side++)
        if (!request->executables[side])
            return gb_fail(GB_BAD_INPUT, "missing option", options[side],
                           "see glowbench ab --help");
    if (request->seed > INT64_MAX) {
        if (getrandom(&request->seed, sizeof request->seed, 0) != sizeof request->seed)
            return gb_fail(GB_IO_ERROR, what, "--seed", "the system has no random number");
        request->seed >>= 32; // short enough to be typed
    }
    return gb_threshold_parse(request->threshold_text, &request->threshold);
}

static enum gb_status ab(int argc, const char **argv) {
    struct request request = {.threshold_text = GB_THRESHOLD, .seed = UINT64_MAX};
    const struct gb_option options[] = {
        gb_option_string("base", "EXE", &request.executables[GB_BASE],
                         "the glowbench to compare with"),
        gb_option_string("new", "EXE", &request.executables[GB_NEW], "the glowbench to be judged"),
        gb_option_string("filter", "REGEX", &request.forwarded[0], "as bench takes it"),
        gb_option_string("kind", "A,B", &request.forwarded[1], "as bench takes it"),
        gb_option_string("model", "A,B", &request.forwarded[2], "as bench takes it"),
        gb_option_string("backend", "A,B", &request.forwarded[3], "as bench takes it"),
        gb_option_string("threads", "1,2", &request.forwarded[4], "as bench takes it"),
        gb_option_string("cache", "WORD", &request.forwarded[5], "as bench takes it"),
        gb_option_string("reps", "N", &request.forwarded[6], "as bench takes it"),
        gb_option_string("threshold", "PERCENT", &request.threshold_text,
                         "the least change that counts"),
        gb_option_int("pairs", "N", &request.max_pairs, 1, GB_SAMPLE_MAX,
                      "at most so many pairs of launches (default: by the number of rows)"),
        gb_option_seed("seed", "N", &request.seed,
                       "of the order in the pairs (default: another each time)"),
        gb_option_string("out", "DIR", &request.directory, "keep the rows in DIR"),
        gb_option_flag("allow-other-build", &request.allowed.other_build,
                       "compare different build types, compilers and flags, too"),
        {0},
    };
    bool helped;
    GB_TRY(gb_options_parse(&gb_ab_command, options, argc, argv, &helped));
    if (helped)
        return GB_OK;
    GB_TRY(check(&request));
    return run_in_folder(&request);
}

const struct gb_command gb_ab_command = {
    "ab", "Tells whether a second build is slower, by running both in turn, pair by pair", ab};
