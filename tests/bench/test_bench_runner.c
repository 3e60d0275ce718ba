// SPDX-License-Identifier: MIT
// Sweeps of made-up benchmarks: which runs happen and which rows they leave, not how long anything
// takes.
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/files.h"
#include "base/json.h"
#include "bench/runner/flush.h"
#include "bench/runner/runner.h"
#include "tests/support/fixture.h"
#include "tests/support/test.h"

static const struct gb_backend backend_a = {.name = "a", .library = "libA 1"};
static const struct gb_backend backend_b = {.name = "b", .library = ""};

// How a made-up benchmark behaves, and the calls that it got.
struct fake {
    char id;
    bool no_setup;           // setup fails
    int good_checks;         // checks that pass before one fails; -1: all pass
    bool interrupts;         // a run asks the sweep to stop
    useconds_t microseconds; // of a run
    int setups, measured, teardowns, checks, runs;
};

// Of the current test.
static struct fake a, b, c;
static struct gb_journal journal;
static char order[4096]; // ids, run by run
static int ordered;

enum { FLOATS = 1000 };

static enum gb_status fake_setup(const struct gb_benchmark *benchmark, struct gb_arena *arena,
                                 void **state) {
    struct fake *fake = benchmark->description;
    float *memory = gb_arena_floats(arena, FLOATS);
    if (fake->no_setup)
        return gb_fail(GB_UNSUPPORTED, "cannot set up", "fake", "it never can");
    fake->setups++;
    fake->measured += !memory;
    *state = fake;
    return GB_OK;
}

static void fake_run(void *state) {
    struct fake *fake = state;
    fake->runs++;
    if (ordered < (int)sizeof order - 1)
        order[ordered++] = fake->id;
    if (fake->interrupts)
        raise(SIGINT);
    fake->interrupts = false;
    usleep(fake->microseconds);
}

static enum gb_status fake_check(void *state) {
    struct fake *fake = state;
    if (fake->checks++ == fake->good_checks)
        return gb_fail(GB_CHECK_FAILED, "comparison failed", "fake", "element 3");
    return GB_OK;
}

static double fake_reorder_seconds(void *state) {
    (void)state;
    return 0.125;
}

static void fake_teardown(void *state) {
    ((struct fake *)state)->teardowns++;
}

// One run per repetition, and all is well.
static struct fake good(char id) {
    return (struct fake){.id = id, .good_checks = -1, .microseconds = 21000};
}

static int set_up(void **state) {
    a = good('a');
    b = good('b');
    c = good('c');
    ordered = 0;
    assert_ok(gb_journal_open(&journal, NULL, false));
    return gb_fixture_setup(state);
}

static int tear_down(void **state) {
    gb_journal_close(&journal);
    return gb_fixture_teardown(state);
}

// A test with the rows in memory, unless it gives them a file.
#define SWEEP_TEST(name) GB_TEST_WITH(name, set_up, tear_down)

static void reopen_journal(const char *path, bool resume) {
    gb_journal_close(&journal);
    assert_ok(gb_journal_open(&journal, path, resume));
}

static struct gb_benchmark benchmark_of(struct fake *fake, const char *problem,
                                        const struct gb_backend *backend) {
    struct gb_benchmark benchmark = {
        .operation = "fake",
        .direction = "forward",
        .backend = backend,
        .threads = 1,
        .flops = 1e6,
        .bytes = 4 * FLOATS,
        .description = fake,
        .setup = fake_setup,
        .run = fake_run,
        .check = fake_check,
        .teardown = fake_teardown,
    };
    snprintf(benchmark.problem, sizeof benchmark.problem, "%s", problem);
    return benchmark;
}

enum { REPETITIONS = 3, MANY_REPETITIONS = 9 };

static struct gb_sweep sweep_of(const struct gb_benchmark *list, int count) {
    return (struct gb_sweep){
        .list = list, .count = count, .repetitions = REPETITIONS, .warm = true};
}

static enum gb_status sweep(const struct gb_benchmark *list, int count) {
    const struct gb_sweep options = sweep_of(list, count);
    return gb_sweep_run(&options, &journal);
}

static const struct gb_row *find_cached(const char *problem, const char *backend,
                                        enum gb_cache cache) {
    const struct gb_row *row = gb_journal_find(&journal, problem, backend, 1, cache, 0);
    assert_non_null(row);
    return row;
}

static const struct gb_row *find(const char *problem, const char *backend) {
    return find_cached(problem, backend, GB_CACHE_WARM);
}

SWEEP_TEST(repetitions_of_a_problem_alternate) {
    const struct gb_benchmark list[] = {benchmark_of(&a, "fake/forward/1", &backend_a),
                                        benchmark_of(&b, "fake/forward/1", &backend_b)};
    struct gb_sweep options = sweep_of(list, 2);
    options.repetitions = MANY_REPETITIONS;
    assert_ok(gb_sweep_run(&options, &journal));
    assert_int_equal(journal.rows.count, 3);
    // Of 9 and 9 in random order, fewer than 3 changes are one in a thousand runs.
    int changes = 0;
    for (int i = 1; i < ordered; i++)
        changes += order[i] != order[i - 1];
    assert_in_range(changes, 3, 40);
    for (int i = 0; i < 2; i++) {
        const struct fake *fake = i ? &b : &a;
        // Warm-up, and a run before each repetition's own.
        assert_in_range(fake->runs, 2 * MANY_REPETITIONS + 1, 4 * MANY_REPETITIONS);
        assert_int_equal(fake->checks, 2);
        assert_int_equal(fake->setups, 2);
        assert_int_equal(fake->measured, 1);
        assert_int_equal(fake->teardowns, 2);
    }
    const struct gb_row *row = find("fake/forward/1", "a");
    assert_string_equal(row->library, "libA 1");
    assert_int_equal(row->repetitions, MANY_REPETITIONS);
    for (int i = 0; i < MANY_REPETITIONS; i++)
        assert_true(row->seconds[i] > 0.02 && row->seconds[i] < 10);
    assert_true(row->peak_gflops > 0 && row->peak_gbs > 0 && row->share_of_peak > 0);
    assert_true(isnan(row->reorder_seconds));
    assert_string_equal(row->operation, "fake");
    row = find("control/run/mix", "none");
    assert_int_equal(row->repetitions, MANY_REPETITIONS);
    assert_true(row->median_seconds > 0 && row->median_seconds < 1);
}

static const char *dot_isa;

static const char *dot_algorithm(void *state) {
    (void)state;
    return dot_isa;
}

static const char *widened_algorithm(void *state) {
    (void)state;
    return "widened";
}

// AMX has fourteen times fp32's peak here, VDPBF16PS half (Intel) or twice of it (AMD).
SWEEP_TEST(bf16_is_compared_with_the_peak_of_its_unit) {
    for (const struct gb_fma_body *const *body = gb_fma_bodies(); *body; body++)
        if (strcmp((*body)->precision, "bf16") == 0)
            dot_isa = (*body)->isa;
    if (!dot_isa)
        skip();
    struct gb_benchmark list[] = {benchmark_of(&a, "fake/forward/1_bf16", &backend_a),
                                  benchmark_of(&b, "fake/forward/1_bf16", &backend_b)};
    list[0].algorithm = dot_algorithm;
    list[1].algorithm = widened_algorithm;
    assert_ok(sweep(list, 2));
    const struct gb_row *dot = find("fake/forward/1_bf16", "a");
    const struct gb_row *widened = find("fake/forward/1_bf16", "b");
    assert_true(fabs(log(dot->peak_gflops / widened->peak_gflops)) > log(1.3));
    assert_string_equal(dot->precision, "bf16");
}

SWEEP_TEST(a_wrong_kernel_has_no_time) {
    a.good_checks = 0; // wrong from the start
    b.good_checks = 1; // goes wrong while it is timed
    struct gb_benchmark list[] = {benchmark_of(&a, "fake/forward/1", &backend_a),
                                  benchmark_of(&b, "fake/forward/1", &backend_b),
                                  benchmark_of(&c, "fake/forward/2", &backend_a)};
    list[2].reorder_seconds = fake_reorder_seconds;
    assert_error(sweep(list, 3), GB_CHECK_FAILED,
                 "a: 2, the first: fake/forward/1: comparison failed");
    assert_int_equal(a.runs, 0);
    assert_in_range(b.runs, REPETITIONS, 1000);
    for (int i = 0; i < 2; i++) {
        const struct gb_row *row = &journal.rows.list[i];
        assert_string_equal(row->error, "comparison failed: fake: element 3");
        assert_null(row->seconds);
        assert_true(isnan(row->median_seconds));
        assert_int_equal((i ? &b : &a)->teardowns, 2);
    }
    const struct gb_row *row = find("fake/forward/2", "a");
    assert_null(row->error);
    assert_true(row->reorder_seconds == 0.125);
    // Both groups are in the control's row.
    assert_int_equal(find("control/run/mix", "none")->repetitions, 2 * REPETITIONS);
}

static enum gb_status library_failed(void) {
    return gb_fail(GB_UNSUPPORTED, "cannot run", "a primitive", "oneLib: broken");
}

SWEEP_TEST(what_fails_has_no_time) {
    struct gb_backend failing = backend_a;
    failing.check = library_failed;
    b.no_setup = true;
    const struct gb_benchmark list[] = {benchmark_of(&a, "fake/forward/1", &failing),
                                        benchmark_of(&b, "fake/forward/2", &backend_b)};
    assert_int_equal(sweep(list, 2), GB_CHECK_FAILED);
    assert_string_equal(find("fake/forward/1", "a")->error,
                        "cannot run: a primitive: oneLib: broken");
    assert_string_equal(find("fake/forward/2", "b")->error, "cannot set up: fake: it never can");
    assert_int_equal(b.teardowns, 0);
}

SWEEP_TEST(a_resumed_sweep_times_only_what_is_missing) {
    const char *path = gb_fixture_path("rows");
    const struct gb_benchmark list[] = {benchmark_of(&a, "fake/forward/1", &backend_a),
                                        benchmark_of(&b, "fake/forward/1", &backend_b)};
    reopen_journal(path, false);
    assert_ok(sweep(list, 1));
    a.runs = 0;
    reopen_journal(path, true);
    assert_int_equal(journal.rows.count, 2);
    assert_ok(sweep(list, 2));
    assert_int_equal(a.runs, 0);
    assert_in_range(b.runs, REPETITIONS, 1000);
    assert_int_equal(journal.rows.count, 4); // a control row of each part
    b.runs = 0;
    reopen_journal(path, true);
    assert_ok(sweep(list, 2));
    assert_int_equal(a.runs + b.runs, 0);
    assert_int_equal(journal.rows.count, 4);
    // Another launch has rows of its own.
    struct gb_sweep next = sweep_of(list, 1);
    next.launch = 1;
    assert_ok(gb_sweep_run(&next, &journal));
    assert_int_equal(journal.rows.count, 6);
    assert_int_equal(journal.rows.list[5].launch, 1);
}

// As a process leaves it that was killed before it wrote the control's row.
SWEEP_TEST(a_resumed_sweep_times_a_missing_control) {
    const char *path = gb_fixture_path("rows");
    const struct gb_benchmark list[] = {benchmark_of(&a, "fake/forward/1", &backend_a)};
    reopen_journal(path, false);
    assert_ok(sweep(list, 1));
    assert_int_equal(journal.rows.count, 2);
    char *bytes;
    size_t size;
    assert_ok(gb_file_read("cannot read", path, &bytes, &size));
    assert_int_equal(truncate(path, strchr(bytes, '\n') + 1 - bytes), 0);
    free(bytes);
    reopen_journal(path, true);
    assert_int_equal(journal.rows.count, 1);
    a.runs = 0;
    assert_ok(sweep(list, 1));
    assert_int_equal(a.runs, 0);
    assert_int_equal(journal.rows.count, 2);
    assert_int_equal(find("control/run/mix", "none")->repetitions, REPETITIONS);
}

SWEEP_TEST(an_interrupted_sweep_keeps_finished_groups) {
    const char *path = gb_fixture_path("rows");
    b.interrupts = true;
    const struct gb_benchmark list[] = {benchmark_of(&a, "fake/forward/1", &backend_a),
                                        benchmark_of(&b, "fake/forward/2", &backend_a),
                                        benchmark_of(&c, "fake/forward/3", &backend_a)};
    reopen_journal(path, false);
    assert_error(sweep(list, 3), GB_INTERRUPTED, "after 1 of 3 rows; rerun with --resume");
    assert_int_equal(b.runs, 1); // it does not even finish its warm-up
    assert_int_equal(b.teardowns, 2);
    assert_int_equal(c.setups, 0);
    reopen_journal(path, true);
    assert_int_equal(journal.rows.count, 2); // with the control's
    assert_ok(sweep(list, 3));
    assert_int_equal(journal.rows.count, 5);
}

// A build that passed its checks here is not checked again; one that failed is.
SWEEP_TEST(verdicts_are_remembered) {
    struct gb_verdicts verdicts;
    const struct gb_benchmark list[] = {benchmark_of(&a, "fake/forward/1", &backend_a),
                                        benchmark_of(&b, "fake/forward/1", &backend_b)};
    struct gb_sweep options = sweep_of(list, 2);
    options.verdicts = &verdicts;
    b.good_checks = 1;
    for (int launch = 0; launch < 2; launch++) {
        assert_ok(gb_verdicts_open(&verdicts, gb_fixture_path("")));
        options.launch = launch;
        assert_int_equal(gb_sweep_run(&options, &journal), launch ? GB_OK : GB_CHECK_FAILED);
        gb_verdicts_close(&verdicts);
        assert_int_equal(a.checks, 2);
    }
    assert_int_equal(b.checks, 4);
    options.verdicts = NULL;
    options.launch = 2;
    assert_ok(gb_sweep_run(&options, &journal));
    assert_int_equal(a.checks, 4);
    struct gb_forecast forecast;
    assert_ok(gb_sweep_forecast(&options, &journal, &forecast));
    assert_int_equal(forecast.rows, 0);
    options.launch = 3;
    assert_ok(gb_sweep_forecast(&options, &journal, &forecast));
    assert_int_equal(forecast.rows, 2);
    assert_true(forecast.seconds > 0);
}

// Once time is up no group starts; the first always does.
SWEEP_TEST(a_budget_ends_a_sweep) {
    const struct gb_benchmark list[] = {benchmark_of(&a, "fake/forward/1", &backend_a),
                                        benchmark_of(&b, "fake/forward/2", &backend_a)};
    struct gb_sweep options = sweep_of(list, 2);
    options.budget = 0.01;
    assert_ok(gb_sweep_run(&options, &journal));
    assert_int_equal(b.setups, 0);
    assert_int_equal(journal.rows.count, 2);
}

SWEEP_TEST(only_operations_have_cold_rows) {
    struct gb_benchmark list[] = {benchmark_of(&a, "fake/forward/1", &backend_a),
                                  benchmark_of(&b, "step/train/1", &backend_a)};
    strcpy(list[1].operation, "step");
    struct gb_sweep both = sweep_of(list, 2);
    both.cold = true;
    assert_ok(gb_sweep_run(&both, &journal));
    assert_int_equal(journal.rows.count, 4);
    find("fake/forward/1", "a");
    const struct gb_row *cold = find_cached("fake/forward/1", "a", GB_CACHE_COLD);
    assert_true(cold->seconds[0] > 0.02 && cold->peak_gbs > 0);
    find("step/train/1", "a");
}

static void fake_restart_layers(void *state) {
    ((struct fake *)state)->runs = 0;
}

// The runs since the restart, instead of seconds.
static double fake_layer_seconds(void *state, const char *problem) {
    assert_true(strncmp(problem, "layer/", strlen("layer/")) == 0);
    return ((struct fake *)state)->runs;
}

static struct gb_benchmark pass_of(struct fake *fake, const char *problem) {
    struct gb_benchmark pass = benchmark_of(fake, problem, NULL);
    pass.restart_layers = fake_restart_layers;
    pass.layer_seconds = fake_layer_seconds;
    return pass;
}

static struct gb_benchmark layer_of(const struct gb_benchmark *pass, const char *problem,
                                    const struct gb_backend *backend) {
    struct gb_benchmark layer = {.operation = "layer",
                                 .backend = backend,
                                 .threads = 1,
                                 .flops = 1e6,
                                 .bytes = 1000,
                                 .traffic = GB_TRAFFIC_UPDATE,
                                 .pass = pass};
    snprintf(layer.problem, sizeof layer.problem, "%s", problem);
    return layer;
}

// A pass runs once for all of its layers, on each backend; only they have rows.
SWEEP_TEST(layers_are_timed_in_their_pass) {
    const struct gb_benchmark step = pass_of(&a, "step/train/1"),
                              draw = pass_of(&b, "sample/inverse/1");
    const struct gb_benchmark list[] = {layer_of(&step, "layer/x_forward/1", &backend_a),
                                        layer_of(&step, "layer/x_forward/1", &backend_b),
                                        layer_of(&draw, "layer/x_inverse/1", &backend_a),
                                        layer_of(&step, "layer/y_backward/1", &backend_a)};
    assert_ok(sweep(list, 4));
    assert_int_equal(journal.rows.count, 4 + 1); // and the control
    for (int i = 0; i < 4; i++) {
        const struct gb_row *row =
            find_cached(list[i].problem, list[i].backend->name, GB_CACHE_STEP);
        assert_int_equal(row->repetitions, REPETITIONS);
        for (int j = 0; j < REPETITIONS; j++)
            assert_true(row->seconds[j] == 1);
        assert_true(row->median_seconds == 1 && row->peak_gflops > 0 && row->peak_gbs > 0);
    }
    // Set up to be measured and to run: the first pass for two backends.
    assert_int_equal(a.setups, 4);
    assert_int_equal(a.teardowns, 4);
    assert_int_equal(b.setups, 2);
    // Nothing is left to time.
    assert_ok(sweep(list, 4));
    assert_int_equal(journal.rows.count, 4 + 1);
    assert_int_equal(a.setups, 4);
}

SWEEP_TEST(layers_of_a_wrong_pass_have_no_times) {
    a.good_checks = 1; // before timing, not after
    const struct gb_benchmark pass = pass_of(&a, "step/train/1");
    const struct gb_benchmark layer = layer_of(&pass, "layer/x_forward/1", &backend_a);
    assert_int_equal(sweep(&layer, 1), GB_CHECK_FAILED);
    const struct gb_row *row = find_cached(layer.problem, "a", GB_CACHE_STEP);
    assert_non_null(row->error);
    assert_null(row->seconds);
}

GB_TEST(flushing_leaves_the_bytes_as_they_were) {
    char bytes[1000], before[1000];
    for (size_t i = 0; i < sizeof bytes; i++)
        before[i] = bytes[i] = (char)(3 * i);
    gb_flush_block(bytes, sizeof bytes);
    gb_flush_block(bytes + 1, 1);
    gb_flush_block(bytes, 0);
    assert_memory_equal(bytes, before, sizeof bytes);
}

// Two groups make one Google Benchmark document, in which a wrong kernel has no time either.
SWEEP_TEST(groups_share_a_document_of_google_benchmark) {
    b.good_checks = 1;
    const struct gb_benchmark list[] = {benchmark_of(&a, "fake/forward/1", &backend_a),
                                        benchmark_of(&b, "fake/forward/2", &backend_a)};
    FILE *file = fopen(gb_fixture_path("gbench"), "w");
    const char *const context[] = {"commit", "abc", NULL};
    struct gb_sweep options = sweep_of(list, 2);
    assert_ok(gb_gbench_report_open(file, context, &options.report));
    assert_int_equal(gb_sweep_run(&options, &journal), GB_CHECK_FAILED);
    gb_gbench_report_close(options.report);
    fclose(file);

    json_t *document = json_load_file(gb_fixture_path("gbench"), 0, NULL), *run;
    assert_non_null(document);
    assert_string_equal(gb_json_text(json_object_get(document, "context"), "commit"), "abc");
    int good_runs = 0, bad_runs = 0;
    size_t index;
    json_array_foreach(json_object_get(document, "benchmarks"), index, run) {
        const char *name = gb_json_text(run, "name");
        double seconds = gb_json_number(run, "real_time");
        if (strncmp(name, "fake/forward/1/a/warm/", 22) == 0) {
            good_runs += gb_json_is(run, "run_type", "iteration");
            assert_true(seconds > 0);
        } else if (strncmp(name, "fake/forward/2/a/warm/", 22) == 0) {
            bad_runs++;
            assert_true(json_is_true(json_object_get(run, "error_occurred")));
            assert_true(seconds == 0);
        }
    }
    assert_int_equal(good_runs, REPETITIONS);
    assert_int_equal(bad_runs, REPETITIONS);
    json_decref(document);
}
