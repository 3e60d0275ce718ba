// SPDX-License-Identifier: MIT
#include <math.h>
#include <png.h>
#include <stdio.h>
#include <tiff.h>
#include <unistd.h>

#include "tasks/data/vessels_data.h"
#include "tasks/images/normalize_illumination.h"
#include "tasks/metrics/precision_recall.h"
#include "tasks/synthetic/fundus.h"
#include "tests/support/fixture.h"
#include "tests/support/real_data.h"
#include "tests/support/test.h"
#include "tests/tasks/loading.h"

// Published directories in small: images of W x H pixels whose vessels are columns. In the palette
// of the GIFs DARK and LIGHT are such places.
enum { W = 30, H = 20, DARK = 0, LIGHT = 20, UNKNOWN = -1 };

// Red in the middle, dark at the sides.
static int photograph(int x, int y, int channel) {
    return x < 5 || x >= 25 ? 4 : channel == 0 ? 150 : 40 + 2 * x + y;
}
static int first_column(int x, int y, int channel) {
    (void)y, (void)channel;
    return x >= 8 && x < 12 ? 255 : 0;
}
static int second_column(int x, int y, int channel) {
    (void)y, (void)channel;
    return x >= 10 && x < 14 ? 255 : 0;
}
static int first_places(int x, int y, int channel) {
    return first_column(x, y, channel) ? LIGHT : DARK;
}
static int second_places(int x, int y, int channel) {
    return second_column(x, y, channel) ? LIGHT : DARK;
}
static int field_places(int x, int y, int channel) {
    (void)channel;
    return x >= 2 && y >= 3 ? LIGHT : DARK;
}

static void write_chase(const char *stem) {
    gb_fixture_jpeg(gb_fixture_name("%s.jpg", stem), W, H, 3, photograph);
    gb_fixture_png(gb_fixture_name("%s_1stHO.png", stem), W, H, PNG_COLOR_TYPE_GRAY, 8, false,
                   first_column);
    gb_fixture_png(gb_fixture_name("%s_2ndHO.png", stem), W, H, PNG_COLOR_TYPE_GRAY, 8, false,
                   second_column);
}

static int setup_chase(void **state) {
    int failed = gb_fixture_setup(state);
    write_chase("Image_02L");
    write_chase("Image_10R");
    write_chase("Image_11L");
    gb_fixture_text("readme.txt", "not one of them");
    return failed;
}

#define CHASE(name) GB_TEST_WITH(name, setup_chase, gb_fixture_teardown)

static void write_drive(const char *half, int number, bool second) {
    gb_fixture_tiff(gb_fixture_name("%s/images/%02d_%s.tif", half, number, half), W, H,
                    PHOTOMETRIC_RGB, 3, 8, COMPRESSION_LZW, photograph);
    gb_fixture_gif(gb_fixture_name("%s/1st_manual/%02d_manual1.gif", half, number), W, H, false,
                   first_places);
    gb_fixture_gif(gb_fixture_name("%s/mask/%02d_%s_mask.gif", half, number, half), W, H, false,
                   field_places);
    if (second)
        gb_fixture_gif(gb_fixture_name("%s/2nd_manual/%02d_manual2.gif", half, number), W, H, false,
                       second_places);
}

static int setup_drive(void **state) {
    int failed = gb_fixture_setup(state);
    write_drive("training", 21, false);
    write_drive("training", 22, false);
    write_drive("test", 1, true);
    return failed;
}

#define DRIVE(name) GB_TEST_WITH(name, setup_drive, gb_fixture_teardown)

static enum gb_status load(const char *lists, int size, struct gb_dataset splits[]) {
    return load_fixture(gb_vessels_load, "", lists, size, splits);
}

// The first test example is the image, padded at the right and at the bottom.
static void assert_whole(const struct gb_dataset *test, int (*field)(int x, int y, int channel)) {
    assert_int_equal(test->shape.x_h, 32);
    assert_int_equal(test->shape.x_w, 32);
    assert_true(test->shape.masked);
    const float neutral = GB_LEVEL_NEUTRAL / 255.0f;
    struct gb_examples example = take_example(test, 0, 1, 0);
    for (int y = 0; y < 32; y++)
        for (int x = 0; x < 32; x++) {
            bool inside = x < W && y < H;
            assert_true(*gb_at(&example.y, 0, y, x) == (inside && first_column(x, y, 0) ? 1 : 0));
            int expected_field = inside ? field(x, y, 0) : 0;
            if (expected_field != UNKNOWN)
                assert_int_equal(*gb_at(&example.mask, 0, y, x), expected_field);
            if (!inside)
                assert_true(gb_at(&example.x, 0, y, x)[0] == neutral);
        }
    // Light that changes evenly is levelled.
    assert_float_equal(gb_at(&example.x, 0, 10, 15)[1], neutral, 0.015);
    const struct gb_vessel_image *image = gb_vessels_image(test, 0);
    assert_int_equal(image->second.w, W);
    for (int x = 0; x < W; x++)
        assert_int_equal(image->second.pixels[x], second_column(x, 0, 0));
    gb_examples_free(&example);
}

// The JPEG smears the edges of the field.
static int lit(int x, int y, int channel) {
    (void)y, (void)channel;
    bool edge = (x >= 2 && x < 8) || (x >= 22 && x < 28);
    return edge ? UNKNOWN : x >= 5 && x < 25;
}

CHASE(loads_chase) {
    struct gb_dataset splits[GB_SPLITS];
    assert_ok(load(NULL, 16, splits));
    assert_int_equal(splits[GB_SPLIT_TRAIN].count, 2);
    assert_string_equal(splits[GB_SPLIT_TRAIN].names[1], "Image_10R.jpg");
    assert_int_equal(splits[GB_SPLIT_TEST].count, 1);
    assert_string_equal(splits[GB_SPLIT_TEST].names[0], "Image_11L.jpg");
    assert_whole(&splits[GB_SPLIT_TEST], lit);
    free_splits(splits);
}

CHASE(reads_chase_in_other_formats) {
    struct gb_dataset splits[GB_SPLITS];
    assert_int_equal(rename(gb_fixture_path("Image_11L.jpg"), gb_fixture_path("Image_11L.TIF")), 0);
    assert_int_equal(
        rename(gb_fixture_path("Image_11L_1stHO.png"), gb_fixture_path("Image_11L_1stHO.gif")), 0);
    assert_ok(load(NULL, 16, splits));
    assert_string_equal(splits[GB_SPLIT_TEST].names[0], "Image_11L.TIF");
    assert_whole(&splits[GB_SPLIT_TEST], lit);
    free_splits(splits);
}

static int field_of_drive(int x, int y, int channel) {
    return field_places(x, y, channel) == LIGHT;
}

DRIVE(loads_drive) {
    struct gb_dataset splits[GB_SPLITS];
    assert_ok(load(NULL, 16, splits));
    assert_int_equal(splits[GB_SPLIT_TRAIN].count, 2);
    assert_string_equal(splits[GB_SPLIT_TRAIN].names[0], "21_training.tif");
    assert_null(gb_vessels_image(&splits[GB_SPLIT_TRAIN], 0)->second.pixels);
    assert_string_equal(splits[GB_SPLIT_TEST].names[0], "01_test.tif");
    assert_whole(&splits[GB_SPLIT_TEST], field_of_drive);
    free_splits(splits);
}

// Masks of 0 and 1.
static int first_one(int x, int y, int channel) {
    return first_column(x, y, channel) / 255;
}

CHASE(takes_masks_of_any_two_values) {
    struct gb_dataset splits[GB_SPLITS];
    static const char *const stems[] = {"Image_02L", "Image_10R", "Image_11L"};
    for (int i = 0; i < 3; i++)
        gb_fixture_png(gb_fixture_name("%s_1stHO.png", stems[i]), W, H, PNG_COLOR_TYPE_GRAY, 8,
                       false, first_one);
    assert_ok(load(NULL, 16, splits));
    assert_whole(&splits[GB_SPLIT_TEST], lit);
    free_splits(splits);
}

CHASE(takes_lists) {
    struct gb_dataset splits[GB_SPLITS];
    gb_fixture_text("lists/vessels_train.txt", "Image_11L.jpg\r\n");
    gb_fixture_text("lists/vessels_test.txt", "Image_10R.jpg\nImage_02L.jpg");
    assert_ok(load("lists", 16, splits));
    assert_string_equal(splits[GB_SPLIT_TRAIN].names[0], "Image_11L.jpg");
    assert_string_equal(splits[GB_SPLIT_TEST].names[0], "Image_10R.jpg");
    assert_string_equal(splits[GB_SPLIT_TEST].names[1], "Image_02L.jpg");
    free_splits(splits);
}

CHASE(crops_windows_by_key) {
    struct gb_dataset splits[GB_SPLITS];
    assert_ok(load(NULL, 16, splits));
    const struct gb_dataset *train = &splits[GB_SPLIT_TRAIN], *test = &splits[GB_SPLIT_TEST];
    assert_int_equal(train->shape.x_h, 16);
    assert_int_equal(train->shape.y_w, 16);
    // Test examples are the images, whatever the key.
    struct gb_examples drawn[] = {take_example(train, 0, 1, 7), take_example(train, 0, 1, 7),
                                  take_example(train, 0, 1, 8), take_example(test, 0, 1, 0),
                                  take_example(test, 0, 2, 5)};
    assert_true(same_values(&drawn[0].x, &drawn[1].x));
    assert_true(same_values(&drawn[0].y, &drawn[1].y));
    assert_false(same_values(&drawn[0].x, &drawn[2].x));
    assert_true(same_values(&drawn[3].x, &drawn[4].x));
    for (size_t i = 0; i < sizeof drawn / sizeof *drawn; i++)
        gb_examples_free(&drawn[i]);
    free_splits(splits);
    // A window larger than the padded image is the padded image.
    assert_ok(load(NULL, 1024, splits));
    assert_int_equal(splits[GB_SPLIT_TRAIN].shape.x_h, 32);
    assert_int_equal(splits[GB_SPLIT_TRAIN].shape.x_w, 32);
    free_splits(splits);
}

static void assert_bad(const char *lists, const char *where, const char *reason) {
    struct gb_dataset splits[GB_SPLITS];
    assert_not_loaded(load(lists, 16, splits), splits, where, reason);
}

CHASE(reports_what_is_wrong_with_chase) {
    gb_fixture_png("Image_11L_2ndHO.png", W + 1, H, PNG_COLOR_TYPE_GRAY, 8, false, second_column);
    assert_bad(NULL, "Image_11L_2ndHO.png", "31 x 20 pixels");
    unlink(gb_fixture_path("Image_11L_2ndHO.png"));
    assert_bad(NULL, "Image_11L_2ndHO.png", "No such file");
    write_chase("Image_11L");
    gb_fixture_jpeg("Image_10R.jpg", W, H + 1, 3, photograph);
    gb_fixture_png("Image_10R_1stHO.png", W, H + 1, PNG_COLOR_TYPE_GRAY, 8, false, first_column);
    gb_fixture_png("Image_10R_2ndHO.png", W, H + 1, PNG_COLOR_TYPE_GRAY, 8, false, first_column);
    assert_bad(NULL, "Image_10R.jpg", "30 x 21 pixels");
    write_chase("Image_10R");
    static const char *const misnamed[] = {"Picture.jpg", "Image_-1L.jpg", "Image_+1L.jpg",
                                           "Image_ 1L.jpg", "Image_01L.png.jpg"};
    for (size_t i = 0; i < sizeof misnamed / sizeof *misnamed; i++) {
        gb_fixture_jpeg(misnamed[i], W, H, 3, photograph);
        assert_bad(NULL, misnamed[i], "not named like");
        unlink(gb_fixture_path(misnamed[i]));
    }
    unlink(gb_fixture_path("Image_11L.jpg"));
    assert_bad(NULL, gb_fixture_path(""), "no image is left for the test split");
    unlink(gb_fixture_path("Image_10R.jpg"));
    unlink(gb_fixture_path("Image_02L.jpg"));
    assert_bad(NULL, gb_fixture_path(""), ".jpg");
}

static int unlit(int x, int y, int channel) {
    return (x + y + channel) % 5;
}

CHASE(refuses_an_empty_field_of_view) {
    gb_fixture_jpeg("Image_11L.jpg", W, H, 3, unlit);
    assert_bad(NULL, "Image_11L.jpg", "field of view is empty");
}

DRIVE(reads_drive_in_other_formats) {
    struct gb_dataset splits[GB_SPLITS];
    assert_int_equal(rename(gb_fixture_path("test/images/01_test.tif"),
                            gb_fixture_path("test/images/01_test.png")),
                     0);
    assert_int_equal(rename(gb_fixture_path("test/mask/01_test_mask.gif"),
                            gb_fixture_path("test/mask/01_test_mask.png")),
                     0);
    assert_ok(load(NULL, 16, splits));
    assert_string_equal(splits[GB_SPLIT_TEST].names[0], "01_test.png");
    assert_whole(&splits[GB_SPLIT_TEST], field_of_drive);
    free_splits(splits);
}

DRIVE(reports_what_is_wrong_with_drive) {
    unlink(gb_fixture_path("training/mask/22_training_mask.gif"));
    assert_bad(NULL, "22_training_mask.gif", "No such file");
    write_drive("training", 22, false);
    unlink(gb_fixture_path("test/2nd_manual/01_manual2.gif"));
    assert_bad(NULL, "01_manual2.gif", "No such file");
    write_drive("test", 1, true);
    rename(gb_fixture_path("test/1st_manual"), gb_fixture_path("elsewhere"));
    assert_bad(NULL, gb_fixture_path(""), "has no test/1st_manual: DRIVE is distributed without");
    gb_fixture_directory("test/1st_manual");
    assert_bad(NULL, gb_fixture_path(""), "has no images in test/1st_manual: DRIVE is distributed");
    // Lists of the training images do without the test images.
    struct gb_dataset splits[GB_SPLITS];
    rename(gb_fixture_path("test"), gb_fixture_path("no_test"));
    assert_bad(NULL, gb_fixture_path(""), "has no test/images: DRIVE is distributed without");
    gb_fixture_text("lists/vessels_train.txt", "21_training.tif\n");
    gb_fixture_text("lists/vessels_test.txt", "22_training.tif\n");
    assert_ok(load("lists", 16, splits));
    assert_string_equal(splits[GB_SPLIT_TEST].names[0], "22_training.tif");
    free_splits(splits);
    rename(gb_fixture_path("no_test"), gb_fixture_path("test"));
    unlink(gb_fixture_path("test/images/01_test.tif"));
    assert_bad(NULL, "test/images", ".tif");
}

// Others as tests/tasks/test_lists.c.
CHASE(reports_what_is_wrong_with_lists) {
    gb_fixture_directory("lists");
    assert_bad("lists", "vessels_train.txt", "No such file");
    gb_fixture_text("lists/vessels_train.txt", "Image_02L.jpg\n");
    gb_fixture_text("lists/vessels_test.txt", "Image_02L.jpg\n");
    assert_bad("lists", "vessels_test.txt", "Image_02L.jpg is named twice");
}

// The second observer's F-score inside the field, and the mean shares of field and vessels there.
struct census {
    double f_score, field, vessels;
};

static struct census count(const struct gb_dataset *set) {
    struct gb_detections detections = {0};
    double inside = 0, pixels = 0, ones = 0;
    for (int i = 0; i < set->count; i++) {
        const struct gb_vessel_image *image = gb_vessels_image(set, i);
        for (int p = 0; p < image->image.w * image->image.h; p++, pixels++) {
            if (!image->field.pixels[p])
                continue;
            bool truth = image->vessels.pixels[p], answer = image->second.pixels[p];
            inside++;
            ones += truth;
            detections.right += truth && answer;
            detections.wrong += !truth && answer;
            detections.missed += truth && !answer;
        }
    }
    return (struct census){gb_pr_point_of(&detections).f_score, inside / pixels, ones / inside};
}

GB_TEST(loads_the_published_data) {
    const char *directory = gb_real_data("chase_db1", (const char *[]){"chase_db1.tar", NULL});
    if (!directory)
        skip();
    const struct gb_source source = {.directory = directory, .size = 128, .threads = 2};
    struct gb_dataset splits[GB_SPLITS];
    assert_ok(gb_vessels_load(&source, splits));
    assert_int_equal(splits[GB_SPLIT_TRAIN].count, 20);
    assert_int_equal(splits[GB_SPLIT_TEST].count, 8);
    assert_int_equal(splits[GB_SPLIT_TEST].shape.x_h, 960);
    assert_int_equal(splits[GB_SPLIT_TEST].shape.x_w, 1008);
    struct census test = count(&splits[GB_SPLIT_TEST]);
    assert_float_equal(test.field, 0.693, 0.005);
    assert_float_equal(test.vessels, 0.091, 0.003);
    assert_float_equal(test.f_score, 0.797, 0.005);
    free_splits(splits);
}

// ---- the synthetic set ----

static uint64_t hash(const struct gb_image *image) {
    return gb_fixture_hash(image->pixels, (size_t)(image->w * image->h * image->c));
}

// A checkpoint's scores mean something only on the data that it was trained for, so a change of
// these bits is a change of the data set.
GB_TEST(generates_the_same_bits_everywhere) {
    struct gb_vessel_image picture;
    assert_ok(gb_fundus_draw(GB_SYNTHETIC_SEED, 5, 64, &picture));
    assert_int_equal(hash(&picture.image), UINT64_C(0x3bacb599c9169aa7));
    assert_int_equal(hash(&picture.vessels), UINT64_C(0x3ec3575fbd151022));
    assert_int_equal(hash(&picture.second), UINT64_C(0x9eab16acebff5a34));
    gb_vessel_image_clear(&picture);
}

// The best F-score of a threshold on the green channel: vessels are what is darker, or brighter,
// than it.
static double best_threshold(const struct gb_vessel_image *pictures, int count, bool darker) {
    double best = 0;
    for (int level = 5; level < 250; level += 5) {
        struct gb_detections detections = {0};
        for (int i = 0; i < count; i++)
            for (int p = 0; p < pictures[i].image.w * pictures[i].image.h; p++) {
                int green = pictures[i].image.pixels[3 * p + 1];
                bool truth = pictures[i].vessels.pixels[p];
                bool answer = darker ? green < level : green > level;
                if (!pictures[i].field.pixels[p])
                    continue;
                detections.right += truth && answer;
                detections.wrong += !truth && answer;
                detections.missed += truth && !answer;
            }
        best = fmax(best, gb_pr_point_of(&detections).f_score);
    }
    return best;
}

// About a tenth of the field is vessel, the second observer agrees as people do, and no threshold
// on the green channel finds the vessels (F-score 0.24 measured; vessel everywhere reaches 0.19),
// not even where the light is levelled (0.53).
GB_TEST(generates_a_task_worth_learning) {
    enum { COUNT = 40, S = 128 };
    const struct gb_source source = {.size = S, .threads = 2};
    struct gb_dataset splits[GB_SPLITS];
    struct gb_vessel_image raw[COUNT];
    assert_ok(gb_fundus_load(1, S, COUNT, 1, &source, splits));
    for (int i = 0; i < COUNT; i++)
        assert_ok(gb_fundus_draw(1, (uint32_t)i, S, &raw[i]));
    const struct gb_dataset *train = &splits[GB_SPLIT_TRAIN];
    struct census all = count(train);
    assert_float_equal(all.field, 0.694, 0.01);
    assert_float_equal(all.vessels, 0.105, 0.015);
    assert_float_equal(all.f_score, 0.875, 0.03);
    assert_true(best_threshold(raw, COUNT, true) < 0.3);
    assert_true(best_threshold(gb_vessels_image(train, 0), COUNT, false) < 0.6);
    for (int i = 0; i < COUNT; i++)
        gb_vessel_image_clear(&raw[i]);
    free_splits(splits);
}
