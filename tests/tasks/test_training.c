// SPDX-License-Identifier: MIT
// Training and prediction: the same bits for any number of threads and after a resumption, every
// example once an epoch, samples and likelihoods that depend on nothing but their own example, and
// a model that learns.
#include <limits.h>
#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/minmax.h"
#include "flows/files/checkpoint.h"
#include "flows/files/metadata.h"
#include "tasks/metrics/metrics.h"
#include "tasks/prediction/predictor.h"
#include "tasks/synthetic/synthetic_horses.h"
#include "tasks/training/trainer.h"
#include "tests/kernels/check.h"
#include "tests/support/fixture.h"
#include "tests/support/test.h"
#include "tests/tasks/small_model.h"
#include "tests/tasks/untrained.h"

enum { SIZE = 16, TRAIN = 5, TEST = 11, STEPS = 10, MOST_STEPS = 30 };

static struct gb_dataset splits[GB_SPLITS]; // of horses

static const struct gb_task *horses;

static int load_data(void **state) {
    (void)state;
    gb_flush_denormals();
    return gb_task_find("horses", &horses) != GB_OK ||
           gb_synthetic_horses_load(7, SIZE, TRAIN, TEST, 1, splits) != GB_OK;
}

static int free_data(void **state) {
    (void)state;
    free_splits(splits);
    return 0;
}

static struct gb_run_config tiny_run(int batch) {
    struct gb_run_config run = {.task = horses,
                                .model = horses->models,
                                .size = SIZE,
                                .batch = batch,
                                .accumulate = 1,
                                .shards = 1,
                                .iterations = STEPS,
                                .learning_rate = 1e-3f,
                                .seed = 3};
    assert_ok(gb_task_configure(horses->models, &splits[GB_SPLIT_TRAIN].shape, &run.config));
    run.config.cglow.levels = 2;
    run.config.cglow.steps = 1;
    run.config.cglow.n_c = 8;
    run.config.cglow.n_w = 16;
    run.config.cglow.coupling_channels = 24;
    return run;
}

// Calls `check` for every backend that this CPU runs and that promises the same bits on any number
// of threads.
static void on_backends_of_same_bits(void (*check)(const struct gb_backend *backend)) {
    for (const struct gb_backend *const *b = gb_backends(); *b; b++)
        if (gb_backend_supported(*b) && (*b)->same_bits)
            check(*b);
}

// The reference is fifty times slower than the vectors: one size of minibatch must do.
static int first_batch(const struct gb_backend *backend) {
    return backend->lanes == 1 ? 2 : 1;
}
static int last_batch(const struct gb_backend *backend) {
    return backend->lanes == 1 ? 2 : 3;
}

static const struct gb_backend *best_backend(void) {
    const struct gb_backend *backend;
    assert_ok(gb_backend_find(NULL, &backend));
    return backend;
}

// ---- Training ----

static void start_on(struct gb_trainer *trainer, const struct gb_run_config *run,
                     const struct gb_backend *backend, int threads, const struct gb_dataset *set) {
    const struct gb_trainer_options options = {.backend = backend, .threads = threads};
    assert_ok(gb_trainer_create(trainer, run, &options, set));
}

static void start(struct gb_trainer *trainer, const struct gb_run_config *run,
                  const struct gb_backend *backend, int threads) {
    start_on(trainer, run, backend, threads, &splits[GB_SPLIT_TRAIN]);
}

static void train(struct gb_trainer *trainer, int steps, double *bits) {
    for (int i = 0; i < steps; i++)
        assert_ok(gb_trainer_step(trainer, &bits[i]));
}

// A trainer after `steps` steps on one thread of the best backend.
static void train_run(struct gb_trainer *trainer, const struct gb_run_config *run, int steps,
                      double *bits) {
    start(trainer, run, best_backend(), 1);
    train(trainer, steps, bits);
}

static void assert_same_state(struct gb_trainer *a, struct gb_trainer *b) {
    const struct gb_params *p = gb_trainer_params(a), *q = gb_trainer_params(b);
    size_t bytes = p->bytes;
    assert_int_equal(a->step, b->step);
    assert_int_equal(p->size, q->size);
    assert_memory_equal(p->value, q->value, bytes);
    assert_memory_equal(p->moment1, q->moment1, gb_params_moment_bytes(p));
    assert_memory_equal(p->moment2, q->moment2, gb_params_moment_bytes(p));
    assert_true(!p->average == !q->average);
    if (p->average)
        assert_memory_equal(p->average, q->average, bytes);
    assert_memory_equal(&a->unlogged_bits, &b->unlogged_bits, sizeof a->unlogged_bits);
    assert_int_equal(a->unlogged_steps, b->unlogged_steps);
}

static void train_ten_steps(const struct gb_backend *backend, int threads, double bits[STEPS]) {
    const struct gb_run_config run = tiny_run(2);
    struct gb_trainer trainer;
    start(&trainer, &run, backend, threads);
    train(&trainer, STEPS, bits);
    gb_trainer_free(&trainer);
}

// Bits per dimension of the first steps against the reference's, as the command `run` bounds them:
// rounding moves them by 2e-6, a wrong gradient by 1e-2 and more.
GB_TEST(test_backends_agree) {
    const struct gb_backend *reference;
    double expected[STEPS], bits[STEPS];
    assert_ok(gb_backend_find("scalar", &reference));
    train_ten_steps(reference, 2, expected);
    for (const struct gb_backend *const *b = gb_check_backends(); *b; b++)
        for (int threads = 1; threads <= 2 && gb_backend_supported(*b) && *b != reference;
             threads++) {
            train_ten_steps(*b, threads, bits);
            for (int i = 0; i < STEPS; i++)
                assert_true(fabs(bits[i] - expected[i]) <= 1e-4 * fabs(expected[i]));
        }
}

static void assert_same_file(const char *a, const char *b) {
    size_t size, other_size;
    void *bytes = gb_fixture_bytes(a, &size), *other_bytes = gb_fixture_bytes(b, &other_size);
    assert_int_equal(size, other_size);
    assert_memory_equal(bytes, other_bytes, size);
    free(bytes);
    free(other_bytes);
}

// Saves halfway, in the middle of an epoch, and resumes as the file says: on two threads without a
// stop, on one and then three with it. Leaves the bits per dimension of each step.
static void check_resumed_on(const struct gb_run_config *run, const struct gb_backend *backend,
                             const struct gb_dataset *set, double expected[MOST_STEPS]) {
    struct gb_trainer whole, first, second;
    struct gb_run_config read;
    struct gb_run_origin origin;
    double bits[MOST_STEPS];
    const int steps = run->iterations, half = steps / 2;
    start_on(&whole, run, backend, 2, set);
    train(&whole, steps, expected);
    start_on(&first, run, backend, 1, set);
    train(&first, half, bits);
    assert_ok(gb_trainer_save(&first, gb_fixture_path("half"), "synthetic"));
    gb_trainer_free(&first);
    assert_ok(gb_run_config_read(gb_fixture_path("half"), &read, &origin));
    for (int i = 0; i < GB_RUN_FIELDS; i++)
        assert_true(gb_run_number(&read, &gb_run_fields[i]) ==
                    gb_run_number(run, &gb_run_fields[i]));
    assert_int_equal(read.precision, run->precision);
    assert_int_equal(read.moments, run->moments);
    assert_int_equal(read.reversible, run->reversible);
    assert_int_equal(read.schedule.kind, run->schedule.kind);
    start_on(&second, &read, backend, 3, set);
    assert_ok(gb_trainer_load(&second, gb_fixture_path("half")));
    assert_int_equal(second.step, half);
    train(&second, steps - half, bits + half);
    assert_memory_equal(bits, expected, (size_t)steps * sizeof *bits);
    assert_same_state(&second, &whole);
    assert_ok(gb_trainer_save(&whole, gb_fixture_path("whole"), "synthetic"));
    assert_ok(gb_trainer_save(&second, gb_fixture_path("resumed"), "synthetic"));
    assert_same_file("whole", "resumed");
    gb_trainer_free(&whole);
    gb_trainer_free(&second);
}

static void check_resumed(const struct gb_run_config *run, const struct gb_backend *backend) {
    double bits[MOST_STEPS];
    check_resumed_on(run, backend, &splits[GB_SPLIT_TRAIN], bits);
}

// Also with gradients that are summed over minibatches and clipped.
static void check_resumption(const struct gb_backend *backend) {
    for (int batch = first_batch(backend); batch <= last_batch(backend); batch++) {
        const struct gb_run_config run = tiny_run(batch);
        check_resumed(&run, backend);
    }
    struct gb_run_config summed = tiny_run(1);
    summed.accumulate = 3;
    summed.clip_norm = 0.5f;
    check_resumed(&summed, backend);
}

GB_FIXTURE_TEST(test_resumption_and_threads_change_no_bit) {
    on_backends_of_same_bits(check_resumption);
}

// The widened reference is slow: the backend that has the CPU's instructions must do.
GB_FIXTURE_TEST(test_bf16_is_resumed) {
    struct gb_run_config run = tiny_run(2);
    run.precision = GB_BF16;
    check_resumed(&run, best_backend());
    run.ema_decay = 0.95f;
    run.accumulate = 2;
    run.clip_norm = 0.5f;
    check_resumed(&run, best_backend());
}

// Every task's first model, made small, on generated data: its bits per dimension stay near those
// of fp32 from the same seed, by 0.002 at most when this was written.
GB_FIXTURE_TEST(test_every_task_trains_in_bf16) {
    enum { ALL_TAKE = 32 }; // the smallest size that all models take
    for (const struct gb_task *const *task = gb_tasks(); *task; task++) {
        struct gb_dataset sets[GB_SPLITS];
        struct gb_run_config run;
        struct gb_trainer wide;
        double fp32[MOST_STEPS], bf16[MOST_STEPS];
        const struct gb_source source = {.size = ALL_TAKE, .threads = 2};
        const struct gb_dataset *set = &sets[GB_SPLIT_TRAIN];
        assert_ok((*task)->load(&source, sets));
        assert_ok(gb_run_config_default(*task, (*task)->models, ALL_TAKE, &set->shape, &run));
        gb_make_small((*task)->models, &run.config);
        run.batch = 2;
        run.iterations = STEPS;
        start_on(&wide, &run, best_backend(), 2, set);
        train(&wide, STEPS, fp32);
        gb_trainer_free(&wide);
        run.precision = GB_BF16;
        check_resumed_on(&run, best_backend(), set, bf16);
        for (int i = 0; i < STEPS; i++)
            if (!(fabs(bf16[i] - fp32[i]) <= 0.01))
                fail_msg("%s, step %d: %g in bf16, %g in fp32", (*task)->name, i, bf16[i], fp32[i]);
        assert_memory_not_equal(bf16, fp32, STEPS * sizeof *fp32);
        free_splits(sets);
    }
}

GB_FIXTURE_TEST(test_bf16_moments_are_resumed) {
    struct gb_run_config run = tiny_run(2);
    run.moments = GB_BF16;
    check_resumed(&run, best_backend());
    run.precision = GB_BF16;
    run.accumulate = 2;
    check_resumed(&run, best_backend());
}

GB_FIXTURE_TEST(test_reversible_memory_is_resumed) {
    struct gb_run_config run = tiny_run(2);
    run.reversible = true;
    run.config.cglow.steps = 3;
    check_resumed(&run, best_backend());
    run.precision = GB_BF16;
    run.accumulate = 2;
    check_resumed(&run, best_backend());
}

// ---- The learning rate ----

GB_TEST(test_schedules) {
    const struct gb_schedule constant = {0}, warm = {.warm_up = 4},
                             halving = {.kind = GB_SCHEDULE_HALVING, .steps = 10, .warm_up = 2},
                             cosine = {.kind = GB_SCHEDULE_COSINE, .steps = 110, .warm_up = 10};
    const struct {
        const struct gb_schedule *schedule;
        long step;
        double rate;
    } known[] = {{&constant, 0, 0.5},
                 {&constant, 1000000, 0.5},
                 {&warm, 0, 0.125},
                 {&warm, 2, 0.375},
                 {&warm, 3, 0.5},
                 {&warm, 4, 0.5},
                 {&halving, 0, 0.25},
                 {&halving, 1, 0.5},
                 {&halving, 9, 0.5},
                 {&halving, 10, 0.25},
                 {&halving, 39, 0.0625},
                 {&cosine, 0, 0.05},
                 {&cosine, 9, 0.5},
                 {&cosine, 10, 0.5},
                 {&cosine, 35, 0.4267766953},
                 {&cosine, 60, 0.25},
                 {&cosine, 85, 0.0732233047},
                 {&cosine, 110, 0},
                 {&cosine, 1000, 0}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        const double rate = (double)gb_schedule_rate(known[i].schedule, 0.5f, known[i].step);
        if (!(fabs(rate - known[i].rate) <= 1e-7))
            fail_msg("case %zu: %.9g, not %.9g", i, rate, known[i].rate);
    }
    assert_ok(gb_schedule_check(&cosine, 110));
    assert_error(gb_schedule_check(&cosine, 111), GB_BAD_INPUT, "its rate is 0 from step 110 on");
    const struct gb_schedule all_warm = {.kind = GB_SCHEDULE_COSINE, .steps = 10, .warm_up = 10};
    assert_error(gb_schedule_check(&all_warm, 10), GB_BAD_INPUT, "--warm-up 10 is not below");
}

GB_FIXTURE_TEST(test_schedules_are_resumed) {
    const struct gb_schedule schedules[] = {
        {.kind = GB_SCHEDULE_COSINE, .steps = STEPS, .warm_up = 7},
        {.kind = GB_SCHEDULE_HALVING, .steps = 2, .warm_up = 3}};
    struct gb_run_config run = tiny_run(2);
    double bits[3][MOST_STEPS];
    check_resumed_on(&run, best_backend(), &splits[GB_SPLIT_TRAIN], bits[0]);
    for (int i = 0; i < 2; i++) {
        run.schedule = schedules[i];
        check_resumed_on(&run, best_backend(), &splits[GB_SPLIT_TRAIN], bits[i + 1]);
        assert_true(bits[i + 1][0] == bits[0][0] && bits[i + 1][1] != bits[0][1]);
    }
}

// A checkpoint that does not record its schedule was trained by the recipe's.
GB_FIXTURE_TEST(test_checkpoints_record_their_schedule) {
    const char *path = gb_fixture_path("checkpoint");
    struct gb_run_config run = tiny_run(2), read;
    struct gb_run_origin origin;
    struct gb_trainer trainer;
    run.schedule = (struct gb_schedule){GB_SCHEDULE_COSINE, STEPS, 2};
    start(&trainer, &run, best_backend(), 1);
    assert_ok(gb_trainer_save(&trainer, path, "synthetic"));
    json_t *metadata = NULL;
    assert_ok(gb_checkpoint_metadata(path, &metadata));
    assert_int_equal(json_object_set_new(metadata, "schedule", json_string("linear")), 0);
    assert_ok(gb_checkpoint_save(path, gb_trainer_params(&trainer), metadata));
    assert_error(gb_run_config_read(path, &read, &origin), GB_BAD_INPUT,
                 "unknown schedule 'linear'");
    assert_int_equal(json_object_set_new(metadata, "schedule", json_string("constant")), 0);
    assert_ok(gb_checkpoint_save(path, gb_trainer_params(&trainer), metadata));
    assert_error(gb_run_config_read(path, &read, &origin), GB_BAD_INPUT,
                 "the schedule is constant");
    assert_int_equal(json_object_del(metadata, "schedule"), 0);
    assert_ok(gb_checkpoint_save(path, gb_trainer_params(&trainer), metadata));
    assert_ok(gb_run_config_read(path, &read, &origin));
    assert_int_equal(read.schedule.kind, GB_SCHEDULE_CONSTANT);
    assert_int_equal(read.schedule.steps + read.schedule.warm_up, 0);
    json_decref(metadata);
    gb_trainer_free(&trainer);
}

// A shard of a step is computed as a minibatch of its own; what the model takes from its first
// minibatch and the bits per dimension are of all shards.
GB_FIXTURE_TEST(test_sharded_steps_are_resumed) {
    struct gb_run_config run = tiny_run(4);
    run.shards = 4;
    check_resumed(&run, best_backend());
    run.batch = 6;
    run.shards = 3;
    run.accumulate = 2;
    run.clip_norm = 0.5f;
    run.ema_decay = 0.95f;
    check_resumed(&run, best_backend());
    run.precision = run.moments = GB_BF16;
    run.reversible = true;
    check_resumed(&run, best_backend());
}

// Every task's first model, whose first step sees the same examples in any shards: its loss is that
// of one shard, then the orders of sums differ. Vessels' running moments move with all shards.
GB_FIXTURE_TEST(test_every_task_trains_in_shards) {
    enum { ALL_TAKE = 32, STEPS_TAKEN = 4 };
    for (const struct gb_task *const *task = gb_tasks(); *task; task++) {
        struct gb_dataset sets[GB_SPLITS];
        struct gb_run_config run;
        double bits[2][STEPS_TAKEN];
        const struct gb_source source = {.size = ALL_TAKE, .threads = 2};
        const struct gb_dataset *set = &sets[GB_SPLIT_TRAIN];
        assert_ok((*task)->load(&source, sets));
        assert_ok(gb_run_config_default(*task, (*task)->models, ALL_TAKE, &set->shape, &run));
        gb_make_small((*task)->models, &run.config);
        run.batch = 4;
        for (int sharded = 0; sharded < 2; sharded++) {
            struct gb_trainer trainer;
            run.shards = sharded ? 4 : 1;
            start_on(&trainer, &run, best_backend(), 2, set);
            train(&trainer, STEPS_TAKEN, bits[sharded]);
            gb_trainer_free(&trainer);
        }
        for (int i = 0; i < STEPS_TAKEN; i++)
            if (!(fabs(bits[1][i] - bits[0][i]) <= 1e-4 * fabs(bits[0][i])))
                fail_msg("%s, step %d: %.9g in shards, %.9g in one", (*task)->name, i, bits[1][i],
                         bits[0][i]);
        free_splits(sets);
    }
}

GB_FIXTURE_TEST(test_shards_divide_the_batch) {
    const char *path = gb_fixture_path("checkpoint");
    struct gb_run_config run = tiny_run(4), read;
    struct gb_run_origin origin;
    struct gb_trainer trainer;
    json_t *metadata = NULL;
    assert_ok(gb_run_check_shards(6, 3));
    assert_error(gb_run_check_shards(6, 4), GB_BAD_INPUT, "4 does not divide the batch of 6");
    run.shards = 2;
    start(&trainer, &run, best_backend(), 1);
    assert_ok(gb_trainer_save(&trainer, path, "synthetic"));
    assert_ok(gb_checkpoint_metadata(path, &metadata));
    assert_int_equal(json_object_set_new(metadata, "shards", json_string("3")), 0);
    assert_ok(gb_checkpoint_save(path, gb_trainer_params(&trainer), metadata));
    assert_error(gb_run_config_read(path, &read, &origin), GB_BAD_INPUT,
                 "its batch of 4 is not a multiple of its 3 shards");
    // As written before there were shards.
    assert_int_equal(json_object_del(metadata, "shards"), 0);
    assert_ok(gb_checkpoint_save(path, gb_trainer_params(&trainer), metadata));
    assert_ok(gb_run_config_read(path, &read, &origin));
    assert_int_equal(read.shards, 1);
    json_decref(metadata);
    gb_trainer_free(&trainer);
}

// A checkpoint that does not tell its precision is of fp32.
GB_FIXTURE_TEST(test_checkpoints_record_their_precision) {
    const char *path = gb_fixture_path("checkpoint");
    struct gb_run_config run = tiny_run(2), read;
    struct gb_run_origin origin;
    struct gb_trainer trainer;
    run.precision = GB_BF16;
    start(&trainer, &run, best_backend(), 1);
    assert_ok(gb_trainer_save(&trainer, path, "synthetic"));
    assert_ok(gb_run_config_read(path, &read, &origin));
    assert_int_equal(read.precision, GB_BF16);
    json_t *metadata = NULL;
    assert_ok(gb_checkpoint_metadata(path, &metadata));
    assert_int_equal(json_object_set_new(metadata, "precision", json_string("fp8")), 0);
    assert_ok(gb_checkpoint_save(path, gb_trainer_params(&trainer), metadata));
    assert_error(gb_run_config_read(path, &read, &origin), GB_BAD_INPUT,
                 "its precision is 'fp8', neither fp32 nor bf16");
    assert_int_equal(json_object_del(metadata, "precision"), 0);
    assert_ok(gb_checkpoint_save(path, gb_trainer_params(&trainer), metadata));
    assert_ok(gb_run_config_read(path, &read, &origin));
    assert_int_equal(read.precision, GB_F32);
    json_decref(metadata);
    gb_trainer_free(&trainer);
}

// Which activations are kept decides bits. Checkpoints that do not tell have all stored.
GB_FIXTURE_TEST(test_checkpoints_record_their_memory) {
    const char *path = gb_fixture_path("checkpoint");
    struct gb_run_config run = tiny_run(2), read;
    struct gb_run_origin origin;
    struct gb_trainer trainer;
    run.reversible = true;
    start(&trainer, &run, best_backend(), 1);
    assert_ok(gb_trainer_save(&trainer, path, "synthetic"));
    assert_ok(gb_run_config_read(path, &read, &origin));
    assert_true(read.reversible);
    json_t *metadata = NULL;
    assert_ok(gb_checkpoint_metadata(path, &metadata));
    assert_int_equal(json_object_set_new(metadata, "memory", json_string("scattered")), 0);
    assert_ok(gb_checkpoint_save(path, gb_trainer_params(&trainer), metadata));
    assert_int_equal(gb_run_config_read(path, &read, &origin), GB_BAD_INPUT);
    assert_int_equal(json_object_del(metadata, "memory"), 0);
    assert_ok(gb_checkpoint_save(path, gb_trainer_params(&trainer), metadata));
    assert_ok(gb_run_config_read(path, &read, &origin));
    assert_false(read.reversible);
    json_decref(metadata);
    gb_trainer_free(&trainer);
}

// The sum of the losses that are not logged yet is saved as the bits of a double.
GB_FIXTURE_TEST(test_refuses_a_sum_that_is_not_finite) {
    const char *path = gb_fixture_path("checkpoint");
    const struct gb_run_config run = tiny_run(2);
    struct gb_trainer trainer;
    json_t *metadata = NULL;
    double bits[1];
    train_run(&trainer, &run, 1, bits);
    assert_ok(gb_trainer_save(&trainer, path, "synthetic"));
    assert_ok(gb_checkpoint_metadata(path, &metadata));
    assert_ok(gb_metadata_set_integer(metadata, "unlogged_bits", 0x7ff8000000000000));
    assert_ok(gb_checkpoint_save(path, gb_trainer_params(&trainer), metadata));
    assert_error(gb_trainer_load(&trainer, path), GB_BAD_INPUT, "'unlogged_bits' is not finite");
    json_decref(metadata);
    gb_trainer_free(&trainer);
}

static struct gb_run_config averaged_run(void) {
    struct gb_run_config run = tiny_run(1);
    run.ema_decay = 0.95f;
    run.iterations = MOST_STEPS;
    return run;
}

GB_FIXTURE_TEST(test_average_is_resumed) {
    const struct gb_run_config run = averaged_run();
    check_resumed(&run, best_backend());
}

// The average as trainer.h and params.h say, from the values after every tenth step, in double.
GB_TEST(test_average_follows_the_parameters) {
    enum { UPDATES = 4 };
    const struct gb_run_config run = averaged_run();
    struct gb_trainer trainer;
    double bits[10], decay = 1;
    train_run(&trainer, &run, 9, bits);
    const struct gb_params *params = gb_trainer_params(&trainer);
    double *expected = calloc(params->size, sizeof *expected);
    assert_non_null(expected);
    for (int i = 0; i < 10; i++)
        decay *= 0.95;
    assert_memory_equal(params->average, params->value, params->bytes);
    for (size_t i = 0; i < params->size; i++)
        expected[i] = (double)params->value[i];
    for (int n = 0; n < UPDATES; n++) {
        train(&trainer, n ? 10 : 1, bits);
        const double keep = fmin(decay, (1 + n) / (10.0 + n));
        for (size_t i = 0; i < params->size; i++)
            expected[i] = keep * expected[i] + (1 - keep) * (double)params->value[i];
    }
    size_t apart = 0;
    for (size_t i = 0; i < params->size; i++) {
        assert_true(fabs((double)params->average[i] - expected[i]) < 1e-6);
        apart += params->average[i] != params->value[i];
    }
    assert_true(apart > params->size / 2);
    free(expected);
    gb_trainer_free(&trainer);
}

// ---- Gradients that are stored ----

static struct gb_run_config stored_run(int accumulate, float clip_norm) {
    struct gb_run_config run = tiny_run(1);
    run.accumulate = accumulate;
    run.clip_norm = clip_norm;
    return run;
}

// A norm that no gradient reaches: stored and applied, with the bits of the fused update.
static void check_stored(const struct gb_backend *backend) {
    const struct gb_run_config plain = tiny_run(1), unclipped = stored_run(1, 1e9f);
    struct gb_trainer fused, stored;
    double expected[STEPS], bits[STEPS];
    start(&fused, &plain, backend, 1);
    train(&fused, STEPS, expected);
    start(&stored, &unclipped, backend, 2);
    train(&stored, STEPS, bits);
    assert_memory_equal(bits, expected, sizeof bits);
    assert_same_state(&stored, &fused);
    assert_true(stored.unlogged_norms > 0 && fused.unlogged_norms == 0);
    gb_trainer_free(&fused);
    gb_trainer_free(&stored);
}

GB_TEST(test_stored_gradients_change_no_bit) {
    on_backends_of_same_bits(check_stored);
}

// A step's bits per dimension are the mean over its minibatches, which are consecutive.
GB_TEST(test_accumulation_and_clipping_matter) {
    enum { PLAIN, FROZEN, CLIPPED, SUMMED, RUNS };
    struct gb_run_config runs[RUNS] = {tiny_run(1), tiny_run(1), stored_run(1, 1e-3f),
                                       stored_run(2, 0)};
    struct gb_trainer trainers[RUNS];
    double bits[RUNS][2];
    runs[FROZEN].learning_rate = 0;
    for (int i = 0; i < RUNS; i++)
        train_run(&trainers[i], &runs[i], 2, bits[i]);
    assert_true(bits[CLIPPED][0] == bits[PLAIN][0] && bits[CLIPPED][1] != bits[PLAIN][1]);
    assert_true(bits[SUMMED][0] == (bits[FROZEN][0] + bits[FROZEN][1]) / 2);
    assert_true(trainers[CLIPPED].unlogged_norms > 2e-3); // before clipping
    const struct gb_params *plain = gb_trainer_params(&trainers[PLAIN]);
    for (int i = FROZEN; i < RUNS; i++)
        assert_memory_not_equal(gb_trainer_params(&trainers[i])->value, plain->value, plain->bytes);
    for (int i = 0; i < RUNS; i++)
        gb_trainer_free(&trainers[i]);
}

GB_TEST(test_seed_matters) {
    struct gb_trainer a, b;
    double bits, other;
    struct gb_run_config run = tiny_run(2);
    train_run(&a, &run, 1, &bits);
    run.seed++;
    train_run(&b, &run, 1, &other);
    assert_memory_not_equal(&bits, &other, sizeof bits);
    gb_trainer_free(&a);
    gb_trainer_free(&b);
}

GB_FIXTURE_TEST(test_load_refuses_other_examples) {
    const struct gb_run_config run = tiny_run(2);
    struct gb_dataset *set = &splits[GB_SPLIT_TRAIN];
    float *pixel = gb_at(&gb_dataset_held(set)->y, TRAIN - 1, 3, 4);
    const uint64_t hash = set->hash;
    struct gb_trainer trainer;
    start(&trainer, &run, best_backend(), 1);
    assert_ok(gb_trainer_save(&trainer, gb_fixture_path("start"), "synthetic"));
    *pixel += 0.5f;
    set->hash = gb_examples_hash(gb_dataset_held(set));
    assert_error(gb_trainer_load(&trainer, gb_fixture_path("start")), GB_BAD_INPUT,
                 "other training data");
    *pixel -= 0.5f;
    set->hash = gb_examples_hash(gb_dataset_held(set));
    assert_int_equal(set->hash, hash);
    assert_ok(gb_trainer_load(&trainer, gb_fixture_path("start")));
    gb_trainer_free(&trainer);
}

static bool within(const struct gb_tensor *a, int i, const struct gb_tensor *b, int j, float low,
                   float high) {
    const float *p = gb_at(a, i, 0, 0), *q = gb_at(b, j, 0, 0);
    for (int e = 0; e < a->image; e++)
        if (p[e] - q[e] < low || p[e] - q[e] > high)
            return false;
    return true;
}

// The example that stands at place `i` of the minibatch: its image is there except for noise of one
// level of 256, and its mask except for noise of half a level to either side.
static int example_in_batch(const struct gb_trainer *trainer, const struct gb_batch *batch, int i) {
    const struct gb_examples *set = gb_dataset_held(trainer->train);
    int found = -1;
    for (int e = 0; e < set->count; e++)
        if (within(&batch->x, i, &set->x, e, -1e-6f, 1.0f / 256 + 1e-6f)) {
            assert_int_equal(found, -1);
            found = e;
        }
    assert_true(found >= 0);
    for (int row = 0; row < SIZE; row++)
        for (int column = 0; column < SIZE; column++)
            for (int copy = 0; copy < 3; copy++) {
                float noise = gb_at(&batch->target, i, row, column)[copy] -
                              (*gb_at(&set->y, found, row, column) - 0.5f);
                assert_true(noise >= -0.5f && noise <= 0.5f);
            }
    return found;
}

GB_TEST(test_every_example_once_an_epoch) {
    enum { EPOCHS = 6, PLACES = EPOCHS * TRAIN };
    for (int batch = 1; batch <= 3; batch++) {
        const struct gb_run_config run = tiny_run(batch);
        struct gb_trainer trainer;
        int order[PLACES];
        start(&trainer, &run, best_backend(), 1);
        for (int step = 0; step < PLACES / batch; step++) {
            const struct gb_batch *taken;
            assert_ok(gb_loader_take(trainer.loader, step, &taken));
            for (int i = 0; i < batch; i++)
                order[step * batch + i] = example_in_batch(&trainer, taken, i);
        }
        bool reordered = false;
        for (int epoch = 0; epoch < EPOCHS; epoch++) {
            int seen[TRAIN] = {0};
            for (int i = 0; i < TRAIN; i++) {
                assert_int_equal(seen[order[epoch * TRAIN + i]]++, 0);
                reordered |= order[epoch * TRAIN + i] != order[i];
            }
        }
        assert_true(reordered);
        gb_trainer_free(&trainer);
    }
}

// The training set, whose fills are counted and can take longer than a step.
static atomic_int fills;
static long fill_nanoseconds;
static enum gb_status fill_and_count(const struct gb_dataset *set, int index,
                                     const struct gb_random_key *key,
                                     const struct gb_example *example) {
    (void)set;
    const struct timespec pause = {.tv_nsec = fill_nanoseconds};
    nanosleep(&pause, NULL);
    fills++;
    return splits[GB_SPLIT_TRAIN].fill(&splits[GB_SPLIT_TRAIN], index, key, example);
}

static struct gb_dataset counted_set(long nanoseconds) {
    struct gb_dataset set = splits[GB_SPLIT_TRAIN];
    set.fill = fill_and_count;
    fills = 0;
    fill_nanoseconds = nanoseconds;
    return set;
}

// A step that is waited for while it is being made is made once.
GB_TEST(test_slow_examples_are_filled_once) {
    enum { TAKEN = 40 };
    const struct gb_dataset slow = counted_set(2000000);
    const struct gb_run_config run = tiny_run(1);
    struct gb_loader *loader;
    const struct gb_batch *taken;
    assert_ok(gb_loader_create(&run, best_backend(), &slow, 0, 1, &loader));
    for (int step = 0; step < TAKEN; step++)
        assert_ok(gb_loader_take(loader, step, &taken));
    gb_loader_free(loader);
    assert_in_range(fills, TAKEN, TAKEN + 1);
}

// While a step is used the next is begun, and none beyond it.
GB_TEST(test_the_next_step_is_made_ahead) {
    enum { BATCH = 2, MOST_MILLISECONDS = 10000 };
    const struct gb_dataset counted = counted_set(0);
    const struct gb_run_config run = tiny_run(BATCH);
    const struct timespec pause = {.tv_nsec = 1000000};
    struct gb_loader *loader;
    const struct gb_batch *taken;
    assert_ok(gb_loader_create(&run, best_backend(), &counted, 0, 1, &loader));
    assert_ok(gb_loader_take(loader, 0, &taken));
    for (int i = 0; i < MOST_MILLISECONDS && fills < 2 * BATCH; i++)
        nanosleep(&pause, NULL);
    assert_int_equal(fills, 2 * BATCH);
    gb_loader_free(loader);
    assert_int_equal(fills, 2 * BATCH);
}

GB_TEST(test_divergence_is_reported) {
    const struct gb_run_config run = tiny_run(2);
    struct gb_trainer trainer;
    double bits[STEPS];
    train_run(&trainer, &run, 1, bits);
    struct gb_params *params = gb_trainer_params(&trainer);
    size_t bytes = params->bytes;
    for (size_t i = 0; i < params->size; i++)
        params->value[i] = NAN;
    float *before = malloc(bytes);
    assert_non_null(before);
    memcpy(before, params->value, bytes);
    assert_error(gb_trainer_step(&trainer, bits), GB_CHECK_FAILED,
                 "training diverged: horses: at step 2 with learning rate 0.001: ");
    assert_int_equal(trainer.step, 1);
    assert_memory_equal(params->value, before, bytes);
    free(before);
    gb_trainer_free(&trainer);
}

static enum gb_status library_failed(void) {
    return gb_fail(GB_UNSUPPORTED, "cannot run", "a primitive", "broken");
}

GB_TEST(test_a_failing_library_ends_training) {
    const struct gb_run_config run = tiny_run(2);
    struct gb_backend failing = *best_backend();
    struct gb_trainer trainer;
    double bits;
    start(&trainer, &run, &failing, 1);
    train(&trainer, 1, &bits);
    failing.check = library_failed;
    assert_int_equal(gb_trainer_step(&trainer, &bits), GB_UNSUPPORTED);
    assert_string_equal(gb_error_message(), "cannot run: a primitive: broken");
    assert_int_equal(trainer.step, 1);
    gb_trainer_free(&trainer);
}

// ---- Prediction ----

// A predictor of untrained parameters; options that are not given are the best backend, one thread,
// seed 1 and temperature 1.
static void make(struct gb_predictor *predictor, struct gb_predictor_options options) {
    const struct gb_run_config run = tiny_run(1);
    options.backend = options.backend ? options.backend : best_backend();
    options.threads = gb_max_int(1, options.threads);
    options.temperature = 1;
    options.seed = 1;
    assert_ok(gb_predictor_create(predictor, &run, &options));
    gb_load_untrained(predictor, 5);
}

static enum gb_status bits_of(struct gb_predictor *predictor, const struct gb_dataset *set,
                              double *bits) {
    return gb_predictor_bits(predictor, gb_dataset_held(set), 0, set->names, bits);
}

GB_FIXTURE_TEST(test_average_is_what_predicts) {
    const char *path = gb_fixture_path("averaged");
    const struct gb_run_config run = averaged_run();
    struct gb_trainer trainer;
    double bits[10];
    train_run(&trainer, &run, 10, bits);
    assert_ok(gb_trainer_save(&trainer, path, "synthetic"));
    struct gb_predictor of_trainer, of_file;
    const struct gb_predictor_options options = {
        .backend = best_backend(), .threads = 1, .samples = 1, .temperature = 1};
    double from_trainer[TEST], from_file[TEST];
    assert_ok(gb_predictor_create(&of_trainer, &run, &options));
    assert_ok(gb_predictor_create(&of_file, &run, &options));
    assert_ok(gb_predictor_load(&of_trainer, gb_trainer_params(&trainer)));
    assert_ok(gb_predictor_restore(&of_file, path));
    const struct gb_dataset *test = &splits[GB_SPLIT_TEST];
    assert_ok(bits_of(&of_trainer, test, from_trainer));
    assert_ok(bits_of(&of_file, test, from_file));
    assert_memory_equal(from_trainer, from_file, sizeof from_file);
    struct gb_params *params = gb_trainer_params(&trainer);
    memcpy(params->average, params->value, params->bytes);
    assert_ok(gb_predictor_load(&of_trainer, params));
    assert_ok(bits_of(&of_trainer, test, from_trainer));
    assert_memory_not_equal(from_trainer, from_file, sizeof from_file);
    gb_predictor_free(&of_trainer);
    gb_predictor_free(&of_file);
    gb_trainer_free(&trainer);
}

static enum gb_status condition(struct gb_predictor *predictor, const struct gb_dataset *set,
                                int index) {
    struct gb_tensor x = gb_images(&gb_dataset_held(set)->x, index, 1);
    return gb_predictor_condition(predictor, &x, set->names[index]);
}

// The predictor's samples for an example, one after the other.
static void draw_all(struct gb_predictor *predictor, const struct gb_dataset *set, int index,
                     float *samples) {
    assert_ok(condition(predictor, set, index));
    for (int m = 0; m < predictor->samples; m++) {
        const struct gb_tensor sample = gb_predictor_sample(predictor, index, m, 1);
        memcpy(samples + m * sample.image, sample.data, (size_t)sample.image * sizeof *samples);
    }
}

// The image of a prediction.
static void predict(struct gb_predictor *predictor, const struct gb_dataset *set, int index,
                    const struct gb_tensor *picture) {
    struct gb_tensor x = gb_images(&gb_dataset_held(set)->x, index, 1);
    float values[SIZE * SIZE * 3];
    const struct gb_tensor answer = gb_dense(values, 1, SIZE, SIZE, 3);
    assert_ok(gb_predictor_predict(predictor, &x, set->names[index], index, &answer));
    horses->to_image(&x, &answer, picture);
}

GB_TEST(test_failures_name_the_image) {
    const struct gb_dataset *test = &splits[GB_SPLIT_TEST];
    struct gb_predictor predictor;
    double bits[TEST];
    make(&predictor, (struct gb_predictor_options){.samples = 1});
    const int bad = TEST - 1;
    float *pixel = gb_at(&gb_dataset_held(test)->y, bad, 3, 4), value = *pixel;
    *pixel = NAN;
    assert_int_equal(bits_of(&predictor, test, bits), GB_CHECK_FAILED);
    *pixel = value;
    assert_message("cannot evaluate: ", test->names[bad]);
    struct gb_model *model = gb_untrained_model(&predictor, 5);
    struct gb_params *params = &model->params;
    for (size_t i = 0; i < params->size; i++)
        params->value[i] = NAN;
    assert_ok(gb_predictor_load(&predictor, params));
    gb_model_free(model);
    assert_int_equal(condition(&predictor, test, 3), GB_CHECK_FAILED);
    assert_message("cannot draw: ", test->names[3]);
    gb_predictor_free(&predictor);
}

GB_TEST(test_other_sizes_are_refused) {
    struct gb_dataset larger[GB_SPLITS];
    struct gb_run_config run = tiny_run(1);
    const struct gb_trainer_options options = {.backend = best_backend(), .threads = 1};
    struct gb_trainer trainer;
    struct gb_predictor predictor;
    double bits[1];
    assert_ok(gb_synthetic_horses_load(7, 2 * SIZE, 1, 1, 1, larger));
    assert_int_equal(gb_trainer_create(&trainer, &run, &options, &larger[GB_SPLIT_TRAIN]),
                     GB_BAD_INPUT);
    make(&predictor, (struct gb_predictor_options){.samples = 1});
    assert_int_equal(bits_of(&predictor, &larger[GB_SPLIT_TEST], bits), GB_BAD_INPUT);
    assert_int_equal(condition(&predictor, &larger[GB_SPLIT_TEST], 0), GB_BAD_INPUT);
    gb_predictor_free(&predictor);
    free_splits(larger);
}

// Samples share no noise, of which there are 2^32 numbers an example.
GB_TEST(test_too_many_samples_are_refused) {
    struct gb_predictor predictor;
    struct gb_run_config run = tiny_run(1);
    const struct gb_predictor_options options = {
        .backend = best_backend(), .threads = 1, .samples = INT_MAX};
    assert_error(gb_predictor_create(&predictor, &run, &options), GB_BAD_INPUT, "--samples");
}

enum { MANY = 5 };

// The first samples of many are the samples of few, and the prediction is their mean.
static void check_average(const struct gb_backend *backend) {
    enum { INDEX = 3, IMAGE = SIZE * SIZE * 3 };
    const struct gb_dataset *test = &splits[GB_SPLIT_TEST];
    float samples_of_many[MANY * IMAGE], samples[MANY * IMAGE], picture[SIZE * SIZE];
    const struct gb_tensor answer = gb_dense(picture, 1, SIZE, SIZE, 1);
    for (int count = MANY; count > 0; count--) {
        struct gb_predictor predictor;
        make(&predictor, (struct gb_predictor_options){
                             .backend = backend, .threads = count % 2 + 1, .samples = count});
        draw_all(&predictor, test, INDEX, samples);
        if (count == MANY)
            memcpy(samples_of_many, samples, sizeof samples);
        assert_memory_equal(samples, samples_of_many, (size_t)count * IMAGE * sizeof *samples);
        predict(&predictor, test, INDEX, &answer);
        for (size_t pixel = 0; pixel < SIZE * SIZE; pixel++) {
            double sum = 0;
            for (int m = 0; m < count; m++)
                for (size_t copy = 0; copy < 3; copy++)
                    sum += (double)samples[(size_t)m * IMAGE + pixel * 3 + copy];
            assert_float_equal(picture[pixel], sum / (3 * count) + 0.5, 1e-5);
        }
        gb_predictor_free(&predictor);
    }
    assert_memory_not_equal(samples_of_many, samples_of_many + IMAGE, IMAGE * sizeof *samples);
}

GB_TEST(test_average_is_the_mean_of_samples) {
    on_backends_of_same_bits(check_average);
}

// Samples 2i and 2i + 1 are a pair, and no two pairs are alike, whoever draws them together.
GB_TEST(test_samples_come_in_pairs) {
    enum { SAMPLES = 4, IMAGE = SIZE * SIZE * 3, TOP = IMAGE / 2 };
    const struct gb_dataset *test = &splits[GB_SPLIT_TEST];
    const struct gb_tensor x = gb_images(&gb_dataset_held(test)->x, 0, 1);
    struct gb_predictor together, alone;
    make(&together, (struct gb_predictor_options){.samples = SAMPLES});
    make(&alone, (struct gb_predictor_options){.samples = 1});
    float samples[SAMPLES * IMAGE], tops[SAMPLES][TOP];
    draw_all(&together, test, 0, samples);
    assert_ok(condition(&alone, test, 0));
    struct gb_model *model = gb_untrained_model(&together, 5);
    assert_ok(gb_cglow_model.condition(model, &x));
    for (int m = 0; m < SAMPLES; m++) {
        const struct gb_tensor sample = gb_dense(samples + m * IMAGE, 1, SIZE, SIZE, 3);
        const struct gb_tensor other = gb_predictor_sample(&alone, 0, m, 1);
        struct gb_latents latents;
        double log_likelihood;
        assert_memory_equal(other.data, sample.data, IMAGE * sizeof(float));
        assert_ok(gb_cglow_model.forward(model, &sample, NULL, &log_likelihood, &latents));
        const struct gb_tensor *top = &latents.level[latents.count - 1];
        assert_int_equal(gb_elements(top), TOP);
        const struct gb_tensor copy = gb_dense(tops[m], 1, top->h, top->w, top->c);
        gb_copy_values(top, &copy);
    }
    // As far as the inverse and forward are each other's inverse.
    for (int i = 0; i < TOP; i++) {
        assert_float_equal(tops[0][i], -tops[1][i], 1e-3);
        assert_float_equal(tops[2][i], -tops[3][i], 1e-3);
    }
    assert_memory_not_equal(tops[0], tops[2], sizeof tops[0]);
    gb_model_free(model);
    gb_predictor_free(&together);
    gb_predictor_free(&alone);
}

GB_TEST(test_examples_have_their_own_samples) {
    struct gb_predictor predictor;
    make(&predictor, (struct gb_predictor_options){.samples = 2});
    // Of the same input, so that nothing but the latents can differ.
    float values[SIZE * SIZE * 3];
    assert_ok(condition(&predictor, &splits[GB_SPLIT_TEST], 0));
    const struct gb_tensor first = gb_predictor_sample(&predictor, 0, 0, 1);
    memcpy(values, first.data, sizeof values);
    const struct gb_tensor other = gb_predictor_sample(&predictor, 1, 0, 1);
    assert_memory_not_equal(values, other.data, sizeof values);
    const struct gb_tensor again = gb_predictor_sample(&predictor, 0, 0, 1);
    assert_memory_equal(values, again.data, sizeof values);
    gb_predictor_free(&predictor);
}

// A set's examples in any order and number, alone or with others, have the bits that they have.
static void check_batches(const struct gb_backend *backend) {
    static const int chosen[] = {10, 2, 2, 7};
    enum { CHOSEN = sizeof chosen / sizeof *chosen };
    const struct gb_dataset *test = &splits[GB_SPLIT_TEST];
    struct gb_predictor predictor;
    double all[TEST], some[CHOSEN];
    make(&predictor, (struct gb_predictor_options){.backend = backend, .threads = 2, .samples = 1});
    assert_ok(bits_of(&predictor, test, all));
    for (int count = 1; count <= CHOSEN; count++) {
        struct gb_examples set;
        assert_ok(gb_examples_select(gb_dataset_held(test), chosen, count, &set));
        assert_ok(gb_predictor_bits(&predictor, &set, 0, test->names, some));
        for (int i = 0; i < count; i++)
            assert_memory_equal(&some[i], &all[chosen[i]], sizeof *some);
        gb_examples_free(&set);
    }
    gb_predictor_free(&predictor);
}

GB_TEST(test_likelihood_is_of_the_example_alone) {
    on_backends_of_same_bits(check_batches);
}

// Without dequantisation the likelihood is that of the target itself; with it, of a target that
// lies up to half a level off, the same one every time.
GB_TEST(test_dequantisation) {
    const struct gb_dataset *test = &splits[GB_SPLIT_TEST];
    struct gb_predictor plain, noisy;
    double bits[TEST], noisy_bits[TEST], again[TEST];
    make(&plain, (struct gb_predictor_options){.samples = 1});
    make(&noisy, (struct gb_predictor_options){.samples = 1, .dequantise = true});
    assert_ok(bits_of(&plain, test, bits));
    assert_ok(bits_of(&noisy, test, noisy_bits));
    assert_ok(bits_of(&noisy, test, again));
    assert_memory_equal(noisy_bits, again, sizeof again);

    float values[SIZE * SIZE * 3];
    const struct gb_tensor target = gb_dense(values, 1, SIZE, SIZE, 3);
    for (int i = 0; i < TEST; i++) {
        struct gb_tensor x = gb_images(&gb_dataset_held(test)->x, i, 1),
                         y = gb_images(&gb_dataset_held(test)->y, i, 1);
        horses->target(&x, &y, &target);
        const double expected = gb_untrained_bits(&plain, 5, &x, &target);
        assert_memory_equal(&bits[i], &expected, sizeof expected);
        assert_true(noisy_bits[i] != bits[i]);
    }
    gb_predictor_free(&plain);
    gb_predictor_free(&noisy);
}

// Ascent finds a likelier target than the one that it starts from, by steps of about the length
// that was asked for: Adam goes (1 - beta1) / sqrt(1 - beta2) = 3.2 times it at most.
static void check_ascent(const struct gb_backend *backend) {
    const struct gb_dataset *test = &splits[GB_SPLIT_TEST];
    struct gb_tensor x = gb_images(&gb_dataset_held(test)->x, 2, 1);
    float values[2][SIZE * SIZE * 3];
    double bits[2][2];
    for (int from_mean = 0; from_mean < 2; from_mean++)
        for (int longer = 0; longer < 2; longer++) {
            struct gb_predictor predictor;
            make(&predictor, (struct gb_predictor_options){.backend = backend,
                                                           .samples = 2,
                                                           .prediction = GB_PREDICT_GRADIENT,
                                                           .ascent = {.from_mean = from_mean,
                                                                      .steps = longer ? 8 : 1,
                                                                      .rate = longer ? 0.01f : 0}});
            const struct gb_tensor answer = gb_dense(values[longer], 1, SIZE, SIZE, 3);
            assert_ok(gb_predictor_predict(&predictor, &x, test->names[2], 2, &answer));
            bits[from_mean][longer] = gb_untrained_bits(&predictor, 5, &x, &answer);
            gb_predictor_free(&predictor);
            for (int i = 0; longer && i < SIZE * SIZE * 3; i++)
                assert_true(fabsf(values[1][i] - values[0][i]) <= 8 * 0.032f);
        }
    for (int from_mean = 0; from_mean < 2; from_mean++)
        assert_true(bits[from_mean][1] < bits[from_mean][0]);
    assert_true(bits[0][0] != bits[1][0]); // the two starts
}

GB_TEST(test_ascent_climbs) {
    on_backends_of_same_bits(check_ascent);
}

static const struct gb_predictor_options scoring = {.samples = 3, .dequantise = true};

static void score(struct gb_predictor_options options, struct scores *scores) {
    struct gb_predictor predictor;
    make(&predictor, options);
    evaluate(&predictor, splits, scores);
    gb_predictor_free(&predictor);
}

GB_TEST(test_a_failing_library_has_no_score) {
    struct gb_backend failing = *best_backend();
    struct gb_predictor predictor;
    failing.check = library_failed;
    make(&predictor, (struct gb_predictor_options){.backend = &failing, .samples = 1, .scored = 1});
    json_t *metrics = json_object();
    assert_int_equal(gb_predictor_evaluate(&predictor, &splits[GB_SPLIT_TRAIN],
                                           &splits[GB_SPLIT_TEST], metrics, NULL),
                     GB_UNSUPPORTED);
    assert_string_equal(gb_error_message(), "cannot run: a primitive: broken");
    json_decref(metrics);
    gb_predictor_free(&predictor);
}

static void check_evaluation(const struct gb_backend *backend) {
    struct gb_predictor_options options = scoring;
    struct scores scores[2];
    options.backend = backend;
    for (int i = 0; i < 2; i++) {
        options.threads = i + 1;
        score(options, &scores[i]);
        assert_true(metric(scores[i].metrics, "seconds_per_prediction") > 0);
        json_object_del(scores[i].metrics, "seconds_per_prediction");
        json_object_del(scores[i].metrics, "images_per_second");
    }
    assert_true(json_equal(scores[0].metrics, scores[1].metrics));
    assert_true(json_equal(scores[0].per_image, scores[1].per_image));
    free_scores(&scores[0]);
    free_scores(&scores[1]);
}

GB_TEST(test_threads_change_no_score) {
    on_backends_of_same_bits(check_evaluation);
}

// Few examples, spread over the set, get the answers that they get among all.
GB_TEST(test_a_subset_is_scored_as_in_the_full_set) {
    enum { FEW = 3 };
    struct gb_predictor_options options = scoring;
    struct scores all, few;
    score(options, &all);
    options.scored = FEW;
    score(options, &few);
    assert_int_equal(json_array_size(few.per_image), FEW);
    for (size_t i = 0; i < FEW; i++) {
        const json_t *row = json_array_get(few.per_image, i),
                     *same = json_array_get(all.per_image, i * TEST / FEW);
        const char *const shared[] = {"name", "foreground_iou"};
        for (int j = 0; j < 2; j++)
            assert_true(
                json_equal(json_object_get(row, shared[j]), json_object_get(same, shared[j])));
    }
    free_scores(&all);
    free_scores(&few);
}

GB_TEST(test_scores_are_of_the_predictions) {
    const struct gb_dataset *test = &splits[GB_SPLIT_TEST];
    struct scores scores;
    struct gb_predictor predictor;
    make(&predictor, scoring);
    evaluate(&predictor, splits, &scores);
    assert_int_equal(json_array_size(scores.per_image), TEST);

    double bits[TEST], mean = 0, iou[TEST];
    float masks[TEST * SIZE * SIZE];
    const struct gb_tensor answers = gb_dense(masks, TEST, SIZE, SIZE, 1);
    struct gb_mask_scores of_masks;
    assert_ok(bits_of(&predictor, test, bits));
    for (int i = 0; i < TEST; i++) {
        struct gb_tensor answer = gb_images(&answers, i, 1);
        predict(&predictor, test, i, &answer);
        horses->postprocess(NULL, &answer, &answer);
        mean += bits[i];
    }
    mean /= TEST;
    gb_score_masks(&gb_dataset_held(test)->y, &answers, &of_masks, iou);
    const struct {
        const char *name;
        double value;
    } expected[] = {{"bits_per_dimension", mean},
                    {"bits_per_dimension_published", mean + 1},
                    {"foreground_iou", of_masks.foreground_iou},
                    {"mean_iou", of_masks.mean_iou},
                    {"iou_batch10", of_masks.iou_batch10},
                    {"pixel_accuracy", of_masks.pixel_accuracy}};
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++)
        assert_true(metric(scores.metrics, expected[i].name) == expected[i].value);
    for (int i = 0; i < TEST; i++) {
        const json_t *row = json_array_get(scores.per_image, (size_t)i);
        assert_string_equal(json_string_value(json_object_get(row, "name")), test->names[i]);
        assert_true(metric(row, "bits_per_dimension") == bits[i]);
        assert_true(metric(row, "foreground_iou") == iou[i]);
    }
    gb_predictor_free(&predictor);
    free_scores(&scores);
}

// ---- Learning ----

static double test_bits(const struct gb_run_config *run, const struct gb_params *params,
                        const struct gb_dataset *test) {
    struct gb_predictor predictor;
    const struct gb_predictor_options options = {.backend = params->backend,
                                                 .threads = 2,
                                                 .samples = 1,
                                                 .temperature = 1,
                                                 .dequantise = true};
    double *bits = malloc((size_t)test->count * sizeof *bits), sum = 0;
    assert_non_null(bits);
    assert_ok(gb_predictor_create(&predictor, run, &options));
    assert_ok(gb_predictor_load(&predictor, params));
    assert_ok(bits_of(&predictor, test, bits));
    for (int i = 0; i < test->count; i++)
        sum += bits[i];
    free(bits);
    gb_predictor_free(&predictor);
    return sum / test->count;
}

// Measured: from 1.73 to 0.64 bits per dimension on images that it was not trained on.
GB_TEST(test_training_learns) {
    enum { LEARNING_STEPS = 150 };
    struct gb_dataset many[GB_SPLITS];
    struct gb_run_config run = tiny_run(4);
    struct gb_trainer trainer;
    double bits[LEARNING_STEPS];
    assert_ok(gb_synthetic_horses_load(1, SIZE, 100, 32, 2, many));
    const struct gb_trainer_options options = {.backend = best_backend(), .threads = 2};
    assert_ok(gb_trainer_create(&trainer, &run, &options, &many[GB_SPLIT_TRAIN]));
    const struct gb_params *params = gb_trainer_params(&trainer);
    double before = test_bits(&run, params, &many[GB_SPLIT_TEST]);
    train(&trainer, LEARNING_STEPS, bits);
    double after = test_bits(&run, params, &many[GB_SPLIT_TEST]);
    print_message("bits per dimension: %.3f, after %d steps %.3f\n", before, LEARNING_STEPS, after);
    assert_true(after < before - 0.7);
    gb_trainer_free(&trainer);
    free_splits(many);
}

GB_TEST_GROUP(load_data, free_data)
