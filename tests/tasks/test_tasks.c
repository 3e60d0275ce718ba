// SPDX-License-Identifier: MIT
// What holds of every task alike.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tasks/images/image.h"
#include "tasks/prediction/predictor.h"
#include "tasks/training/reduced_run.h"
#include "tests/support/fixture.h"
#include "tests/support/test.h"
#include "tests/tasks/loading.h"
#include "tests/tasks/small_model.h"
#include "tests/tasks/untrained.h"

// ---- The main job's scores ----

enum { MOST_TASKS = 16 };

// Records of runs whose models all have this metric, and whose trivial baselines have 0.5.
static void make_records(double metric, json_t *records[static MOST_TASKS]) {
    for (int i = 0; gb_tasks()[i]; i++) {
        char trivial[64];
        snprintf(trivial, sizeof trivial, "trivial_%s", gb_tasks()[i]->headline);
        assert_true(i < MOST_TASKS);
        records[i] =
            json_pack("{s:{s:f, s:f}}", "metrics", gb_tasks()[i]->headline, metric, trivial, 0.5);
        assert_non_null(records[i]);
    }
}

static void set_metric(json_t *record, const char *name, double value) {
    assert_int_equal(
        json_object_set_new(json_object_get(record, "metrics"), name, json_real(value)), 0);
}

static void free_records(json_t *records[static MOST_TASKS]) {
    for (int i = 0; gb_tasks()[i]; i++)
        json_decref(records[i]);
}

GB_TEST(names_what_does_not_beat_the_trivial_baseline) {
    json_t *records[MOST_TASKS];
    make_records(0.75, records);
    assert_ok(gb_reduced_check(records));
    set_metric(records[1], gb_tasks()[1]->headline, 0.5);
    set_metric(records[3], gb_tasks()[3]->headline, 0.25);
    assert_int_equal(gb_reduced_check(records), GB_CHECK_FAILED);
    assert_string_equal(gb_error_message(), "no better than the trivial baseline: lfw, depth: see "
                                            "the metrics in the table");
    free_records(records);
}

GB_TEST(knows_which_metric_is_better) {
    json_t *records[MOST_TASKS];
    make_records(0.25, records);
    struct gb_task task = *gb_tasks()[0];
    task.lower_is_better = false;
    assert_false(gb_reduced_beats_trivial(&task, records[0]));
    task.lower_is_better = true;
    assert_true(gb_reduced_beats_trivial(&task, records[0]));
    set_metric(records[0], task.headline, 0.5);
    assert_false(gb_reduced_beats_trivial(&task, records[0]));
    task.headline = "nothing";
    assert_false(gb_reduced_beats_trivial(&task, records[0]));
    free_records(records);
}

// ---- Models in small ----

// The smallest size that all models take. Two samples have opposite latents: of an untrained model
// their mean can be the mode, where ascent stays.
enum { SIZE = 32, SAMPLES = 3 };

// A task's synthetic data.
static void load(const struct gb_task *task, struct gb_dataset splits[]) {
    const struct gb_source source = {.size = SIZE, .threads = 2};
    if (task->load(&source, splits) != GB_OK)
        fail_msg("%s: %s", task->name, gb_error_message());
}

static struct gb_run_config tiny_run(const struct gb_task *task, const struct gb_task_model *model,
                                     const struct gb_dataset *train) {
    struct gb_run_config run;
    assert_ok(gb_run_config_default(task, model, SIZE, &train->shape, &run));
    gb_make_small(model, &run.config);
    return run;
}

static struct gb_predictor_options options_of(enum gb_prediction prediction) {
    struct gb_predictor_options options = {
        .threads = 1, .samples = SAMPLES, .temperature = 1, .seed = 3, .prediction = prediction};
    assert_ok(gb_backend_find(NULL, &options.backend));
    return options;
}

// Generated sets depend on the size alone, and their splits differ. Their names and examples go by
// index: the tests of each have the bits of one.
GB_TEST(generates_data_with_any_number_of_threads) {
    for (const struct gb_task *const *task = gb_tasks(); *task; task++) {
        struct gb_dataset splits[GB_SPLITS], again[GB_SPLITS];
        const struct gb_source source = {.size = SIZE, .threads = 1};
        load(*task, splits);
        assert_ok((*task)->load(&source, again));
        for (int split = 0; split < GB_SPLITS; split++) {
            assert_true(splits[split].hash == again[split].hash);
            assert_string_equal(splits[split].names[1], again[split].names[1]);
        }
        assert_true(splits[GB_SPLIT_TRAIN].hash != splits[GB_SPLIT_TEST].hash);
        free_splits(splits);
        free_splits(again);
    }
}

// ---- Gradient ascent ----

// By two steps of this rate from where ascent starts.
static double bits_of_ascent(const struct gb_run_config *run, const struct gb_example *example,
                             float rate) {
    struct gb_predictor_options options = options_of(GB_PREDICT_GRADIENT);
    struct gb_predictor predictor;
    options.ascent = (struct gb_ascent){.from_mean = true, .steps = 2, .rate = rate};
    if (gb_predictor_create(&predictor, run, &options) != GB_OK)
        fail_msg("%s: %s", run->task->name, gb_error_message());
    gb_load_untrained(&predictor, 5);
    struct gb_tensor answer = predictor.target;
    answer.data = malloc(gb_elements(&answer) * sizeof(float));
    assert_non_null(answer.data);
    assert_ok(gb_predictor_predict(&predictor, &example->x, "example", 0, &answer));
    const double bits = gb_untrained_bits(&predictor, 5, &example->x, &answer);
    free(answer.data);
    gb_predictor_free(&predictor);
    return bits;
}

static void check_ascent(const struct gb_run_config *run, const struct gb_dataset *train) {
    struct gb_examples examples;
    assert_ok(gb_dataset_gather(train, NULL, 1, 0, 1, &examples));
    const struct gb_example example = gb_example_at(&examples, 0);
    const double start = bits_of_ascent(run, &example, 0),
                 end = bits_of_ascent(run, &example, 1e-3f);
    if (!(end < start))
        fail_msg("%s: from %g to %g bits per dimension", run->task->name, start, end);
    gb_examples_free(&examples);
}

// Every other task and model says at once that it cannot.
GB_TEST(ascends_on_every_task_with_a_density) {
    int ascending = 0;
    for (const struct gb_task *const *task = gb_tasks(); *task; task++) {
        struct gb_dataset splits[GB_SPLITS];
        load(*task, splits);
        for (const struct gb_task_model *model = (*task)->models; model->name; model++) {
            const struct gb_run_config run = tiny_run(*task, model, &splits[GB_SPLIT_TRAIN]);
            const struct gb_predictor_options options = options_of(GB_PREDICT_GRADIENT);
            struct gb_predictor predictor;
            if (model->kind == &gb_cglow_model || strcmp(model->name, "cnf-uniform") == 0) {
                check_ascent(&run, &splits[GB_SPLIT_TRAIN]);
                ascending++;
                continue;
            }
            assert_error(gb_predictor_create(&predictor, &run, &options), GB_BAD_INPUT,
                         "cannot predict: --predict gradient: ");
        }
        free_splits(splits);
    }
    assert_int_equal(ascending, 6);
}

// ---- Pictures ----

enum { GAP = 8 };

// The picture of one example.
static void draw(const struct gb_task *task, struct gb_image *sheet) {
    const char *path = gb_fixture_path("picture.png");
    const struct gb_predictor_options options = options_of(GB_PREDICT_MEAN);
    struct gb_dataset splits[GB_SPLITS];
    struct gb_predictor predictor;
    load(task, splits);
    const struct gb_run_config run = tiny_run(task, task->models, &splits[GB_SPLIT_TRAIN]);
    assert_ok(gb_predictor_create(&predictor, &run, &options));
    gb_load_untrained(&predictor, 5);
    if (gb_predictor_picture(&predictor, &splits[GB_SPLIT_TEST], 1, path) != GB_OK ||
        gb_image_read(path, 3, sheet) != GB_OK)
        fail_msg("%s: %s", task->name, gb_error_message());
    gb_predictor_free(&predictor);
    free_splits(splits);
}

// Three samples in each; their mean next to the prediction only where that is another image.
GB_FIXTURE_TEST(lays_out_the_columns_of_every_task) {
    static const struct {
        const char *task;
        int columns, width; // of each column
    } expected[] = {{"horses", 7, 128},  {"lfw", 7, 128}, {"denoise", 6, 128}, {"depth", 7, 120},
                    {"inpaint", 7, 128}, {"sr", 7, 96},   {"vessels", 7, 128}};
    for (int i = 0; gb_tasks()[i]; i++) {
        struct gb_image sheet;
        assert_true((size_t)i < sizeof expected / sizeof *expected);
        assert_string_equal(gb_tasks()[i]->name, expected[i].task);
        draw(gb_tasks()[i], &sheet);
        if (sheet.w != GAP + expected[i].columns * (expected[i].width + GAP))
            fail_msg("%s: the picture is %d wide", expected[i].task, sheet.w);
        gb_image_free(&sheet);
    }
}

// Whether a column of inpainting's picture shows what the truth's does, in the block or around it.
enum { TRUTH = 1, WIDTH = 128 };
static bool shows_the_truth(const struct gb_image *sheet, int column, bool in_block) {
    enum { FROM = WIDTH / 4, TO = WIDTH - FROM };
    for (int y = 0; y < WIDTH; y++)
        for (int x = 0; x < WIDTH; x++) {
            const bool hidden = y >= FROM && y < TO && x >= FROM && x < TO;
            const unsigned char *row =
                sheet->pixels + (size_t)(sheet->h - GAP - WIDTH + y) * (size_t)sheet->w * 3;
            const unsigned char *pixel = row + 3 * (GAP + column * (WIDTH + GAP) + x);
            const unsigned char *truth = row + 3 * (GAP + TRUTH * (WIDTH + GAP) + x);
            if (hidden == in_block && memcmp(pixel, truth, 3) != 0)
                return false;
        }
    return true;
}

GB_FIXTURE_TEST(shows_blocks_within_their_images) {
    const struct gb_task *inpaint;
    struct gb_image sheet;
    assert_ok(gb_task_find("inpaint", &inpaint));
    draw(inpaint, &sheet);
    for (int column = 0; column < (sheet.w - GAP) / (WIDTH + GAP); column++) {
        assert_true(shows_the_truth(&sheet, column, false));
        assert_true(shows_the_truth(&sheet, column, true) == (column == TRUTH));
    }
    gb_image_free(&sheet);
}
