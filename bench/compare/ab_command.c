// SPDX-License-Identifier: MIT
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/files.h"
#include "base/interrupt.h"
#include "base/options.h"
#include "base/progress.h"
#include "bench/child.h"
#include "bench/commands.h"
#include "bench/compare/comparison.h"
#include "bench/runner/launches.h"
#include "kernels/random/random.h"

static const char *const forwarded_names[] = {"--filter",  "--kind",  "--model", "--backend",
                                              "--threads", "--cache", "--reps"};
enum { FORWARDED = sizeof forwarded_names / sizeof *forwarded_names };

struct request {
    const char *executables[GB_SIDES], *directory, *threshold_text;
    const char *forwarded[FORWARDED]; // values of bench's options; NULL: not given
    int max_pairs;                    // 0: as many as the benchmarks need
    uint64_t seed;
    struct gb_allowed allowed;
    double threshold;
};

struct session {
    const struct request *request;
    char paths[GB_SIDES][GB_PATH]; // of the rows
    struct gb_looks looks;         // count 0: not planned yet
    int look;                      // the next
    struct gb_progress progress;
};

static const char what[] = "cannot compare builds";

// ---- Pairs ----

static enum gb_status launch(const struct session *session, enum gb_side side, int pair) {
    char number[16];
    snprintf(number, sizeof number, "%d", pair);
    const char *arguments[2 * FORWARDED + 8] = {"bench", "--json", session->paths[side], "--launch",
                                                number};
    int count = 5;
    if (pair > 0)
        arguments[count++] = "--resume";
    for (int i = 0; i < FORWARDED; i++)
        if (session->request->forwarded[i]) {
            arguments[count++] = forwarded_names[i];
            arguments[count++] = session->request->forwarded[i];
        }
    return gb_launch(session->request->executables[side], arguments, true);
}

// Runs both builds in random order: if they are alike, the sign of each log-ratio is then a fair
// coin, whatever the machine does meanwhile. *failed: a benchmark's check failed.
static enum gb_status run_pair(const struct session *session, int pair, bool *failed) {
    const struct gb_random_key key = {.seed = session->request->seed, .purpose = GB_RANDOM_PAIRS};
    const enum gb_side first = gb_random_uniform(&key, (uint32_t)pair) < 0.5f ? GB_BASE : GB_NEW;
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

// After the first pair, which tells how many benchmarks there are and how long a pair takes.
static enum gb_status plan(struct session *session, int benchmarks) {
    const struct request *request = session->request;
    const double level = GB_FALSE_ALARMS / GB_GATES;
    const int tests = benchmarks > 0 ? benchmarks : 1;
    session->looks = gb_looks_plan(tests, level, request->max_pairs);
    const struct gb_looks *looks = &session->looks;
    if (looks->count == 0)
        return gb_fail(GB_BAD_INPUT, "bad value", "--pairs",
                       "%d is too few: %d benchmark%s need%s at least %d", request->max_pairs,
                       benchmarks, benchmarks == 1 ? "" : "s", benchmarks == 1 ? "s" : "",
                       gb_min_pairs(tests, level));
    char duration[32];
    gb_duration_text((gb_seconds() - session->progress.start) * (looks->pairs[0] - 1), duration);
    printf("%d benchmark%s; checking after", benchmarks, benchmarks == 1 ? "" : "s");
    for (int i = 0; i < looks->count; i++)
        printf("%s %d", i ? "," : "", looks->pairs[i]);
    printf(" pairs (first in about %s); --seed %llu\n", duration,
           (unsigned long long)request->seed);
    return GB_OK;
}

static void end_progress(struct session *session) {
    gb_progress_end(&session->progress);
    session->progress.terminal = false;
}

static enum gb_status judge_rows(struct session *session, const struct gb_rows rows[GB_SIDES],
                                 int pairs, bool *done) {
    const struct request *request = session->request;
    GB_TRY(gb_rows_comparable(rows, request->executables, &request->allowed));
    struct gb_comparison comparison;
    enum gb_status status = gb_comparison_make(rows, &comparison);
    const bool ends = comparison.failures > 0 || comparison.missing > 0;
    if (status == GB_OK && pairs == 1 && !ends)
        status = plan(session, comparison.row_count);
    const struct gb_looks *looks = &session->looks;
    *done = status == GB_OK && (ends || pairs == looks->pairs[session->look]) &&
            gb_comparison_look(&comparison, looks, session->look++, request->threshold);
    if (*done) {
        end_progress(session);
        status = gb_comparison_report(&comparison, rows, request->executables);
    }
    gb_comparison_free(&comparison);
    return status;
}

static enum gb_status judge(struct session *session, int pairs, bool *done) {
    const char *const paths[GB_SIDES] = {session->paths[GB_BASE], session->paths[GB_NEW]};
    struct gb_rows rows[GB_SIDES];
    GB_TRY(gb_sides_read(paths, rows));
    enum gb_status status = judge_rows(session, rows, pairs, done);
    gb_sides_free(rows);
    return status;
}

static enum gb_status run(struct session *session) {
    gb_progress_begin(&session->progress, "pairs", 0, GB_SAMPLE_MAX);
    const struct gb_looks *looks = &session->looks;
    enum gb_status status = GB_OK;
    bool done = false, failed;
    for (int pairs = 1; status == GB_OK && !done; pairs++) {
        status = run_pair(session, pairs - 1, &failed);
        if (status == GB_OK && (pairs == 1 || failed || pairs == looks->pairs[session->look]))
            status = judge(session, pairs, &done);
        if (status == GB_OK && !done && gb_progress_due(&session->progress)) {
            char text[96], duration[32];
            gb_duration_text((gb_seconds() - session->progress.start) / pairs, duration);
            snprintf(text, sizeof text, "pair %d (next check at %d), %s per pair", pairs,
                     looks->pairs[session->look], duration);
            gb_progress_show(&session->progress, (double)pairs / looks->pairs[looks->count - 1],
                             text);
        }
    }
    end_progress(session);
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

static enum gb_status run_in_directory(const struct request *request) {
    if (request->directory) {
        if (mkdir(request->directory, 0777) != 0 && errno != EEXIST)
            return gb_fail(GB_IO_ERROR, what, request->directory, "%s", strerror(errno));
        return run_in(request, request->directory);
    }
    char directory[GB_PATH];
    GB_TRY(gb_temporary_directory(what, "set TMPDIR or --out", directory));
    enum gb_status status = run_in(request, directory);
    if (rmdir(directory) != 0 && status == GB_OK)
        return gb_fail(GB_IO_ERROR, "cannot remove", directory, "%s", strerror(errno));
    return status;
}

static enum gb_status check(struct request *request) {
    static const char *const options[GB_SIDES] = {"--base", "--new"};
    for (enum gb_side side = GB_BASE; side < GB_SIDES; side++) {
        const char *executable = request->executables[side];
        if (!executable)
            return gb_fail(GB_BAD_INPUT, "missing option", options[side],
                           "see glowbench ab --help");
        if (access(executable, X_OK) != 0)
            return gb_fail(GB_BAD_INPUT, "cannot run", executable, "%s", strerror(errno));
    }
    if (request->seed > INT64_MAX) {
        if (getrandom(&request->seed, sizeof request->seed, 0) != sizeof request->seed)
            return gb_fail(GB_IO_ERROR, what, "--seed", "the system has no random number");
        request->seed >>= 32; // short enough to type
    }
    return gb_threshold_parse(request->threshold_text, &request->threshold);
}

static enum gb_status ab(int argc, const char **argv) {
    struct request request = {.threshold_text = GB_THRESHOLD, .seed = UINT64_MAX};
    const struct gb_option options[] = {
        gb_option_string("base", "EXE", &request.executables[GB_BASE], "the build to compare with"),
        gb_option_string("new", "EXE", &request.executables[GB_NEW], "the build under test"),
        gb_option_string("filter", "REGEX", &request.forwarded[0], "same as bench --filter"),
        gb_option_string("kind", "A,B", &request.forwarded[1], "same as bench --kind"),
        gb_option_string("model", "A,B", &request.forwarded[2], "same as bench --model"),
        gb_option_string("backend", "A,B", &request.forwarded[3], "same as bench --backend"),
        gb_option_string("threads", "1,2", &request.forwarded[4], "same as bench --threads"),
        gb_option_string("cache", "WORD", &request.forwarded[5], "same as bench --cache"),
        gb_option_string("reps", "N", &request.forwarded[6], "same as bench --reps"),
        gb_option_string("threshold", "PERCENT", &request.threshold_text,
                         "smallest change that counts"),
        gb_option_int("pairs", "N", &request.max_pairs, 1, GB_SAMPLE_MAX,
                      "maximum number of base/new pairs (default: by the number of benchmarks)"),
        gb_option_seed("seed", "N", &request.seed, "seed of the random order (default: random)"),
        gb_option_string("out", "DIR", &request.directory, "keep the result files in DIR"),
        gb_option_flag("allow-other-build", &request.allowed.other_build,
                       "also compare other build types, compilers, flags and libraries"),
        {0},
    };
    bool helped;
    GB_TRY(gb_options_parse(&gb_ab_command, options, argc, argv, &helped));
    if (helped)
        return GB_OK;
    GB_TRY(check(&request));
    return run_in_directory(&request);
}

const struct gb_command gb_ab_command = {"ab", "Compare two builds by running them alternately", ab,
                                         false};
