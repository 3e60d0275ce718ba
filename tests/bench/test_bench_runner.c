// SPDX-License-Identifier: MIT
// Sweeps of made-up benchmarks: which runs happen and which rows they leave, not how long anything
// takes.
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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

// One run per repetition.
static struct fake good(char id) {
    return (struct fake){.id = id, .good_checks = -1, .microseconds = 21000};
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

static struct gb_journal open_journal(const char *path, bool resume) {
    struct gb_journal journal;
    assert_int_equal(gb_journal_open(&journal, path, resume), GB_OK);
    return journal;
}

static enum gb_status sweep_often(const struct gb_benchmark *list, int count, int repetitions,
                                  struct gb_journal *journal) {
    const struct gb_sweep options = {
        .list = list, .count = count, .repetitions = repetitions, .warm = true};
    ordered = 0;
    return gb_sweep_run(&options, journal);
}

static enum gb_status sweep(const struct gb_benchmark *list, int count,
                            struct gb_journal *journal) {
    return sweep_often(list, count, REPETITIONS, journal);
}

static const struct gb_row *find(const struct gb_journal *journal, const char *problem,
                                 const char *backend) {
    const struct gb_row *row = gb_journal_find(journal, problem, backend, 1, GB_CACHE_WARM, 0);
    assert_non_null(row);
    return row;
}

GB_FIXTURE_TEST(repetitions_of_a_problem_alternate) {
    struct fake fakes[] = {good('a'), good('b')};
    const struct gb_benchmark list[] = {benchmark_of(&fakes[0], "fake/forward/1", &backend_a),
                                        benchmark_of(&fakes[1], "fake/forward/1", &backend_b)};
    struct gb_journal journal = open_journal(NULL, false);
    assert_int_equal(sweep_often(list, 2, MANY_REPETITIONS, &journal), GB_OK);
    assert_int_equal(journal.rows.count, 3);
    // Of 9 and 9 in random order, fewer than 3 changes are one in a thousand runs.
    int changes = 0;
    for (int i = 1; i < ordered; i++)
        changes += order[i] != order[i - 1];
    assert_in_range(changes, 3, 40);
    for (int i = 0; i < 2; i++) {
        // Warm-up, and a run before each repetition's own.
        assert_in_range(fakes[i].runs, 2 * MANY_REPETITIONS + 1, 4 * MANY_REPETITIONS);
        assert_int_equal(fakes[i].checks, 2);
        assert_int_equal(fakes[i].setups, 2);
        assert_int_equal(fakes[i].measured, 1);
        assert_int_equal(fakes[i].teardowns, 2);
    }
    const struct gb_row *row = find(&journal, "fake/forward/1", "a");
    assert_string_equal(row->library, "libA 1");
    assert_int_equal(row->repetitions, MANY_REPETITIONS);
    for (int i = 0; i < MANY_REPETITIONS; i++)
        assert_true(row->seconds[i] > 0.02 && row->seconds[i] < 10);
    assert_true(row->peak_gflops > 0 && row->peak_gbs > 0 && row->share_of_peak > 0);
    assert_true(isnan(row->reorder_seconds));
    assert_string_equal(row->operation, "fake");
    row = find(&journal, "control/run/mix", "none");
    assert_int_equal(row->repetitions, MANY_REPETITIONS);
    assert_true(row->median_seconds > 0 && row->median_seconds < 1);
    gb_journal_close(&journal);
}

GB_FIXTURE_TEST(a_wrong_kernel_has_no_time) {
    struct fake fakes[] = {good('a'), good('b'), good('c')};
    fakes[0].good_checks = 0; // wrong from the start
    fakes[1].good_checks = 1; // goes wrong while it is timed
    struct gb_benchmark list[] = {benchmark_of(&fakes[0], "fake/forward/1", &backend_a),
                                  benchmark_of(&fakes[1], "fake/forward/1", &backend_b),
                                  benchmark_of(&fakes[2], "fake/forward/2", &backend_a)};
    list[2].reorder_seconds = fake_reorder_seconds;
    struct gb_journal journal = open_journal(NULL, false);
    assert_int_equal(sweep(list, 3, &journal), GB_CHECK_FAILED);
    assert_non_null(
        strstr(gb_error_message(), "a: 2, the first: fake/forward/1: comparison failed"));
    assert_int_equal(fakes[0].runs, 0);
    assert_in_range(fakes[1].runs, REPETITIONS, 1000);
    for (int i = 0; i < 2; i++) {
        const struct gb_row *row = &journal.rows.list[i];
        assert_string_equal(row->error, "comparison failed: fake: element 3");
        assert_null(row->seconds);
        assert_true(isnan(row->median_seconds));
        assert_int_equal(fakes[i].teardowns, 2);
    }
    const struct gb_row *row = find(&journal, "fake/forward/2", "a");
    assert_null(row->error);
    assert_true(row->reorder_seconds == 0.125);
    // Both groups are in the control's row.
    assert_int_equal(find(&journal, "control/run/mix", "none")->repetitions, 2 * REPETITIONS);
    gb_journal_close(&journal);
}

static enum gb_status library_failed(void) {
    return gb_fail(GB_UNSUPPORTED, "cannot run", "a primitive", "oneLib: broken");
}

GB_FIXTURE_TEST(a_library_that_fails_has_no_time) {
    struct fake fake = good('a');
    struct gb_backend failing = backend_a;
    failing.check = library_failed;
    const struct gb_benchmark benchmark = benchmark_of(&fake, "fake/forward/1", &failing);
    struct gb_journal journal = open_journal(NULL, false);
    assert_int_equal(sweep(&benchmark, 1, &journal), GB_CHECK_FAILED);
    assert_string_equal(find(&journal, "fake/forward/1", "a")->error,
                        "cannot run: a primitive: oneLib: broken");
    gb_journal_close(&journal);
}

GB_FIXTURE_TEST(what_cannot_be_set_up_is_an_error) {
    struct fake fake = good('a');
    fake.no_setup = true;
    const struct gb_benchmark benchmark = benchmark_of(&fake, "fake/forward/1", &backend_a);
    struct gb_journal journal = open_journal(NULL, false);
    assert_int_equal(sweep(&benchmark, 1, &journal), GB_CHECK_FAILED);
    assert_string_equal(find(&journal, "fake/forward/1", "a")->error,
                        "cannot set up: fake: it never can");
    assert_int_equal(fake.teardowns, 0);
    gb_journal_close(&journal);
}

GB_FIXTURE_TEST(a_resumed_sweep_times_only_what_is_missing) {
    const char *path = gb_fixture_path("rows");
    struct fake fakes[] = {good('a'), good('b')};
    const struct gb_benchmark list[] = {benchmark_of(&fakes[0], "fake/forward/1", &backend_a),
                                        benchmark_of(&fakes[1], "fake/forward/1", &backend_b)};
    struct gb_journal journal = open_journal(path, false);
    assert_int_equal(sweep(list, 1, &journal), GB_OK);
    gb_journal_close(&journal);
    fakes[0].runs = 0;

    journal = open_journal(path, true);
    assert_int_equal(journal.rows.count, 2);
    assert_int_equal(sweep(list, 2, &journal), GB_OK);
    assert_int_equal(fakes[0].runs, 0);
    assert_in_range(fakes[1].runs, REPETITIONS, 1000);
    assert_int_equal(journal.rows.count, 4); // a control row of each part
    gb_journal_close(&journal);
    fakes[1].runs = 0;

    journal = open_journal(path, true);
    assert_int_equal(sweep(list, 2, &journal), GB_OK);
    assert_int_equal(fakes[0].runs + fakes[1].runs, 0);
    assert_int_equal(journal.rows.count, 4);
    // Another launch has rows of its own.
    const struct gb_sweep next = {
        .list = list, .count = 1, .repetitions = 1, .warm = true, .launch = 1};
    assert_int_equal(gb_sweep_run(&next, &journal), GB_OK);
    assert_int_equal(journal.rows.count, 6);
    assert_int_equal(journal.rows.list[5].launch, 1);
    gb_journal_close(&journal);
}

GB_FIXTURE_TEST(an_interrupted_sweep_keeps_its_group) {
    const char *path = gb_fixture_path("rows");
    struct fake fakes[] = {good('a'), good('b')};
    fakes[0].interrupts = true;
    const struct gb_benchmark list[] = {benchmark_of(&fakes[0], "fake/forward/1", &backend_a),
                                        benchmark_of(&fakes[1], "fake/forward/2", &backend_a)};
    struct gb_journal journal = open_journal(path, false);
    assert_int_equal(sweep(list, 2, &journal), GB_INTERRUPTED);
    assert_non_null(strstr(gb_error_message(), "after 1 of 2 rows; rerun with --resume"));
    gb_journal_close(&journal);
    assert_int_equal(fakes[1].setups, 0);
    journal = open_journal(path, true);
    assert_int_equal(journal.rows.count, 2);
    assert_int_equal(sweep(list, 2, &journal), GB_OK);
    assert_int_equal(journal.rows.count, 4);
    gb_journal_close(&journal);
}

GB_FIXTURE_TEST(only_operations_have_cold_rows) {
    struct fake fakes[] = {good('a'), good('b')};
    struct gb_benchmark list[] = {benchmark_of(&fakes[0], "fake/forward/1", &backend_a),
                                  benchmark_of(&fakes[1], "step/train/1", &backend_a)};
    strcpy(list[1].operation, "step");
    struct gb_journal journal = open_journal(NULL, false);
    const struct gb_sweep both = {
        .list = list, .count = 2, .repetitions = 1, .warm = true, .cold = true};
    assert_int_equal(gb_sweep_run(&both, &journal), GB_OK);
    assert_int_equal(journal.rows.count, 4);
    assert_non_null(gb_journal_find(&journal, "fake/forward/1", "a", 1, GB_CACHE_WARM, 0));
    const struct gb_row *cold =
        gb_journal_find(&journal, "fake/forward/1", "a", 1, GB_CACHE_COLD, 0);
    assert_non_null(cold);
    assert_true(cold->seconds[0] > 0.02 && cold->peak_gbs > 0);
    assert_non_null(gb_journal_find(&journal, "step/train/1", "a", 1, GB_CACHE_WARM, 0));
    gb_journal_close(&journal);
}

static void fake_restart_layers(void *state) {
    ((struct fake *)state)->runs = 0;
}

// The runs since the restart, instead of seconds.
static double fake_layer_seconds(void *state, const char *problem) {
    assert_true(strncmp(problem, "layer/", strlen("layer/")) == 0);
    return ((struct fake *)state)->runs;
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
GB_FIXTURE_TEST(layers_are_timed_in_their_pass) {
    struct fake fakes[] = {good('a'), good('b')};
    struct gb_benchmark passes[] = {benchmark_of(&fakes[0], "step/train/1", NULL),
                                    benchmark_of(&fakes[1], "sample/inverse/1", NULL)};
    for (int i = 0; i < 2; i++) {
        passes[i].restart_layers = fake_restart_layers;
        passes[i].layer_seconds = fake_layer_seconds;
    }
    const struct gb_benchmark list[] = {layer_of(&passes[0], "layer/x_forward/1", &backend_a),
                                        layer_of(&passes[0], "layer/x_forward/1", &backend_b),
                                        layer_of(&passes[1], "layer/x_inverse/1", &backend_a),
                                        layer_of(&passes[0], "layer/y_backward/1", &backend_a)};
    struct gb_journal journal = open_journal(NULL, false);
    const struct gb_sweep warm = {
        .list = list, .count = 4, .repetitions = REPETITIONS, .warm = true};
    assert_int_equal(gb_sweep_run(&warm, &journal), GB_OK);
    assert_int_equal(journal.rows.count, 4 + 1); // and the control
    for (int i = 0; i < 4; i++) {
        const struct gb_row *row =
            gb_journal_find(&journal, list[i].problem, list[i].backend->name, 1, GB_CACHE_STEP, 0);
        assert_non_null(row);
        assert_int_equal(row->repetitions, REPETITIONS);
        for (int j = 0; j < REPETITIONS; j++)
            assert_true(row->seconds[j] == 1);
        assert_true(row->median_seconds == 1 && row->peak_gflops > 0 && row->peak_gbs > 0);
    }
    // Set up to be measured and to run: the first pass for two backends.
    assert_int_equal(fakes[0].setups, 4);
    assert_int_equal(fakes[0].teardowns, 4);
    assert_int_equal(fakes[1].setups, 2);
    // Nothing is left to time.
    assert_int_equal(gb_sweep_run(&warm, &journal), GB_OK);
    assert_int_equal(journal.rows.count, 4 + 1);
    assert_int_equal(fakes[0].setups, 4);
    gb_journal_close(&journal);
}

GB_FIXTURE_TEST(layers_of_a_wrong_pass_have_no_times) {
    struct fake fake = good('a');
    fake.good_checks = 1; // before timing, not after
    struct gb_benchmark pass = benchmark_of(&fake, "step/train/1", NULL);
    pass.restart_layers = fake_restart_layers;
    pass.layer_seconds = fake_layer_seconds;
    const struct gb_benchmark layer = layer_of(&pass, "layer/x_forward/1", &backend_a);
    struct gb_journal journal = open_journal(NULL, false);
    assert_int_equal(sweep(&layer, 1, &journal), GB_CHECK_FAILED);
    const struct gb_row *row = gb_journal_find(&journal, layer.problem, "a", 1, GB_CACHE_STEP, 0);
    assert_non_null(row);
    assert_non_null(row->error);
    assert_null(row->seconds);
    gb_journal_close(&journal);
}

GB_FIXTURE_TEST(flushing_leaves_the_bytes_as_they_were) {
    char bytes[1000], before[1000];
    for (size_t i = 0; i < sizeof bytes; i++)
        before[i] = bytes[i] = (char)(3 * i);
    gb_flush_block(bytes, sizeof bytes);
    gb_flush_block(bytes + 1, 1);
    gb_flush_block(bytes, 0);
    assert_memory_equal(bytes, before, sizeof bytes);
}

// Two groups make one Google Benchmark document, in which a wrong kernel has no time either.
GB_FIXTURE_TEST(groups_share_a_document_of_google_benchmark) {
    struct fake fakes[] = {good('a'), good('b')};
    fakes[1].good_checks = 1;
    const struct gb_benchmark list[] = {benchmark_of(&fakes[0], "fake/forward/1", &backend_a),
                                        benchmark_of(&fakes[1], "fake/forward/2", &backend_a)};
    FILE *file = fopen(gb_fixture_path("gbench"), "w");
    const char *const context[] = {"commit", "abc", NULL};
    struct gb_gbench_report *report;
    assert_int_equal(gb_gbench_report_open(file, context, &report), GB_OK);
    struct gb_journal journal = open_journal(NULL, false);
    const struct gb_sweep options = {
        .list = list, .count = 2, .repetitions = REPETITIONS, .warm = true, .report = report};
    assert_int_equal(gb_sweep_run(&options, &journal), GB_CHECK_FAILED);
    gb_journal_close(&journal);
    gb_gbench_report_close(report);
    fclose(file);

    json_error_t error;
    json_t *document = json_load_file(gb_fixture_path("gbench"), 0, &error);
    assert_non_null(document);
    assert_string_equal(
        json_string_value(json_object_get(json_object_get(document, "context"), "commit")), "abc");
    int good_runs = 0, bad_runs = 0;
    size_t index;
    json_t *run;
    json_array_foreach(json_object_get(document, "benchmarks"), index, run) {
        const char *name = json_string_value(json_object_get(run, "name"));
        double seconds = json_number_value(json_object_get(run, "real_time"));
        if (strncmp(name, "fake/forward/1/a/warm/", 22) == 0) {
            good_runs += !strcmp(json_string_value(json_object_get(run, "run_type")), "iteration");
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
