// SPDX-License-Identifier: MIT
// The vessels task: what is measured of each model on whole images.
#include <math.h>
#include <string.h>

#include "tasks/metrics/precision_recall.h"
#include "tasks/prediction/predictor.h"
#include "tasks/synthetic/fundus.h"
#include "tests/support/fixture.h"
#include "tests/support/test.h"
#include "tests/tasks/loading.h"
#include "tests/tasks/untrained.h"

// Windows are smaller than images, and these no multiple of GB_VESSELS_MULTIPLE.
enum { WINDOW = 16, SIDE = 40, PADDED = 48, TRAIN = 3, TEST = 2, SAMPLES = 5 };

static const struct gb_task *vessels;
static struct gb_dataset splits[GB_SPLITS];

static int load_data(void **state) {
    (void)state;
    const struct gb_source source = {.size = WINDOW, .threads = 1};
    gb_flush_denormals();
    return gb_task_find("vessels", &vessels) != GB_OK ||
           gb_fundus_load(1, SIDE, TRAIN, TEST, &source, splits) != GB_OK;
}

static int free_data(void **state) {
    (void)state;
    free_splits(splits);
    return 0;
}

// A predictor of untrained parameters.
static void make_predictor_by(enum gb_prediction prediction, const char *model_name,
                              struct gb_predictor *predictor) {
    struct gb_run_config run;
    const struct gb_task_model *model;
    struct gb_predictor_options options = {.threads = 2,
                                           .samples = SAMPLES,
                                           .temperature = 1,
                                           .seed = 3,
                                           .dequantise = true,
                                           .prediction = prediction,
                                           .ascent = {.steps = 2, .rate = 0.01f}};
    assert_ok(gb_backend_find(NULL, &options.backend));
    assert_ok(gb_task_model_find(vessels, model_name, &model));
    assert_ok(gb_run_config_default(vessels, model, WINDOW, &splits[GB_SPLIT_TRAIN].shape, &run));
    assert_ok(gb_predictor_create(predictor, &run, &options));
    gb_load_untrained(predictor, 5);
}

static void make_predictor(const char *model_name, struct gb_predictor *predictor) {
    make_predictor_by(GB_PREDICT_MEAN, model_name, predictor);
}

static struct gb_pr_point human(void) {
    struct gb_detections detections = {0};
    for (int i = 0; i < TEST; i++) {
        const struct gb_vessel_image *image = gb_vessels_image(&splits[GB_SPLIT_TEST], i);
        for (int p = 0; p < SIDE * SIDE; p++) {
            bool inside = image->field.pixels[p], truth = image->vessels.pixels[p],
                 answer = image->second.pixels[p];
            detections.right += inside && truth && answer;
            detections.wrong += inside && !truth && answer;
            detections.missed += inside && truth && !answer;
        }
    }
    return gb_pr_point_of(&detections);
}

static void check_metrics(const json_t *metrics, int points) {
    struct gb_pr_point second = human();
    assert_true(metric(metrics, "dimensions") == PADDED * PADDED);
    double ratio =
        metric(metrics, "bits_per_photograph_pixel") / metric(metrics, "bits_per_dimension");
    assert_float_equal(ratio, (double)(PADDED * PADDED) / (SIDE * SIDE), 1e-9);
    assert_float_equal(metric(metrics, "human_f_score"), second.f_score, 1e-12);
    assert_float_equal(metric(metrics, "human_recall"), second.recall, 1e-12);
    // The best of the curve is on it, and no point of it is better.
    const json_t *curve = json_object_get(metrics, "curve"), *point;
    double best = 0;
    size_t i;
    assert_int_equal(json_array_size(curve), points);
    json_array_foreach(curve, i, point)
        best = fmax(best, metric(point, "f_score"));
    assert_float_equal(metric(metrics, "f_score"), best, 1e-12);
    assert_true(metric(metrics, "trivial_f_score") > 0.1);
    // A coin that knows how rare vessels are.
    assert_true(metric(metrics, "trivial_bits_per_dimension") > 0.1 &&
                metric(metrics, "trivial_bits_per_dimension") < 0.5);
}

static void check_photographs(const json_t *per_image, const json_t *metrics) {
    double bits = 0, f_scores = 0;
    const json_t *photograph;
    size_t i;
    assert_int_equal(json_array_size(per_image), TEST);
    json_array_foreach(per_image, i, photograph) {
        bits += metric(photograph, "bits_per_dimension") / TEST;
        f_scores += metric(photograph, "sample_f_score") / TEST;
        assert_int_equal(json_array_size(json_object_get(photograph, "samples")), SAMPLES);
        assert_non_null(json_object_get(photograph, "human"));
    }
    assert_float_equal(metric(metrics, "bits_per_dimension"), bits, 1e-9);
    assert_float_equal(metric(metrics, "sample_f_score"), f_scores, 1e-9);
}

// All models on the same whole images, though they are built for windows.
GB_TEST(measures_every_model) {
    for (const struct gb_task_model *model = vessels->models; model->name; model++) {
        struct gb_predictor predictor;
        struct scores scores;
        make_predictor(model->name, &predictor);
        evaluate(&predictor, splits, &scores);
        check_metrics(scores.metrics, predictor.kind->uniform_noise ? 255 : SAMPLES);
        check_photographs(scores.per_image, scores.metrics);
        free_scores(&scores);
        gb_predictor_free(&predictor);
    }
}

// What ascent finds is a mask, the same at every threshold, as no mean of these samples is.
GB_TEST(measures_what_ascent_finds) {
    for (int prediction = 0; prediction < GB_PREDICTIONS; prediction++) {
        struct gb_predictor predictor;
        struct scores scores;
        const json_t *point;
        make_predictor_by((enum gb_prediction)prediction, "cnf-uniform", &predictor);
        evaluate(&predictor, splits, &scores);
        check_metrics(scores.metrics, SAMPLES);
        check_photographs(scores.per_image, scores.metrics);
        size_t i, best = 0;
        json_array_foreach(json_object_get(scores.metrics, "curve"), i, point) {
            best += metric(point, "f_score") == metric(scores.metrics, "f_score");
        }
        assert_true((best == SAMPLES) == (prediction == GB_PREDICT_GRADIENT));
        free_scores(&scores);
        gb_predictor_free(&predictor);
    }
}

// The probability that the curve is of has no temperature: neither where the samples were taken at
// the one that it is read at, which are cut, nor at another.
GB_TEST(scores_the_probability_at_any_temperature) {
    static const float temperatures[] = {0, 0.5f, 1};
    double f_scores[3];
    for (int i = 0; i < 3; i++) {
        struct gb_predictor predictor;
        struct scores scores;
        make_predictor("factored", &predictor);
        predictor.options.temperature = temperatures[i];
        evaluate(&predictor, splits, &scores);
        f_scores[i] = metric(scores.metrics, "f_score");
        free_scores(&scores);
        gb_predictor_free(&predictor);
    }
    assert_true(f_scores[0] == f_scores[2] && f_scores[1] == f_scores[2]);
}

// Images are padded to what the model's levels need, and their light stays the same.
GB_TEST(pads_for_deep_models) {
    enum { LEVELS = 5, DEEP = 64 };
    const struct gb_source source = {.size = DEEP, .multiple = 1 << LEVELS, .threads = 1};
    const struct gb_dataset *test = &splits[GB_SPLIT_TEST];
    struct gb_dataset deep[GB_SPLITS];
    struct gb_run_config run;
    struct gb_predictor predictor;
    struct gb_predictor_options options = {.threads = 1, .samples = 2, .temperature = 1};
    assert_ok(gb_fundus_load(1, SIDE, TRAIN, TEST, &source, deep));
    assert_int_equal(deep[GB_SPLIT_TRAIN].shape.y_h, DEEP);
    assert_int_equal(deep[GB_SPLIT_TEST].shape.y_w, DEEP);
    assert_true(deep[GB_SPLIT_TEST].hash == test->hash);
    assert_ok(gb_backend_find(NULL, &options.backend));
    assert_ok(gb_run_config_default(vessels, &vessels->models[0], DEEP, &deep[GB_SPLIT_TRAIN].shape,
                                    &run));
    run.config.cnf.levels = LEVELS;
    assert_int_equal(gb_model_multiple(&gb_cnf_model, &run.config), source.multiple);
    assert_ok(gb_predictor_create(&predictor, &run, &options));
    gb_load_untrained(&predictor, 5);
    struct scores scores;
    evaluate(&predictor, deep, &scores);
    assert_true(metric(scores.metrics, "dimensions") == DEEP * DEEP);
    free_scores(&scores);
    gb_predictor_free(&predictor);
    free_splits(deep);
}

GB_TEST(refuses_to_score_windows) {
    struct gb_predictor predictor;
    const struct gb_dataset *train = &splits[GB_SPLIT_TRAIN];
    json_t *metrics = json_object();
    make_predictor("cnf", &predictor);
    assert_error(gb_predictor_evaluate(&predictor, train, train, metrics, NULL), GB_BAD_INPUT,
                 "full images");
    json_decref(metrics);
    gb_predictor_free(&predictor);
}

// The flow's bits count its own dequantisation; those of the factored model no noise at all.
GB_TEST(dequantises_by_model) {
    static const enum gb_dequantisation expected[] = {GB_DEQUANTISED_BY_MODEL,
                                                      GB_DEQUANTISED_BY_CALLER, GB_NOT_DEQUANTISED};
    for (int i = 0; vessels->models[i].name; i++) {
        struct gb_predictor predictor;
        struct gb_model_shapes shapes;
        make_predictor(vessels->models[i].name, &predictor);
        gb_model_shapes(predictor.kind, &predictor.config, 1, &shapes);
        assert_int_equal(shapes.dequantisation, expected[i]);
        gb_predictor_free(&predictor);
    }
}

// Within 2 %, as the paper compares them.
GB_TEST(gives_the_baseline_as_many_parameters) {
    size_t count[2];
    static const char *const names[] = {"cnf", "factored"};
    for (int i = 0; i < 2; i++) {
        struct gb_predictor predictor;
        make_predictor(names[i], &predictor);
        struct gb_model *model = gb_untrained_model(&predictor, 5);
        count[i] = gb_params_elements(&model->params);
        gb_model_free(model);
        gb_predictor_free(&predictor);
    }
    assert_float_equal((double)count[1] / (double)count[0], 1, 0.02);
}

// Whether a mask is in the sheet at (left, top), enlarged by `zoom`.
static bool is_at(const struct gb_image *sheet, int left, int top, int zoom,
                  const struct gb_image *mask) {
    for (int y = 0; y < mask->h; y++)
        for (int x = 0; x < mask->w; x++) {
            const size_t place =
                (size_t)(top + y * zoom) * (size_t)sheet->w + (size_t)(left + x * zoom);
            if (sheet->pixels[place] != mask->pixels[y * mask->w + x])
                return false;
        }
    return true;
}

static bool shows(const struct gb_image *sheet, const struct gb_image *mask) {
    const int zoom = 128 / PADDED;
    for (int top = 0; top + zoom * mask->h <= sheet->h; top++)
        for (int left = 0; left + zoom * mask->w <= sheet->w; left++)
            if (is_at(sheet, left, top, zoom, mask))
                return true;
    return false;
}

GB_FIXTURE_TEST(writes_its_figure) {
    struct gb_predictor predictor;
    make_predictor("cnf", &predictor);
    assert_ok(gb_predictor_picture(&predictor, &splits[GB_SPLIT_TEST], TEST,
                                   gb_fixture_path("samples.png")));
    assert_int_equal(gb_fixture_entries(""), 1);
    struct gb_image sheet;
    assert_ok(gb_image_read(gb_fixture_path("samples.png"), 1, &sheet));
    for (int i = 0; i < TEST; i++) {
        const struct gb_vessel_image *image = gb_vessels_image(&splits[GB_SPLIT_TEST], i);
        assert_true(shows(&sheet, &image->vessels));
        assert_true(shows(&sheet, &image->second));
    }
    gb_image_free(&sheet);
    gb_predictor_free(&predictor);
}

GB_TEST_GROUP(load_data, free_data)
