// SPDX-License-Identifier: MIT
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/console.h"
#include "base/files.h"
#include "base/interrupt.h"
#include "base/json.h"
#include "base/options.h"
#include "base/progress.h"
#include "bench/child.h"
#include "bench/commands.h"
#include "bench/compare/comparison.h"
#include "bench/emulation.h"
#include "bench/runner/forecast.h"
#include "bench/runner/launches.h"
#include "bench/verdict/verdict.h"
#include "kernels/random/random.h"
#include "tasks/verdicts.h"

static const char *const forwarded_names[] = {
    "--filter", "--kind",  "--model", "--backend",   "--threads",    "--cache", "--reps",
    "--suite",  "--check", "--label", "--precision", "--checkpoint", "--budget"};
enum { FORWARDED = sizeof forwarded_names / sizeof *forwarded_names, BUDGET = FORWARDED - 1 };

// The executables of one side: one, or layouts of one build.
struct side {
    const char *given;            // as on the command line
    char names[16 * GB_PATH];     // the same, with a NUL after each
    const char *list[GB_LAYOUTS]; // in `names`
    uint64_t hashes[GB_LAYOUTS];
    int count;
    char title[GB_PATH]; // for messages
};

struct request {
    struct side sides[GB_SIDES];
    const char *names[GB_SIDES]; // the sides' titles
    const char *directory, *threshold_text, *budget_text;
    const char *forwarded[FORWARDED]; // values of bench's options; NULL: not given
    int max_pairs;                    // 0: as many as the benchmarks need
    uint64_t seed;
    struct gb_allowed allowed;
    struct gb_verdict_files files;
    double threshold;
    double budget; // seconds; 0: none
    bool allow_emulation;
};

struct session {
    const struct request *request;
    int layouts;                   // of each side
    char paths[GB_SIDES][GB_PATH]; // of the rows
    char state[GB_PATH];           // what a resumed comparison needs: save
    uint64_t seed;
    int first;             // pairs that are there already
    char budget[32];       // of a launch, for bench; "": none
    double share_of_times; // of the first pair's time, what a later one takes: it checks nothing
    struct gb_looks looks; // count 0: not planned yet
    int look;              // the next
    struct gb_progress progress;
};

static const char what[] = "cannot compare builds";
static const double level = GB_FALSE_ALARMS / GB_GATES;

// ---- Pairs ----

enum { MAX_FORWARDED = 2 * FORWARDED + 2 }; // words, with the NULL

// Adds the options that are passed on to bench, and a NULL.
static void forward(const struct session *session, const char **arguments) {
    int count = 0;
    for (int i = 0; i < FORWARDED; i++) {
        const char *value = i == BUDGET ? session->budget : session->request->forwarded[i];
        if (value && *value) {
            arguments[count++] = forwarded_names[i];
            arguments[count++] = value;
        }
    }
    if (session->request->allow_emulation)
        arguments[count++] = "--allow-emulation";
    arguments[count] = NULL;
}

static enum gb_status launch(const struct session *session, enum gb_side side, int pair) {
    char number[16];
    snprintf(number, sizeof number, "%d", pair);
    const char *arguments[MAX_FORWARDED + 6] = {"bench", "--json", session->paths[side], "--launch",
                                                number};
    int count = 5;
    if (pair > 0)
        arguments[count++] = "--resume";
    forward(session, arguments + count);
    return gb_launch(session->request->sides[side].list[pair % session->layouts], arguments, true);
}

// Runs both builds in random order: if they are alike, the sign of each log-ratio is then a fair
// coin, whatever the machine does meanwhile. *failed: a benchmark's check failed.
static enum gb_status run_pair(const struct session *session, int pair, bool *failed) {
    const struct gb_random_key key = {.seed = session->seed, .purpose = GB_RANDOM_PAIRS};
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

// ---- Resuming ----

// What must be the same for a comparison to be resumed.
static json_t *command_of(const struct session *session) {
    const struct request *request = session->request;
    json_t *command = json_array();
    for (int i = 0; i < FORWARDED; i++) {
        const char *value = i == BUDGET ? session->budget : request->forwarded[i];
        json_array_append_new(command, json_string(value ? value : ""));
    }
    for (int side = 0; side < GB_SIDES; side++)
        for (int i = 0; i < session->layouts; i++) {
            char hash[32];
            snprintf(hash, sizeof hash, "%016" PRIx64, request->sides[side].hashes[i]);
            json_array_append_new(command, json_string(hash));
        }
    return command;
}

// After a pair: how many there are, and how long the files are with them.
static enum gb_status save(const struct session *session, int pairs) {
    struct stat base = {0}, new = {0};
    if (stat(session->paths[GB_BASE], &base) != 0 || stat(session->paths[GB_NEW], &new) != 0)
        return GB_OK; // a build that wrote nothing: its rows are missed when they are read
    json_t *state = json_pack("{so sI si sI sI}", "command", command_of(session), "seed",
                              (json_int_t)session->seed, "pairs", pairs, "base_bytes",
                              (json_int_t)base.st_size, "new_bytes", (json_int_t) new.st_size);
    enum gb_status status = gb_json_write(session->state, state);
    json_decref(state);
    return status;
}

// Takes up a comparison that was interrupted, without the pair that it was in: a launch is one
// process.
static enum gb_status resume(struct session *session) {
    json_t *state;
    GB_TRY(gb_json_read_if_there(what, session->state, &state));
    if (!state)
        return GB_OK;
    // Of the budget, the launches' part may be another now, and must stay.
    const json_t *command = json_object_get(state, "command");
    const char *budget = json_string_value(json_array_get(command, BUDGET));
    snprintf(session->budget, sizeof session->budget, "%s", budget ? budget : "");
    json_t *own = command_of(session);
    const bool same = json_equal(own, command);
    json_decref(own);
    session->seed = (uint64_t)gb_json_integer(state, "seed");
    session->first = (int)gb_json_integer(state, "pairs");
    const off_t bytes[GB_SIDES] = {(off_t)gb_json_integer(state, "base_bytes"),
                                   (off_t)gb_json_integer(state, "new_bytes")};
    json_decref(state);
    if (!same || session->first < 1 || session->first >= GB_SAMPLE_MAX)
        return gb_fail(GB_BAD_INPUT, what, session->request->directory,
                       "it has a comparison of other builds or benchmarks; give another --out");
    for (enum gb_side side = GB_BASE; side < GB_SIDES; side++) {
        struct stat file;
        if (stat(session->paths[side], &file) != 0 || file.st_size < bytes[side] ||
            truncate(session->paths[side], bytes[side]) != 0)
            return gb_fail(GB_BAD_INPUT, what, session->paths[side],
                           "rows are missing; give another --out");
    }
    gb_say("resuming after %d pair%s\n", session->first, session->first == 1 ? "" : "s");
    return GB_OK;
}

// ---- Looks ----

// 0 before the first pair of this process.
static double pair_seconds(const struct session *session, int pairs) {
    const int done = pairs - session->first;
    const double seconds = gb_seconds() - session->progress.start;
    // Each layout checks its results once.
    return done == 0 ? 0
                     : (done <= session->layouts ? session->share_of_times : 1) * seconds / done;
}

static enum gb_status too_few_pairs(const struct session *session, int benchmarks) {
    const int needed = gb_min_pairs(benchmarks > 0 ? benchmarks : 1, level);
    const char *const noun = benchmarks == 1 ? "benchmark needs" : "benchmarks need";
    if (session->layouts > 1 && session->layouts < needed)
        return gb_fail(GB_BAD_INPUT, "bad value", "--base",
                       "%d layouts are too few: %d %s at least %d", session->layouts, benchmarks,
                       noun, needed);
    return gb_fail(GB_BAD_INPUT, "bad value", "--pairs", "%d is too few: %d %s at least %d",
                   session->request->max_pairs, benchmarks, noun,
                   session->layouts > 1 ? 2 * session->layouts : needed);
}

// After the first pair, which shows how many benchmarks there are and how long a pair takes.
static enum gb_status plan(struct session *session, int benchmarks, int pairs) {
    const struct request *request = session->request;
    const int tests = benchmarks > 0 ? benchmarks : 1;
    const double seconds = pair_seconds(session, pairs);
    session->looks = gb_looks_plan(tests, level, request->max_pairs, session->layouts);
    const struct gb_looks *looks = &session->looks;
    if (looks->count == 0)
        return too_few_pairs(session, benchmarks);
    char duration[32], first[64] = "";
    gb_duration_text(seconds * (looks->pairs[0] - pairs), duration);
    if (seconds > 0)
        snprintf(first, sizeof first, " (first in about %s)", duration);
    gb_say("%d benchmark%s; checking after", benchmarks, benchmarks == 1 ? "" : "s");
    for (int i = 0; i < looks->count; i++)
        gb_say("%s %d", i ? "," : "", looks->pairs[i]);
    gb_say(" pairs%s; --seed %llu\n", first, (unsigned long long)session->seed);
    while (session->look < looks->count - 1 && looks->pairs[session->look] < pairs)
        session->look++;
    return GB_OK;
}

static bool is_time_up(const struct session *session, int pairs) {
    const double spent = gb_seconds() - session->progress.start;
    return session->request->budget > 0 && pairs > session->first &&
           spent + pair_seconds(session, pairs) > session->request->budget;
}

// Once the time is up, the next look is the last, and is now: when looks are taken does not depend
// on what the pairs show.
static enum gb_status shorten(struct session *session, int benchmarks, int pairs) {
    struct gb_looks *looks = &session->looks;
    if (pairs == looks->pairs[session->look] || !is_time_up(session, pairs))
        return GB_OK;
    const int needed = gb_min_pairs(benchmarks > 0 ? benchmarks : 1, looks->level);
    if (pairs < needed)
        return gb_fail(GB_BAD_INPUT, "inconclusive", "--budget",
                       "the time was up after %d of %d pairs%s", pairs, needed,
                       session->request->directory ? "; rerun to resume" : "");
    looks->pairs[session->look] = pairs;
    looks->count = session->look + 1;
    return GB_OK;
}

static void end_progress(struct session *session) {
    gb_progress_end(&session->progress);
    session->progress.terminal = false;
}

static enum gb_status judge_rows(struct session *session, const struct gb_rows rows[GB_SIDES],
                                 int pairs, bool *done) {
    const struct request *request = session->request;
    GB_TRY(gb_rows_comparable(rows, request->names, &request->allowed));
    struct gb_comparison comparison;
    enum gb_status status = gb_comparison_make(rows, &comparison);
    const bool ends = comparison.failures > 0 || comparison.missing > 0;
    if (status == GB_OK && session->looks.count == 0 && !ends)
        status = plan(session, comparison.row_count, pairs);
    if (status == GB_OK && !ends)
        status = shorten(session, comparison.row_count, pairs);
    const struct gb_looks *looks = &session->looks;
    *done = status == GB_OK && (ends || pairs == looks->pairs[session->look]) &&
            gb_comparison_look(&comparison, looks, session->look++, request->threshold);
    if (*done) {
        end_progress(session);
        status = gb_comparison_write(&comparison, "ab", rows, request->names, &request->files);
        if (status == GB_OK)
            status = gb_comparison_report(&comparison, rows, request->names);
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

static void show_progress(struct session *session, int pairs) {
    if (!gb_progress_due(&session->progress))
        return;
    const struct gb_looks *looks = &session->looks;
    const double seconds = pair_seconds(session, pairs);
    char text[128], each[32], left[32];
    gb_duration_text(seconds, each);
    gb_duration_text(seconds * (looks->pairs[session->look] - pairs), left);
    snprintf(text, sizeof text, "pair %d (next check at %d, in %s), %s per pair", pairs,
             looks->pairs[session->look], left, each);
    gb_progress_show(&session->progress, (double)pairs / looks->pairs[looks->count - 1], text);
}

static enum gb_status run(struct session *session) {
    gb_progress_begin(&session->progress, "pairs", 0, GB_SAMPLE_MAX);
    const struct gb_looks *looks = &session->looks;
    enum gb_status status = GB_OK;
    bool done = false, failed;
    if (session->first > 0)
        status = judge(session, session->first, &done);
    for (int pairs = session->first + 1; status == GB_OK && !done; pairs++) {
        status = run_pair(session, pairs - 1, &failed);
        if (status == GB_OK)
            status = save(session, pairs);
        if (status == GB_OK && (looks->count == 0 || failed ||
                                pairs == looks->pairs[session->look] || is_time_up(session, pairs)))
            status = judge(session, pairs, &done);
        if (status == GB_OK && !done)
            show_progress(session, pairs);
    }
    end_progress(session);
    return status;
}

// ---- The command ----

// Whether the builds can be compared, if they both say what they are.
static enum gb_status check_builds(const struct session *session, const char *directory) {
    const struct request *request = session->request;
    char path[GB_PATH];
    json_t *infos[GB_SIDES] = {0};
    struct gb_row row[GB_SIDES] = {0};
    struct gb_rows rows[GB_SIDES];
    GB_TRY(gb_path_join(directory, "info.json", path));
    bool known = true;
    for (int side = 0; side < GB_SIDES && known; side++) {
        const char *const arguments[] = {"info", "--json", path, NULL};
        known = gb_launch(request->sides[side].list[0], arguments, true) == GB_OK &&
                gb_json_read(what, path, &infos[side]) == GB_OK;
        unlink(path);
        row[side] =
            (struct gb_row){.machine = infos[side], .build = json_object_get(infos[side], "build")};
        rows[side] = (struct gb_rows){&row[side], 1};
        known = known && row[side].build;
    }
    enum gb_status status =
        known ? gb_rows_comparable(rows, request->names, &request->allowed) : GB_OK;
    for (int side = 0; side < GB_SIDES; side++)
        json_decref(infos[side]);
    return status;
}

// What the builds forecast, if both do: how long the comparison takes. With a budget, launches take
// what lets the first look come in two thirds of it; what weighs most is kept.
static enum gb_status forecast(struct session *session) {
    const struct request *request = session->request;
    const char *arguments[MAX_FORWARDED];
    struct gb_forecast sides[GB_SIDES];
    const double share = 2.0 / 3;
    forward(session, arguments);
    session->share_of_times = 1;
    for (int side = 0; side < GB_SIDES; side++)
        if (!gb_launch_forecast(request->sides[side].list[0], arguments, &sides[side]))
            return GB_OK;
    const struct gb_forecast *base = &sides[GB_BASE];
    const double each = base->seconds - base->check_seconds;
    const struct gb_looks looks =
        gb_looks_plan(base->rows, level, request->max_pairs, session->layouts);
    if (looks.count == 0)
        return too_few_pairs(session, base->rows);
    const double check = base->check_seconds + sides[GB_NEW].check_seconds; // of a layout
    const double checks = session->layouts * check;
    session->share_of_times = 2 * each / (2 * each + check);
    if (!*session->budget && session->first == 0 && request->budget > 0 &&
        2 * each * looks.pairs[0] > share * request->budget) {
        snprintf(session->budget, sizeof session->budget, "%.3f",
                 share * request->budget / (2 * looks.pairs[0]));
        return forecast(session);
    }
    char pair[32], first[32], last[32];
    const double last_seconds = 2 * each * looks.pairs[looks.count - 1] + checks;
    gb_duration_text(2 * each, pair);
    gb_duration_text(2 * each * looks.pairs[0] + checks, first);
    gb_duration_text(request->budget > 0 ? fmin(request->budget, last_seconds) : last_seconds,
                     last);
    gb_say("%d benchmark%s, about %s per pair: first check after %d pairs, about %s; last after at "
           "most %s\n",
           base->rows, base->rows == 1 ? "" : "s", pair, looks.pairs[0], first, last);
    if (request->budget == 0)
        gb_forecast_warn(2 * each * looks.pairs[0]);
    return GB_OK;
}

static enum gb_status run_in(const struct request *request, const char *directory) {
    struct session session = {
        .request = request, .layouts = request->sides[GB_BASE].count, .seed = request->seed};
    GB_TRY(gb_path_join(directory, "base.jsonl", session.paths[GB_BASE]));
    GB_TRY(gb_path_join(directory, "new.jsonl", session.paths[GB_NEW]));
    GB_TRY(gb_path_join(directory, "ab.json", session.state));
    gb_interrupt_watch();
    enum gb_status status = check_builds(&session, directory);
    if (status == GB_OK)
        status = resume(&session);
    if (status == GB_OK)
        status = forecast(&session);
    if (status == GB_OK)
        status = run(&session);
    gb_interrupt_unwatch();
    const bool resumable = status == GB_INTERRUPTED && !gb_is_missing(session.state);
    if (resumable)
        return gb_fail(GB_INTERRUPTED, "interrupted", directory,
                       request->directory ? "rerun to resume" : "rerun with --out %s to resume",
                       directory);
    if (status == GB_INTERRUPTED)
        status = gb_fail(GB_INTERRUPTED, "interrupted", "ab", "before the end of the first pair");
    if (!request->directory) {
        unlink(session.paths[GB_BASE]);
        unlink(session.paths[GB_NEW]);
        unlink(session.state);
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
    if (status != GB_INTERRUPTED && rmdir(directory) != 0 && status == GB_OK)
        return gb_fail(GB_IO_ERROR, "cannot remove", directory, "%s", strerror(errno));
    if (status == GB_INTERRUPTED)
        rmdir(directory); // unless it has pairs
    return status;
}

// The executables of one side: the names between commas, unless there is a file of the whole name.
static enum gb_status take_side(const char *option, struct side *side) {
    if (!side->given)
        return gb_fail(GB_BAD_INPUT, "missing option", option, "see glowbench ab --help");
    if (strlen(side->given) >= sizeof side->names)
        return gb_fail(GB_BAD_INPUT, "bad value", option, "too long");
    strcpy(side->names, side->given);
    const bool several = access(side->given, X_OK) != 0;
    for (char *next = side->names; next;) {
        char *const name = next, *const comma = several ? strchr(name, ',') : NULL;
        next = comma ? comma + 1 : NULL;
        if (comma)
            *comma = '\0';
        if (side->count == GB_LAYOUTS)
            return gb_fail(GB_BAD_INPUT, "bad value", option, "more than %d layouts", GB_LAYOUTS);
        if (access(name, X_OK) != 0)
            return gb_fail(GB_BAD_INPUT, "cannot run", name, "%s", strerror(errno));
        uint64_t hash;
        GB_TRY(gb_file_hash("cannot run", name, &hash));
        for (int i = 0; i < side->count; i++)
            if (side->hashes[i] == hash)
                return gb_fail(GB_BAD_INPUT, "bad value", option,
                               "%s has the same bytes as %s: it is not another layout", name,
                               side->list[i]);
        side->hashes[side->count] = hash;
        side->list[side->count++] = name;
    }
    if (side->count == 1)
        return gb_path_format(side->title, "%s", side->list[0]);
    return gb_path_format(side->title, "%s and %d more layout%s", side->list[0], side->count - 1,
                          side->count == 2 ? "" : "s");
}

static enum gb_status check(struct request *request) {
    static const char *const options[GB_SIDES] = {"--base", "--new"};
    for (enum gb_side side = GB_BASE; side < GB_SIDES; side++) {
        GB_TRY(take_side(options[side], &request->sides[side]));
        request->names[side] = request->sides[side].title;
    }
    const int base = request->sides[GB_BASE].count, new = request->sides[GB_NEW].count;
    if (base != new)
        return gb_fail(GB_BAD_INPUT, "bad value", "--new",
                       "--base has %d layout%s, --new %d: they run in pairs", base,
                       base == 1 ? "" : "s", new);
    if (request->budget_text)
        GB_TRY(gb_budget_parse("--budget", request->budget_text, &request->budget));
    if (request->seed > INT64_MAX) {
        if (getrandom(&request->seed, sizeof request->seed, 0) != sizeof request->seed)
            return gb_fail(GB_IO_ERROR, what, "--seed", "the system has no random number");
        request->seed >>= 32; // short enough to type
    }
    return gb_threshold_parse(request->threshold_text, &request->threshold);
}

static bool has_equal_bytes(const struct request *request) {
    const struct side *base = &request->sides[GB_BASE], *new = &request->sides[GB_NEW];
    for (int i = 0; i < base->count; i++)
        if (base->hashes[i] != new->hashes[i])
            return false;
    return true;
}

static enum gb_status ab(int argc, const char **argv) {
    struct request request = {.threshold_text = GB_THRESHOLD, .seed = UINT64_MAX};
    const struct gb_option options[] = {
        gb_option_string("base", "EXE[,EXE...]", &request.sides[GB_BASE].given,
                         "the build to compare with; several: its layouts (cmake/layouts.sh)"),
        gb_option_string("new", "EXE[,EXE...]", &request.sides[GB_NEW].given,
                         "the build under test, in as many layouts"),
        gb_option_string("filter", "REGEX", &request.forwarded[0], "same as bench --filter"),
        gb_option_string("kind", "A,B", &request.forwarded[1], "same as bench --kind"),
        gb_option_string("model", "A,B", &request.forwarded[2], "same as bench --model"),
        gb_option_string("backend", "A,B", &request.forwarded[3], "same as bench --backend"),
        gb_option_string("threads", "1,2", &request.forwarded[4], "same as bench --threads"),
        gb_option_string("cache", "WORD", &request.forwarded[5], "same as bench --cache"),
        gb_option_string("reps", "N", &request.forwarded[6], "same as bench --reps"),
        gb_option_string("suite", "NAME", &request.forwarded[7], "same as bench --suite"),
        gb_option_string("check", "WORD", &request.forwarded[8], "same as bench --check"),
        gb_option_string("label", "NAME", &request.forwarded[9], "same as bench --label"),
        gb_option_string("precision", "WORD", &request.forwarded[10], "same as bench --precision"),
        gb_option_string("checkpoint", "FILE", &request.forwarded[11],
                         "same as bench --checkpoint"),
        gb_option_string("budget", "TIME", &request.budget_text,
                         "time for all: 90s, 5min, 2h; benchmarks that do not fit are left out"),
        gb_option_string("threshold", "PERCENT", &request.threshold_text,
                         "smallest change that counts"),
        gb_option_int("pairs", "N", &request.max_pairs, 1, GB_SAMPLE_MAX,
                      "maximum number of base/new pairs (default: by the number of benchmarks)"),
        gb_option_seed("seed", "N", &request.seed, "seed of the random order (default: random)"),
        gb_option_string("out", "DIR", &request.directory,
                         "keep the results in DIR; the same command resumes there"),
        gb_option_flag("allow-other-build", &request.allowed.other_build,
                       "also compare other build types, compilers, flags and libraries"),
        GB_ALLOW_EMULATION(&request.allow_emulation),
        GB_VERDICT_OPTIONS(request.files),
        GB_CONSOLE_OPTIONS,
        {0},
    };
    bool helped;
    GB_TRY(gb_options_parse(&gb_ab_command, options, argc, argv, &helped));
    if (helped)
        return GB_OK;
    GB_TRY(check(&request));
    GB_TRY(gb_emulation_check(what, request.allow_emulation));
    GB_TRY(gb_verdict_probe(&request.files));
    if (has_equal_bytes(&request)) {
        struct gb_verdict_report report = {.command = "ab",
                                           .verdict = GB_NO_REGRESSION,
                                           .reason =
                                               "both files have the same bytes; nothing was timed",
                                           .context = json_object()};
        GB_TRY(gb_verdict_write(&report, &request.files));
        gb_verdict_free(&report);
        printf("no regression: both files have the same bytes; nothing was timed\n");
        return GB_OK;
    }
    return run_in_directory(&request);
}

const struct gb_command gb_ab_command = {"ab", "Compare two builds by running them alternately", ab,
                                         false, false};
