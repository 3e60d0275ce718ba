// SPDX-License-Identifier: MIT
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "tasks/data/lfw_data.h"
#include "tasks/synthetic/faces.h"
#include "tasks/task.h"
#include "tests/support/fixture.h"
#include "tests/support/real_data.h"
#include "tests/support/test.h"
#include "tests/tasks/loading.h"

extern const struct gb_task gb_lfw;

static int photograph(int x, int y, int channel) {
    return (x + y) / 4 + 30 * channel;
}
// Hair to the left, face in the middle, background to the right.
static int bands(int x, int y, int channel) {
    (void)y;
    return channel == (x < 75 ? 0 : x < 150 ? 1 : 2) ? 255 : 0;
}

enum { SIZE = 10 };
static const char *const people[] = {"Ann_Lee", "Bo_van_der_Berg", "Cy"};

static void write_face(const char *person, int number) {
    gb_fixture_jpeg(gb_fixture_name("lfw_funneled/%s/%s_%04d.jpg", person, person, number),
                    GB_LFW_SIDE, GB_LFW_SIDE, 3, photograph);
    gb_fixture_pnm(gb_fixture_name("parts_lfw_funneled_gt_images/%s_%04d.ppm", person, number),
                   GB_LFW_SIDE, GB_LFW_SIDE, '6', 255, bands);
}

// A published directory in small.
static int setup(void **state) {
    const int failed = gb_fixture_setup(state);
    for (size_t i = 0; i < sizeof people / sizeof *people; i++)
        write_face(people[i], 1);
    write_face("Cy", 12);
    gb_fixture_text("parts_train.txt", "Cy 0012\r\n\nAnn_Lee 0001\n");
    gb_fixture_text("parts_test.txt", "Bo_van_der_Berg 1\nCy 1"); // not padded, no newline
    gb_fixture_text("lists/parts_train.txt", "Ann_Lee 1\n");
    gb_fixture_text("lists/parts_test.txt", "Cy 1\n");
    return failed;
}

#define TEST(name) GB_TEST_WITH(name, setup, gb_fixture_teardown)

static enum gb_status load_lists(const char *lists, struct gb_dataset splits[]) {
    return load_fixture(gb_lfw_load, "", lists, SIZE, splits);
}

TEST(loads_what_the_lists_name) {
    struct gb_dataset splits[GB_SPLITS];
    assert_ok(load_lists(NULL, splits));
    const struct gb_dataset *train = &splits[GB_SPLIT_TRAIN], *test = &splits[GB_SPLIT_TEST];
    assert_int_equal(train->count, 2);
    assert_string_equal(train->names[0], "Cy_0012");
    assert_string_equal(train->names[1], "Ann_Lee_0001");
    assert_int_equal(test->count, 2);
    assert_string_equal(test->names[0], "Bo_van_der_Berg_0001");
    assert_string_equal(test->names[1], "Cy_0001");
    struct gb_examples examples;
    assert_ok(gb_dataset_gather(test, NULL, test->count, 0, 1, &examples));
    for (int y = 0; y < SIZE; y++)
        for (int x = 0; x < SIZE; x++)
            assert_true(*gb_at(&examples.y, 1, y, x) == (float)(x < 3   ? GB_PART_HAIR
                                                                : x < 6 ? GB_PART_FACE
                                                                        : GB_PART_BACKGROUND));
    // The middle of pixel (3, 5) of 10 x 10 lies at (87.5, 137.5) of 250 x 250.
    assert_float_equal(gb_at(&examples.x, 0, 5, 3)[1], (225.0f / 4 + 30.0f) / 255.0f, 0.01f);
    gb_examples_free(&examples);
    free_splits(splits);
    assert_ok(load_lists("lists", splits));
    assert_int_equal(splits[GB_SPLIT_TRAIN].count, 1);
    assert_string_equal(splits[GB_SPLIT_TEST].names[0], "Cy_0001");
    free_splits(splits);
}

TEST(gives_examples_at_full_size) {
    struct gb_dataset splits[GB_SPLITS];
    assert_ok(load_lists(NULL, splits));
    const struct gb_dataset *origin = gb_dataset_origin(&splits[GB_SPLIT_TEST]);
    const struct gb_example_shape shape = gb_lfw_shape(GB_LFW_SIDE);
    const struct gb_random_key key = {0};
    struct gb_examples room;
    assert_ok(gb_examples_create(&room, 1, &shape));
    const struct gb_example example = gb_example_at(&room, 0);
    assert_ok(origin->fill(origin, 0, &key, &example));
    for (int x = 0; x < GB_LFW_SIDE; x++)
        assert_true(*gb_at(&example.y, 0, 200, x) == (float)(x < 75 ? 0 : x < 150 ? 1 : 2));
    assert_float_equal(gb_at(&example.x, 0, 100, 40)[2], (35.0f + 60.0f) / 255.0f, 0.02f);
    gb_examples_free(&room);
    free_splits(splits);
}

// Superpixel 0 as wide as the hair, and 7.
static void write_superpixels(const char *person) {
    char *text = malloc(GB_LFW_SIDE * GB_LFW_SIDE * 2 + 1), *at = text;
    assert_non_null(text);
    for (int i = 0; i < GB_LFW_SIDE * GB_LFW_SIDE; i++)
        at += sprintf(at, "%d%c", i % GB_LFW_SIDE < 75 ? 0 : 7,
                      i % GB_LFW_SIDE == GB_LFW_SIDE - 1 ? '\n' : ' ');
    gb_fixture_text(
        gb_fixture_name("parts_lfw_funneled_superpixels_mat/%s/%s_0001.dat", person, person), text);
    free(text);
}

TEST(reads_superpixels_where_they_are_given) {
    struct gb_dataset splits[GB_SPLITS];
    assert_ok(load_lists(NULL, splits));
    const struct gb_dataset *origin = gb_dataset_origin(&splits[GB_SPLIT_TEST]);
    struct gb_superpixels superpixels;
    assert_ok(gb_lfw_superpixels(origin, 1, &superpixels));
    assert_int_equal(superpixels.count, 0);
    write_superpixels("Cy");
    assert_ok(gb_lfw_superpixels(origin, 1, &superpixels));
    assert_int_equal(superpixels.count, 8);
    assert_int_equal(superpixels.labels[GB_LFW_SIDE - 1], 7);
    gb_superpixels_free(&superpixels);
    assert_error(gb_lfw_superpixels(origin, 0, &superpixels), GB_BAD_INPUT,
                 "Bo_van_der_Berg_0001.dat");
    free_splits(splits);
}

static void assert_bad(const char *lists, const char *where, const char *reason) {
    struct gb_dataset splits[GB_SPLITS];
    assert_not_loaded(load_lists(lists, splits), splits, where, reason);
}

TEST(reports_what_is_wrong_with_a_list) {
    static const char *const wrong[][2] = {
        {"Cy 1\nCy\n", "line 2: \"Cy\" is not a person and a number"},
        {"Cy one\n", "line 1: \"Cy one\" is not a person"},
        {"Cy 1 2\n", "is not a person"},
        {"Cy 12345\n", "is not a person"},
        {"Cy 1\n\nCy 3\n", "line 3: parts_lfw_funneled_gt_images has no Cy_0003.ppm"},
        {"Cy 1\nCy 0001\n", "line 2: Cy_0001.ppm is named twice"},
        {"Ann_Lee 1\n", "named twice"},
    };
    assert_bad("nowhere", "parts_train.txt", "No such file");
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        gb_fixture_text("lists/parts_test.txt", wrong[i][0]);
        assert_bad("lists", "parts_test.txt", wrong[i][1]);
    }
}

static int four_colours(int x, int y, int channel) {
    return x == 12 && y == 34 ? 10 + channel : bands(x, y, channel);
}

TEST(reports_what_is_wrong_with_a_face) {
    const char *label = "parts_lfw_funneled_gt_images/Ann_Lee_0001.ppm",
               *image = "lfw_funneled/Ann_Lee/Ann_Lee_0001.jpg";
    gb_fixture_pnm(label, GB_LFW_SIDE, GB_LFW_SIDE, '6', 255, four_colours);
    assert_bad(NULL, label, "column 12, row 34 is (10, 11, 12)");
    gb_fixture_pnm(label, GB_LFW_SIDE, GB_LFW_SIDE - 1, '6', 255, bands);
    assert_bad(NULL, label, "250 x 249 pixels are not 250 x 250");
    unlink(gb_fixture_path(label));
    assert_bad(NULL, "Ann_Lee_0001.ppm", "line 3");
    gb_fixture_pnm(label, GB_LFW_SIDE, GB_LFW_SIDE, '6', 255, bands);
    gb_fixture_jpeg(image, GB_LFW_SIDE / 2, GB_LFW_SIDE, 3, photograph);
    assert_bad(NULL, image, "125 x 250 pixels are not");
    unlink(gb_fixture_path(image));
    assert_bad(NULL, image, "No such file");
    rename(gb_fixture_path("parts_lfw_funneled_gt_images"), gb_fixture_path("elsewhere"));
    assert_bad(NULL, "parts_lfw_funneled_gt_images", "No such file");
}

TEST(reports_what_is_wrong_with_superpixels) {
    struct gb_dataset splits[GB_SPLITS];
    const char *file = "parts_lfw_funneled_superpixels_mat/Cy/Cy_0001.dat";
    write_superpixels("Bo_van_der_Berg");
    assert_bad(NULL, file, "No such file");
    write_superpixels("Cy");
    assert_ok(load_lists(NULL, splits)); // those of the training faces are not needed
    free_splits(splits);
    gb_fixture_truncate(file, 1000);
    assert_bad(NULL, file, "fewer than 250 lines");
}

GB_TEST(targets_are_one_channel_a_part) {
    float parts[4] = {GB_PART_FACE, GB_PART_HAIR, GB_PART_BACKGROUND, GB_PART_FACE};
    float target[12], picture[12], answer[12];
    const struct gb_tensor none = {0}, y = gb_dense(parts, 1, 2, 2, 1);
    const struct gb_tensor t = gb_dense(target, 1, 2, 2, 3), p = gb_dense(picture, 1, 2, 2, 3),
                           a = gb_dense(answer, 1, 2, 2, 3);
    gb_lfw.target(&none, &y, &t);
    const float expected[12] = {0, 1, 0, 1, 0, 0, 0, 0, 1, 0, 1, 0};
    assert_memory_equal(target, expected, sizeof expected);
    gb_lfw.to_image(&none, &t, &p);
    gb_lfw.postprocess(&none, &p, &a);
    assert_memory_equal(picture, answer, sizeof answer);
    float unsure[3] = {0.2f, 0.7f, 0.7f};
    const struct gb_tensor u = gb_dense(unsure, 1, 1, 1, 3), d = gb_dense(answer, 1, 1, 1, 3);
    gb_lfw.postprocess(&none, &u, &d);
    const float face[3] = {0.0f, 1.0f, 0.0f};
    assert_memory_equal(answer, face, sizeof face);
}

// What the task says of answers: the truth itself, or hair everywhere.
static json_t *score(struct gb_dataset splits[], bool truth) {
    const struct gb_dataset *test = &splits[GB_SPLIT_TEST];
    struct gb_selection all;
    struct gb_examples examples;
    assert_ok(gb_dataset_select(test, 0, &all));
    assert_ok(gb_dataset_gather(test, NULL, test->count, 0, 2, &examples));
    const struct gb_tensor *y = &examples.y;
    const struct gb_tensor answers =
        gb_dense(malloc(3 * gb_elements(y) * sizeof(float)), y->n, y->h, y->w, 3);
    assert_non_null(answers.data);
    gb_lfw.target(&examples.x, y, &answers);
    float *parts = answers.data;
    for (size_t i = 0; !truth && i < gb_elements(&answers); i++)
        parts[i] = i % 3 == GB_PART_HAIR;
    const struct scores scores = new_scores(test->count);
    const struct gb_predictions scored = {.train = &splits[GB_SPLIT_TRAIN],
                                          .test = test,
                                          .examples = &examples,
                                          .indices = all.indices,
                                          .predicted = &answers,
                                          .threads = 2};
    assert_ok(gb_lfw.score(&scored, scores.metrics, scores.per_image));
    const double first = metric(json_array_get(scores.per_image, 0), "superpixel_accuracy");
    assert_true((first > 0.9) == truth);
    free(answers.data);
    gb_examples_free(&examples);
    gb_selection_free(&all);
    json_decref(scores.per_image);
    return scores.metrics;
}

static const char *superpixels_of(const json_t *metrics) {
    return json_string_value(json_object_get(metrics, "superpixels"));
}

// Hair everywhere is right about one of two published superpixels, and of SLIC's about those in the
// left 75 of 250 columns.
TEST(scores_by_the_superpixels_that_are_given) {
    for (int given = 0; given < 2; given++) {
        if (given) {
            write_superpixels("Bo_van_der_Berg");
            write_superpixels("Cy");
        }
        struct gb_dataset splits[GB_SPLITS];
        assert_ok(load_lists(NULL, splits));
        json_t *metrics = score(splits, false);
        assert_string_equal(superpixels_of(metrics), given ? "published" : "slic");
        if (given)
            assert_true(metric(metrics, "superpixel_accuracy") == 0.5);
        else
            assert_in_range(100 * metric(metrics, "superpixel_accuracy"), 25, 35);
        json_decref(metrics);
        free_splits(splits);
    }
}

// Labels at the model's size lose what is finer than its pixels, and little else: of small
// superpixels along boundaries.
GB_TEST(scores_superpixels_at_full_size) {
    struct gb_dataset splits[GB_SPLITS];
    const struct gb_source source = {.size = 32, .threads = 2};
    assert_ok(gb_lfw.load(&source, splits));
    json_t *metrics = score(splits, true);
    assert_string_equal(superpixels_of(metrics), "slic");
    assert_true(metric(metrics, "pixel_accuracy") == 1.0);
    assert_true(metric(metrics, "mean_iou") == 1.0);
    assert_true(metric(metrics, "hair_iou") == 1.0);
    assert_in_range(1e4 * metric(metrics, "superpixel_accuracy"), 9900, 9990);
    assert_in_range(1e4 * metric(metrics, "trivial_superpixel_accuracy"), 7000, 7800);
    assert_true(metric(metrics, "trivial_mean_iou") < 0.5);
    json_decref(metrics);
    free_splits(splits);
}

GB_TEST(loads_the_published_data) {
    const char *directory =
        gb_real_data("lfw_parts", (const char *[]){"lfw_funneled.tar", "lfw_labels.tar.xz", NULL});
    if (!directory)
        skip();
    const struct gb_source source = {.directory = directory, .size = 32, .threads = 2};
    struct gb_dataset splits[GB_SPLITS];
    assert_ok(gb_lfw.load(&source, splits));
    assert_int_equal(splits[GB_SPLIT_TRAIN].count, 1500);
    assert_int_equal(splits[GB_SPLIT_TEST].count, 927);
    // Faces are aligned: blind prediction reaches 0.87.
    json_t *metrics = score(splits, true);
    assert_float_equal(metric(metrics, "superpixel_accuracy"), 0.992, 0.001);
    assert_float_equal(metric(metrics, "trivial_pixel_accuracy"), 0.871, 0.001);
    assert_float_equal(metric(metrics, "trivial_superpixel_accuracy"), 0.872, 0.001);
    json_decref(metrics);
    free_splits(splits);
}
