// SPDX-License-Identifier: MIT
#include <png.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tasks/data/horses_data.h"
#include "tasks/metrics/metrics.h"
#include "tasks/synthetic/synthetic_horses.h"
#include "tests/support/fixture.h"
#include "tests/support/real_data.h"
#include "tests/support/test.h"
#include "tests/tasks/loading.h"

static int photograph(int x, int y, int channel) {
    return 60 + 2 * x + y + 20 * channel;
}
static int black(int x, int y, int channel) {
    return (x + y + channel) % 3;
}
// The left half is horse, and what lies left of the middle by more than a pixel's blur stays so.
static int left_half(int x, int y, int channel) {
    (void)y, (void)channel;
    return x < 20 ? 255 : 0;
}

enum { HORSES = 5, SIZE = 8 };

static void write_pair(const char *name, int (*image)(int, int, int)) {
    gb_fixture_jpeg(gb_fixture_name("rgb/%s", name), 60, 45, 3, image);
    gb_fixture_jpeg(gb_fixture_name("figure_ground/%s", name), 40, 30, 3,
                    left_half); // another size, the same shape
}

// A published directory in small: horse1 ... horse5, of which horse4 is black, and lists that are
// fine.
static int setup(void **state) {
    int failed = gb_fixture_setup(state);
    for (int i = 1; i <= HORSES; i++)
        write_pair(gb_fixture_name("horse%d.jpg", i), i == 4 ? black : photograph);
    gb_fixture_text("rgb/Thumbs.db", "not one of them");
    gb_fixture_text("lists/horses_train.txt", "horse5.jpg\r\n\nhorse1.jpg\n");
    gb_fixture_text("lists/horses_test.txt", "horse3.jpg"); // no newline at the end
    return failed;
}

#define TEST(name) GB_TEST_WITH(name, setup, gb_fixture_teardown)

static enum gb_status load_lists(const char *lists, struct gb_dataset splits[]) {
    return load_fixture(gb_horses_load, "", lists, SIZE, splits);
}

TEST(loads_what_the_lists_name) {
    struct gb_dataset splits[GB_SPLITS];
    assert_ok(load_lists("lists", splits));
    const struct gb_dataset *train = &splits[GB_SPLIT_TRAIN], *test = &splits[GB_SPLIT_TEST];
    assert_int_equal(train->count, 2);
    assert_string_equal(train->names[0], "horse5.jpg");
    assert_string_equal(train->names[1], "horse1.jpg");
    assert_int_equal(test->count, 1);
    assert_string_equal(test->names[0], "horse3.jpg");
    assert_int_equal(train->shape.x_h, SIZE);
    assert_int_equal(train->shape.x_c, 3);
    assert_int_equal(train->shape.y_c, 1);
    for (int y = 0; y < SIZE; y++)
        for (int x = 0; x < SIZE; x++)
            assert_true(*gb_at(&gb_dataset_held(train)->y, 1, y, x) ==
                        (x < SIZE / 2 ? 1.0f : 0.0f));
    // The middle of pixel (3, 5) of 8 x 8 lies at (26.25, 30.94) of 60 x 45.
    float expected = (60.0f + 2.0f * 25.75f + 30.44f + 20.0f) / 255.0f;
    assert_float_equal(gb_at(&gb_dataset_held(train)->x, 0, 5, 3)[1], expected, 0.02f);
    free_splits(splits);
}

static void assert_bad(const char *lists, const char *where, const char *reason) {
    struct gb_dataset splits[GB_SPLITS];
    assert_not_loaded(load_lists(lists, splits), splits, where, reason);
}

static int foreground_one(int x, int y, int channel) {
    return left_half(x, y, channel) / 255;
}

static int nothing(int x, int y, int channel) {
    (void)x, (void)y, (void)channel;
    return 0;
}

TEST(takes_masks_of_any_two_values) {
    struct gb_dataset splits[GB_SPLITS], ones[GB_SPLITS];
    assert_ok(load_lists("lists", splits));
    for (int i = 1; i <= HORSES; i++)
        gb_fixture_png(gb_fixture_name("figure_ground/horse%d.jpg", i), 40, 30, PNG_COLOR_TYPE_GRAY,
                       8, false, foreground_one);
    assert_ok(load_lists("lists", ones));
    for (int split = 0; split < GB_SPLITS; split++)
        assert_true(
            same_values(&gb_dataset_held(&splits[split])->y, &gb_dataset_held(&ones[split])->y));
    free_splits(splits);
    free_splits(ones);
    gb_fixture_png("figure_ground/horse3.jpg", 40, 30, PNG_COLOR_TYPE_GRAY, 8, false, nothing);
    assert_bad("lists", "figure_ground", "the masks of the test split are all background");
}

TEST(reads_other_formats) {
    struct gb_dataset splits[GB_SPLITS], others[GB_SPLITS];
    assert_ok(load_lists(NULL, splits));
    assert_int_equal(rename(gb_fixture_path("figure_ground/horse3.jpg"),
                            gb_fixture_path("figure_ground/horse3.PNG")),
                     0);
    assert_int_equal(rename(gb_fixture_path("rgb/horse5.jpg"), gb_fixture_path("rgb/horse5.tif")),
                     0); // formats go by content
    assert_ok(load_lists(NULL, others));
    for (int split = 0; split < GB_SPLITS; split++) {
        const struct gb_examples *held = gb_dataset_held(&splits[split]);
        assert_int_equal(splits[split].count, others[split].count);
        assert_true(same_values(&held->x, &gb_dataset_held(&others[split])->x));
        assert_true(same_values(&held->y, &gb_dataset_held(&others[split])->y));
    }
    free_splits(splits);
    free_splits(others);
    write_pair("horse5.jpg", photograph);
    assert_bad(NULL, "rgb", "horse5.jpg and horse5.tif are named alike");
}

TEST(splits_by_seed_and_leaves_black_out) {
    struct gb_dataset splits[GB_SPLITS], again[GB_SPLITS];
    assert_ok(load_lists(NULL, splits));
    assert_ok(load_lists(NULL, again));
    assert_int_equal(splits[GB_SPLIT_TRAIN].count, 3);
    assert_int_equal(splits[GB_SPLIT_TEST].count, 1);
    int seen[HORSES + 1] = {0};
    for (int split = 0; split < GB_SPLITS; split++)
        for (int i = 0; i < splits[split].count; i++) {
            assert_string_equal(splits[split].names[i], again[split].names[i]);
            seen[splits[split].names[i][5] - '0']++;
        }
    for (int i = 1; i <= HORSES; i++)
        assert_int_equal(seen[i], i != 4);
    free_splits(splits);
    free_splits(again);
    gb_fixture_text("lists/horses_test.txt", "horse4.jpg\nhorse3.jpg\n");
    assert_ok(load_lists("lists", splits));
    assert_int_equal(splits[GB_SPLIT_TEST].count, 1);
    free_splits(splits);
}

// Others as tests/tasks/test_lists.c.
TEST(reports_what_is_wrong_with_a_list) {
    assert_bad("nowhere", "horses_train.txt", "No such file");
    gb_fixture_text("lists/horses_test.txt", "horse3.jpg\nhorse5.jpg\n");
    assert_bad("lists", "horses_test.txt: line 2: horse5.jpg", "twice");
    gb_fixture_text("lists/horses_test.txt", "horse4.jpg\n");
    assert_bad("lists", "test split", "no usable image");
}

TEST(reports_what_is_wrong_with_a_pair) {
    gb_fixture_jpeg("figure_ground/horse5.jpg", 40, 31, 1, left_half);
    assert_bad("lists", "figure_ground/horse5.jpg", "not the shape");
    gb_fixture_jpeg("figure_ground/horse5.jpg", 30, 40, 1, left_half);
    assert_bad("lists", "figure_ground/horse5.jpg", "rotated by 90 degrees");
    unlink(gb_fixture_path("figure_ground/horse5.jpg"));
    assert_bad("lists", "figure_ground/horse5.jpg", "No such file");
    write_pair("horse5.jpg", photograph);
    gb_fixture_truncate("rgb/horse1.jpg", 700);
    assert_bad("lists", "rgb/horse1.jpg", "truncated");
}

TEST(reports_what_is_wrong_with_the_directory) {
    for (int i = 1; i <= HORSES; i++) {
        if (i == HORSES) // one image alone makes no two splits
            assert_bad(NULL, gb_fixture_path(""), "no usable image");
        unlink(gb_fixture_path(gb_fixture_name("rgb/horse%d.jpg", i)));
    }
    assert_bad(NULL, "rgb", "holds no .png .jpg ");
    rename(gb_fixture_path("figure_ground"), gb_fixture_path("elsewhere"));
    assert_bad(NULL, "figure_ground", "No such file");
    rename(gb_fixture_path("elsewhere"), gb_fixture_path("figure_ground"));
    unlink(gb_fixture_path("rgb/Thumbs.db"));
    rmdir(gb_fixture_path("rgb"));
    assert_bad(NULL, "rgb", "No such file");
}

// Any two directories, and images that are not square: three of four usable ones train.
TEST(loads_images_and_masks_of_ones_own) {
    struct gb_source source = {.directory = gb_fixture_path("rgb"),
                               .masks = gb_fixture_path("figure_ground"),
                               .size = SIZE,
                               .width = 2 * SIZE,
                               .threads = 2};
    struct gb_dataset splits[GB_SPLITS];
    assert_ok(gb_horses_load(&source, splits));
    assert_int_equal(splits[GB_SPLIT_TRAIN].count, 3);
    assert_int_equal(splits[GB_SPLIT_TEST].count, 1);
    const struct gb_examples *train = gb_dataset_held(&splits[GB_SPLIT_TRAIN]);
    assert_int_equal(train->x.h, SIZE);
    assert_int_equal(train->x.w, 2 * SIZE);
    for (int i = 0; i < train->count; i++)
        for (int x = 0; x < 2 * SIZE; x++)
            assert_true(*gb_at(&train->y, i, 3, x) == (x < SIZE ? 1.0f : 0.0f));
    free_splits(splits);
    source.masks = gb_fixture_path("lists");
    assert_error(gb_horses_load(&source, splits), GB_BAD_INPUT, "holds no");
}

static bool holds(const struct gb_dataset *dataset, const char *name) {
    for (int i = 0; i < dataset->count; i++)
        if (strcmp(dataset->names[i], name) == 0)
            return true;
    return false;
}

GB_TEST(loads_the_published_data) {
    const char *directory =
        gb_real_data("weizmann_horse", (const char *[]){"weizmann_horse.tar", NULL});
    const char *lists = gb_shared_data("splits");
    if (!directory)
        skip();
    for (int with_lists = lists ? 1 : 0; with_lists >= 0; with_lists--) {
        struct gb_source source = {.directory = directory,
                                   .split_directory = with_lists ? lists : NULL,
                                   .size = 32,
                                   .threads = 2};
        struct gb_dataset splits[GB_SPLITS];
        assert_ok(gb_horses_load(&source, splits));
        assert_int_equal(splits[GB_SPLIT_TRAIN].count, 200);
        assert_int_equal(splits[GB_SPLIT_TEST].count, 127);
        assert_false(holds(&splits[GB_SPLIT_TRAIN], "horse318.jpg"));
        assert_false(holds(&splits[GB_SPLIT_TEST], "horse318.jpg"));
        // A quarter of the pixels is horse, in the middle: what blind predictors reach.
        float mean[32 * 32];
        struct gb_trivial_scores scores;
        gb_most_frequent(&gb_dataset_held(&splits[GB_SPLIT_TRAIN])->y, 2, mean);
        gb_score_trivial(mean, &gb_dataset_held(&splits[GB_SPLIT_TEST])->y, &scores);
        assert_float_equal(scores.background.pixel_accuracy, 0.755, 0.015);
        assert_float_equal(scores.mean_mask.mean_iou, 0.67, 0.02);
        free_splits(splits);
    }
}

// A checkpoint's scores mean something only on the data that it was trained for, so a change of
// these bits is a change of the data set.
GB_TEST(generates_the_same_bits_everywhere) {
    struct gb_dataset splits[GB_SPLITS];
    assert_ok(gb_synthetic_horses_load(GB_SYNTHETIC_SEED, 32, 6, 1, 1, splits));
    const struct gb_example e = gb_example_at(gb_dataset_held(&splits[GB_SPLIT_TRAIN]), 5);
    const size_t pixels = 32 * 32 * sizeof(float);
    assert_string_equal(splits[GB_SPLIT_TRAIN].names[5], "synthetic0000005");
    assert_int_equal(gb_fixture_hash(e.x.data, 3 * pixels), UINT64_C(0x4b57952a054e0bbc));
    assert_int_equal(gb_fixture_hash(e.y.data, pixels), UINT64_C(0x9ee6876bf8420b55));
    free_splits(splits);
}

// The horse is whole, of a sensible size, the same at every resolution, and not found by the best
// brightness threshold (mean IoU 0.43 measured; blind prediction reaches 0.55).
GB_TEST(generates_a_task_worth_learning) {
    struct gb_dataset coarse[GB_SPLITS], fine[GB_SPLITS];
    assert_ok(gb_synthetic_horses_load(1, 32, 60, 1, 2, coarse));
    assert_ok(gb_synthetic_horses_load(1, 64, 60, 1, 2, fine));
    const struct gb_examples *train = gb_dataset_held(&coarse[GB_SPLIT_TRAIN]),
                             *finer = gb_dataset_held(&fine[GB_SPLIT_TRAIN]);
    for (int i = 0; i < train->count; i++) {
        int pixels = 0, apart = 0;
        for (int y = 0; y < 32; y++)
            for (int x = 0; x < 32; x++) {
                float value = *gb_at(&train->y, i, y, x);
                assert_true(value == 0.0f || value == 1.0f);
                pixels += value == 1.0f;
                apart += value != *gb_at(&finer->y, i, 2 * y, 2 * x);
                for (int c = 0; c < 3; c++)
                    assert_in_range(255.0f * gb_at(&train->x, i, y, x)[c], 0, 255);
            }
        assert_in_range(pixels, 60, 600);
        assert_true(apart < pixels / 2); // boundaries only
    }
    static float prediction[60 * 32 * 32];
    struct gb_tensor p = gb_dense(prediction, 60, 32, 32, 1);
    for (int level = 1; level < 20; level++)
        for (int brighter = 0; brighter < 2; brighter++) {
            const float *x = train->x.data;
            for (int i = 0; i < 60 * 32 * 32; i++)
                prediction[i] =
                    (x[3 * i] + x[3 * i + 1] + x[3 * i + 2] > 0.15f * level) == brighter;
            struct gb_mask_scores scores;
            gb_score_masks(&train->y, &p, &scores, NULL);
            assert_true(scores.mean_iou < 0.5);
        }
    free_splits(coarse);
    free_splits(fine);
}
