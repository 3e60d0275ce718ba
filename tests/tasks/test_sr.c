// SPDX-License-Identifier: MIT
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tasks/data/sr_data.h"
#include "tasks/data/sr_files.h"
#include "tasks/images/resize.h"
#include "tasks/metrics/super_resolution.h"
#include "tasks/prediction/predictor.h"
#include "tests/support/fixture.h"
#include "tests/support/real_data.h"
#include "tests/support/test.h"
#include "tests/tasks/loading.h"
#include "tests/tasks/npz_archive.h"
#include "tests/tasks/untrained.h"

enum { SIZE = 16 };
static const struct gb_task *task;

static int photograph(int x, int y, int channel) {
    return (5 * x + 3 * y + x * y / 8 + 40 * channel) % 256;
}

static int other(int x, int y, int channel) {
    return (7 * x + 2 * y + 90 * channel) % 256;
}

static int bird(int x, int y, int channel) {
    return (3 * x + 7 * y + x * y / 5 + 60 * channel) % 256;
}

static int grey(int x, int y, int channel) {
    (void)channel;
    return (3 * x + 5 * y) % 256;
}

// Two formats, sides odd and even, a directory in the directory.
static void write_photographs(const char *directory) {
    gb_fixture_png(gb_fixture_name("%s/a.png", directory), 41, 33, 2 /* RGB */, 8, false,
                   photograph);
    gb_fixture_pnm(gb_fixture_name("%s/b.ppm", directory), 24, 40, '6', 255, other);
    gb_fixture_pnm(gb_fixture_name("%s/sub/c.pgm", directory), 30, 30, '5', 255, grey);
    gb_fixture_text(gb_fixture_name("%s/notes.txt", directory), "not one of them");
}

// Two directories as --data takes them.
static const char *joined(const char *a, const char *b) {
    return gb_fixture_name("%s:%s", gb_fixture_path(a), gb_fixture_path(b));
}

static enum gb_status load(const char *directory, const char *lists, struct gb_dataset splits[]) {
    const struct gb_source source = {
        .directory = directory, .split_directory = lists, .size = SIZE, .threads = 2};
    return gb_sr_load(&source, splits);
}

static void assert_refused(const char *directory, const char *lists, const char *reason) {
    struct gb_dataset splits[GB_SPLITS];
    assert_error(load(directory, lists, splits), GB_BAD_INPUT, reason);
    assert_int_equal(splits[GB_SPLIT_TRAIN].count + splits[GB_SPLIT_TEST].count, 0);
}

// ---- Where images come from ----

GB_FIXTURE_TEST(holds_out_some_of_a_directory) {
    write_photographs("photos");
    struct gb_dataset splits[GB_SPLITS];
    assert_ok(load(gb_fixture_path("photos"), NULL, splits));
    const struct gb_dataset *train = &splits[GB_SPLIT_TRAIN], *test = &splits[GB_SPLIT_TEST];
    assert_int_equal(train->count, 2);
    assert_string_equal(train->names[0], "a.png");
    assert_string_equal(train->names[1], "b.ppm");
    assert_int_equal(test->count, 1);
    assert_string_equal(test->names[0], "held-out/sub/c.pgm");
    struct gb_examples whole = take_example(test, 0, 5, 0);
    assert_int_equal(whole.y.h, 30);
    assert_int_equal(whole.x.w, 15);
    for (int c = 0; c < 3; c++)
        assert_true(gb_at(&whole.y, 0, 7, 4)[c] == (float)grey(4, 7, c) / 256);
    gb_examples_free(&whole);
    free_splits(splits);
}

GB_FIXTURE_TEST(joins_directories_and_finds_test_sets) {
    write_photographs("photos");
    gb_fixture_directory("sets/Set5_LR");
    gb_fixture_png("sets/Set5/bird.png", 37, 29, 2, 8, false, photograph);
    struct gb_dataset splits[GB_SPLITS];
    assert_ok(load(joined("photos", "sets"), NULL, splits));
    assert_int_equal(splits[GB_SPLIT_TRAIN].count, 3);
    assert_string_equal(splits[GB_SPLIT_TRAIN].names[2], "sub/c.pgm");
    assert_int_equal(splits[GB_SPLIT_TEST].count, 1);
    assert_string_equal(splits[GB_SPLIT_TEST].names[0], "Set5/bird.png");
    const struct gb_example_shape shape = gb_dataset_shape(&splits[GB_SPLIT_TEST], 0);
    assert_int_equal(shape.y_w, 36); // cut to even sides
    assert_int_equal(shape.y_h, 28);
    free_splits(splits);
    // The test sets alone, found in a directory of directories, train nothing.
    assert_ok(load(gb_fixture_path("sets"), NULL, splits));
    assert_int_equal(splits[GB_SPLIT_TRAIN].count, 0);
    assert_int_equal(splits[GB_SPLIT_TEST].count, 1);
    free_splits(splits);
}

static void write_bsds500(void) {
    gb_fixture_jpeg("bsds/images/train/1.jpg", 48, 32, 3, photograph);
    gb_fixture_jpeg("bsds/images/test/2.jpg", 32, 48, 3, photograph);
    gb_fixture_jpeg("bsds/images/val/3.jpg", 48, 32, 3, other);
    gb_fixture_jpeg("bsds/images/val/4.jpg", 48, 32, 3, other);
}

GB_FIXTURE_TEST(never_trains_on_val) {
    write_bsds500();
    gb_fixture_text("lists/bsd100.txt", "4.jpg\r\n");
    for (int listed = 0; listed < 2; listed++) {
        struct gb_dataset splits[GB_SPLITS];
        assert_ok(load(gb_fixture_path("bsds"), listed ? gb_fixture_path("lists") : NULL, splits));
        const struct gb_dataset *test = &splits[GB_SPLIT_TEST];
        assert_int_equal(splits[GB_SPLIT_TRAIN].count, 2);
        assert_string_equal(splits[GB_SPLIT_TRAIN].names[0], "train/1.jpg");
        assert_string_equal(splits[GB_SPLIT_TRAIN].names[1], "test/2.jpg");
        assert_int_equal(test->count, listed ? 1 : 2);
        assert_string_equal(test->names[test->count - 1], "BSD100/val/4.jpg");
        free_splits(splits);
    }
    gb_fixture_text("lists/bsd100.txt", "5.jpg\n");
    assert_refused(gb_fixture_path("bsds"), gb_fixture_path("lists"), "5.jpg");
    gb_fixture_directory("empty");
    assert_refused(gb_fixture_path("bsds"), gb_fixture_path("empty"), "bsd100.txt");
}

GB_FIXTURE_TEST(takes_a_test_set_once) {
    write_bsds500();
    gb_fixture_png("sets/Set5/a.png", 37, 29, 2, 8, false, photograph);
    gb_fixture_png("sets/BSD100/4.png", 48, 32, 2, 8, false, other);
    assert_refused(joined("bsds", "sets"), NULL,
                   "the test set BSD100 is in two of its directories");
    struct gb_dataset splits[GB_SPLITS];
    assert_ok(load(joined("sets", "sets"), NULL, splits)); // one directory
    assert_int_equal(splits[GB_SPLIT_TEST].count, 2);
    free_splits(splits);
}

static char noted[2048]; // the lines of a load

static void note(const char *line) {
    const size_t used = strlen(noted);
    snprintf(noted + used, sizeof noted - used, "%s\n", line);
}

static enum gb_status load_noted(const char *directory, struct gb_dataset splits[]) {
    const struct gb_source source = {
        .directory = directory, .size = SIZE, .threads = 2, .note = note};
    noted[0] = 0;
    return gb_sr_load(&source, splits);
}

// Sets as their publishers and the authors of EDSR, SelfExSR and BasicSR lay them out, and as users
// name them. Each directory also holds an image to train on, low resolutions, and what other
// systems leave.
GB_FIXTURE_TEST(recognises_test_sets) {
    static const struct {
        const char *image, *root, *name, *line;
    } layouts[] = {
        {"Set5/a.png", "/Set5", "Set5/a.png", "training images: 0; test images: Set5 (1)"},
        {"Set5/a.png", "/Set5/", "Set5/a.png", "training images: 0; test images: Set5 (1)"},
        {"set5/a.png", "", "Set5/a.png", "training images: 1; test images: Set5 (1)"},
        {"Set5/HR/a.png", "", "Set5/a.png", "training images: 1; test images: Set5 (1)"},
        {"Set5/HR/a.png", "/Set5", "Set5/a.png", "training images: 0; test images: Set5 (1)"},
        {"Set14/original/a.png", "", "Set14/a.png", "training images: 1; test images: Set14 (1)"},
        {"Set14/GTmod12/a.png", "", "Set14/a.png", "training images: 1; test images: Set14 (1)"},
        {"Set5/image_SRF_2/a_HR.png", "", "Set5/a_HR.png",
         "training images: 1; test images: Set5 (1)"},
        {"benchmark/B100/HR/a.png", "", "BSD100/a.png",
         "training images: 1; test images: BSD100 (1)"},
        {"a/b/URBAN100/a.png", "", "Urban100/a.png",
         "training images: 1; test images: Urban100 (1)"},
        {"Set5_HR/a.png", "", "Set5/a.png", "training images: 1; test images: Set5 (1)"},
        {"HR/Set5/x2/a.png", "", "Set5/a.png", "training images: 1; test images: Set5 (1)"},
        {"DIV2K/DIV2K_valid_HR/a.png", "", "DIV2K/a.png",
         "training images: 1; test images: DIV2K (1)"},
    };
    for (size_t i = 0; i < sizeof layouts / sizeof *layouts; i++) {
        const char *root = gb_fixture_name("%zu", i);
        char directory[64];
        snprintf(directory, sizeof directory, "%.*s",
                 (int)(strrchr(layouts[i].image, '/') - layouts[i].image), layouts[i].image);
        gb_fixture_png(gb_fixture_name("%s/%s", root, layouts[i].image), 37, 29, 2, 8, false, bird);
        gb_fixture_png(gb_fixture_name("%s/photos/p.png", root), 32, 32, 2, 8, false, photograph);
        gb_fixture_png(gb_fixture_name("%s/Set5_LR/a.png", root), 18, 14, 2, 8, false, other);
        gb_fixture_png(gb_fixture_name("%s/%s/a_LR.png", root, directory), 18, 14, 2, 8, false,
                       other);
        gb_fixture_text(gb_fixture_name("%s/__MACOSX/photos/._p.png", root), "AppleDouble");
        gb_fixture_text(gb_fixture_name("%s/%s/Thumbs.db", root, directory), "");
        gb_fixture_directory(gb_fixture_name("%s/empty", root));
        struct gb_dataset splits[GB_SPLITS];
        assert_ok(
            load_noted(gb_fixture_name("%s%s", gb_fixture_path(root), layouts[i].root), splits));
        assert_int_equal(splits[GB_SPLIT_TEST].count, 1);
        assert_string_equal(splits[GB_SPLIT_TEST].names[0], layouts[i].name);
        if (!strstr(noted, layouts[i].line) || !strstr(noted, "low resolutions"))
            fail_msg("%s: %s", layouts[i].image, noted);
        free_splits(splits);
    }
}

GB_FIXTURE_TEST(recognises_links_to_test_sets) {
    struct gb_dataset splits[GB_SPLITS];
    gb_fixture_png("sets/Set14/HR/a.png", 37, 29, 2, 8, false, bird);
    gb_fixture_png("d/photos/p.png", 32, 32, 2, 8, false, photograph);
    assert_int_equal(symlink("../sets/Set14", gb_fixture_path("d/birds")), 0);
    const char *const paths[] = {gb_fixture_path("d"), joined("d/photos", "d/birds")};
    for (int i = 0; i < 2; i++) {
        assert_ok(load_noted(paths[i], splits));
        assert_non_null(strstr(noted, "training images: 1; test images: Set14 (1)"));
        free_splits(splits);
    }
}

GB_FIXTURE_TEST(tests_the_directory_test) {
    struct gb_dataset splits[GB_SPLITS];
    gb_fixture_png("d/train/p.png", 32, 32, 2, 8, false, photograph);
    gb_fixture_png("d/Test/HR/a.png", 37, 29, 2, 8, false, bird);
    assert_ok(load_noted(gb_fixture_path("d"), splits));
    assert_string_equal(splits[GB_SPLIT_TRAIN].names[0], "train/p.png");
    assert_string_equal(splits[GB_SPLIT_TEST].names[0], "test/a.png");
    assert_non_null(strstr(noted, "training images: 1; test images: test (1)"));
    free_splits(splits);
    gb_fixture_png("sets/training/p.png", 32, 32, 2, 8, false, photograph);
    gb_fixture_png("sets/testing/Set5/a.png", 37, 29, 2, 8, false, bird);
    assert_ok(load_noted(gb_fixture_path("sets"), splits));
    assert_non_null(strstr(noted, "training images: 1; test images: Set5 (1)"));
    free_splits(splits);
    gb_fixture_png("alone/test/a.png", 37, 29, 2, 8, false, bird);
    gb_fixture_png("alone/photos/p.png", 32, 32, 2, 8, false, photograph);
    assert_ok(load_noted(gb_fixture_path("alone"), splits));
    assert_non_null(strstr(noted, "training images: 1; test images: held-out (1)"));
    free_splits(splits);
}

// Validation images do not train: they are left out, or test where nothing else does by its name.
GB_FIXTURE_TEST(never_trains_on_validation_images) {
    static const struct {
        const char *train, *validation, *test, *line, *note;
    } layouts[] = {
        {"train", "val", "test", "training images: 1; test images: test (1)", "val: left out: "},
        {"train", "Validation", "test_HR", "training images: 1; test images: test_HR (1)",
         "Validation: left out: "},
        {"x/train2017", "x/val2017", NULL, "training images: 1; test images: val2017 (1)", NULL},
        {"TrainImages", "valid", "Set5", "training images: 1; test images: Set5 (1), valid (1)",
         NULL},
    };
    for (size_t i = 0; i < sizeof layouts / sizeof *layouts; i++)
        for (int apart = 0; apart < 2; apart++) {
            struct gb_dataset splits[GB_SPLITS];
            const char *root = gb_fixture_path(gb_fixture_name("%zu", i));
            gb_fixture_png(gb_fixture_name("%zu/%s/p.png", i, layouts[i].train), 32, 32, 2, 8,
                           false, photograph);
            gb_fixture_png(gb_fixture_name("%zu/%s/v.png", i, layouts[i].validation), 32, 32, 2, 8,
                           false, other);
            if (layouts[i].test)
                gb_fixture_png(gb_fixture_name("%zu/%s/a.png", i, layouts[i].test), 37, 29, 2, 8,
                               false, bird);
            const char *paths =
                gb_fixture_name("%s/%s:%s/%s", root, layouts[i].train, root, layouts[i].validation);
            if (layouts[i].test)
                paths = gb_fixture_name("%s:%s/%s", paths, root, layouts[i].test);
            assert_ok(load_noted(apart ? paths : root, splits));
            free_splits(splits);
            if (!apart && !strstr(noted, layouts[i].line))
                fail_msg("%s: %s", root, noted);
            assert_non_null(strstr(noted, "training images: 1; test images: "));
            assert_non_null(strstr(noted, layouts[i].note ? layouts[i].note : "test images"));
        }
}

// What is next to test sets, in a directory of test or validation images, does not train either.
GB_FIXTURE_TEST(never_trains_on_what_is_next_to_test_sets) {
    gb_fixture_png("d/train/p.png", 32, 32, 2, 8, false, photograph);
    gb_fixture_png("d/val/Set5/a.png", 37, 29, 2, 8, false, bird);
    gb_fixture_png("d/val/v.png", 32, 32, 2, 8, false, other);
    gb_fixture_png("d/val/more/w.png", 36, 32, 2, 8, false, other);
    struct gb_dataset splits[GB_SPLITS];
    assert_ok(load_noted(gb_fixture_path("d"), splits));
    free_splits(splits);
    assert_non_null(strstr(noted, "training images: 1; test images: val (1), Set5 (1), more (1)"));
    gb_fixture_png("d/Testing/Set14/b.png", 37, 29, 2, 8, false, photograph);
    gb_fixture_png("d/Testing/t.png", 40, 32, 2, 8, false, other);
    gb_fixture_png("d/Testing/more/u.png", 44, 32, 2, 8, false, other);
    const char *const roots[] = {gb_fixture_path("d"),
                                 gb_fixture_name("%s:%s:%s/", gb_fixture_path("d/train"),
                                                 gb_fixture_path("d/val"),
                                                 gb_fixture_path("d/Testing"))};
    static const char *const lines[] = {
        "d/val: left out: validation images neither train nor test: 1",
        "d/val/more: left out: validation images neither train nor test",
        "training images: 1; ",
        " test (1)",
        " Set14 (1)",
        " Set5 (1)",
        " more (1)"};
    for (size_t root = 0; root < sizeof roots / sizeof *roots; root++) {
        assert_ok(load_noted(roots[root], splits));
        free_splits(splits);
        for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
            if (!strstr(noted, lines[i]))
                fail_msg("no \"%s\" in %s", lines[i], noted);
    }
}

// Nothing is left out without a line, and nothing both trains and tests.
GB_FIXTURE_TEST(tells_what_it_leaves_out) {
    gb_fixture_png("d/Set5/HR/a.png", 37, 29, 2, 8, false, bird);
    gb_fixture_png("d/Set5/LR_bicubic/X2/ax2.png", 18, 14, 2, 8, false, bird);
    gb_fixture_png("d/Set5/other/b.png", 37, 29, 2, 8, false, bird);
    gb_fixture_text("d/photos/p.webp", "");
    write_photographs("d/photos");
    struct gb_dataset splits[GB_SPLITS];
    assert_ok(load_noted(gb_fixture_path("d"), splits));
    assert_int_equal(splits[GB_SPLIT_TRAIN].count, 3);
    assert_string_equal(splits[GB_SPLIT_TRAIN].names[0], "photos/a.png");
    free_splits(splits);
    static const char *const lines[] = {
        "d/Set5/LR_bicubic: left out: low resolutions are computed",
        "d/Set5/other: left out: the test set's images are elsewhere",
        "d/photos: images of other formats left out: 1",
        "training images: 3; test images: Set5 (1)"};
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
        if (!strstr(noted, lines[i]))
            fail_msg("no \"%s\" in %s", lines[i], noted);
    gb_fixture_png("d/photos/q.png", 37, 29, 2, 8, false, bird);
    assert_refused(gb_fixture_path("d"), NULL,
                   "photos/q.png, which trains, is the test image Set5/a.png");
    unlink(gb_fixture_path("d/photos/q.png"));
    gb_fixture_directory("d/Set14");
    assert_ok(load_noted(gb_fixture_path("d"), splits));
    assert_non_null(strstr(noted, "d/Set14: holds no images"));
    free_splits(splits);
    assert_refused(gb_fixture_path("d/Set14"), NULL, "holds no images");
}

// ImageNet32 in small: `rows` images whose pixels tell row, plane and place.
static void write_batch(const char *name, int rows, int columns) {
    unsigned char *values = malloc((size_t)rows * (size_t)columns);
    assert_non_null(values);
    for (int i = 0; i < rows * columns; i++) {
        const int row = i / columns, place = i % columns;
        values[i] = (unsigned char)(row + 50 * (place / (columns / 3)) + place % 16);
    }
    write_array(name,
                gb_fixture_name("{'descr': '|u1', 'fortran_order': False, 'shape': (%d, %d), }",
                                rows, columns),
                1, values, (size_t)rows * (size_t)columns, ZIP_CM_STORE);
    free(values);
}

GB_FIXTURE_TEST(reads_imagenet_batches) {
    write_batch("imagenet/train/train_data_batch_1.npz", 3, 3 * 32 * 32);
    write_batch("imagenet/train/train_data_batch_10.npz", 2, 3 * 32 * 32);
    write_batch("imagenet/val/val_data.npz", GB_SR_MAX_TESTED * 2 + 1, 3 * 32 * 32);
    struct gb_dataset splits[GB_SPLITS];
    assert_ok(load(gb_fixture_path("imagenet"), NULL, splits));
    const struct gb_dataset *train = &splits[GB_SPLIT_TRAIN], *test = &splits[GB_SPLIT_TEST];
    assert_int_equal(train->count, 5);
    assert_string_equal(train->names[4], "batch 10/0000001");
    assert_int_equal(test->count, 667); // every third
    assert_string_equal(test->names[2], "ImageNet/0000006");
    struct gb_examples image = take_example(test, 2, 5, 0);
    assert_int_equal(image.y.h, 32);
    for (int c = 0; c < 3; c++)
        assert_true(gb_at(&image.y, 0, 5, 9)[c] == (float)(6 + 50 * c + 9) / 256);
    gb_examples_free(&image);
    free_splits(splits);
    write_batch("imagenet/val/val_data.npz", 3, 3 * 32 * 31);
    assert_refused(gb_fixture_path("imagenet"), NULL, "not square images");
    write_batch("imagenet/val/val_data.npz", 3, 3 * 8 * 8);
    assert_refused(gb_fixture_path("imagenet"), NULL, "8 x 8 pixels");
    gb_fixture_truncate("imagenet/val/val_data.npz", 100);
    assert_refused(gb_fixture_path("imagenet"), NULL, "val_data.npz");
}

GB_FIXTURE_TEST(refuses_what_is_not_an_image) {
    assert_refused(gb_fixture_path("nowhere"), NULL, "nowhere");
    gb_fixture_directory("empty");
    assert_refused(gb_fixture_path("empty"), NULL, "empty");
    gb_fixture_text("empty/notes.txt", "no images");
    assert_refused(gb_fixture_path("empty"), NULL, "holds no images");
    write_photographs("photos");
    gb_fixture_truncate("photos/b.ppm", 200);
    assert_refused(gb_fixture_path("photos"), NULL, "b.ppm");
    gb_fixture_png("photos/b.ppm", 60, SIZE - 1, 2, 8, false, photograph);
    assert_refused(gb_fixture_path("photos"), NULL, "60 x 15");
    gb_fixture_png("one/a.png", 32, 32, 2, 8, false, photograph);
    assert_refused(gb_fixture_path("one"), NULL, "one image");
    const struct gb_source odd = {.directory = gb_fixture_path("photos"), .size = 15};
    struct gb_dataset splits[GB_SPLITS];
    assert_ok(gb_task_find("sr", &task));
    assert_error(task->load(&odd, splits), GB_BAD_INPUT, "15 pixels have no half");
    // Large enough for patches, but not to be held out.
    gb_fixture_png("small/a.png", 32, 32, 2, 8, false, photograph);
    gb_fixture_png("small/b.png", 32, 14, 2, 8, false, photograph);
    const struct gb_source small = {.directory = gb_fixture_path("small"), .size = 8, .threads = 2};
    assert_error(gb_sr_load(&small, splits), GB_BAD_INPUT, "b.png");
}

// ---- What is made of them ----

// The place in the image `other` of 24 x 40 pixels that a patch begins at; fails where there
// is no such place, or it is odd.
static void assert_patch_of_other(const struct gb_tensor *patch) {
    for (int top = 0; top + SIZE <= 40; top += 2)
        for (int left = 0; left + SIZE <= 24; left += 2) {
            bool same = true;
            for (int i = 0; same && i < SIZE * SIZE; i++)
                for (int c = 0; c < 3; c++)
                    same &= gb_at(patch, 0, i / SIZE, i % SIZE)[c] ==
                            (float)other(left + i % SIZE, top + i / SIZE, c) / 256;
            if (same)
                return;
        }
    fail_msg("no part of the photograph at even coordinates");
}

// An image with sides of four patches also trains reduced to half, a smaller one does not.
GB_FIXTURE_TEST(trains_on_reduced_images) {
    gb_fixture_png("large/a.png", 4 * SIZE + 1, 5 * SIZE + 1, 2, 8, false, photograph);
    gb_fixture_png("large/b.png", 4 * SIZE, 4 * SIZE - 1, 2, 8, false, photograph);
    gb_fixture_png("large/c.png", 20, 20, 2, 8, false, photograph);
    struct gb_dataset splits[GB_SPLITS];
    assert_ok(load(gb_fixture_path("large"), NULL, splits));
    const struct gb_dataset *train = &splits[GB_SPLIT_TRAIN];
    assert_int_equal(train->count, 3);
    assert_string_equal(train->names[2], "a.png reduced");

    // Its patches are parts of the bicubic reduction.
    enum { W = 2 * SIZE, H = 5 * SIZE / 2 };
    struct gb_image whole;
    float half[H * W * 3];
    assert_ok(gb_image_read(gb_fixture_path("large/a.png"), 3, &whole));
    gb_image_crop(&whole, 0, 0, 2 * W, 2 * H);
    assert_ok(gb_resize(&whole, GB_BICUBIC, H, W, half));
    gb_image_free(&whole);
    struct gb_examples held = take_example(train, 2, 5, 0);
    int places = 0;
    for (int top = 0; top + SIZE <= H; top++)
        for (int left = 0; left + SIZE <= W; left++) {
            bool same = true;
            for (int i = 0; i < SIZE && same; i++)
                for (int j = 0; j < SIZE * 3 && same; j++)
                    same = gb_at(&held.y, 0, i, 0)[j] * 256 ==
                           rintf(half[((top + i) * W + left) * 3 + j] * 255);
            places += same;
        }
    assert_int_equal(places, 1);
    gb_examples_free(&held);
    free_splits(splits);
}

GB_FIXTURE_TEST(draws_patches_by_the_key) {
    write_photographs("photos");
    struct gb_dataset splits[GB_SPLITS];
    assert_ok(load(gb_fixture_path("photos"), NULL, splits));
    const struct gb_dataset *train = &splits[GB_SPLIT_TRAIN];
    assert_int_equal(train->shape.y_h, SIZE);
    assert_int_equal(train->shape.x_w, SIZE / 2);
    int different = 0;
    for (uint32_t step = 0; step < 8; step++) {
        struct gb_examples once = take_example(train, 1, 5, step),
                           again = take_example(train, 1, 5, step),
                           first = take_example(train, 1, 5, 0);
        assert_patch_of_other(&once.y);
        assert_true(same_values(&once.y, &again.y) && same_values(&once.x, &again.x));
        different += !same_values(&once.y, &first.y);
        gb_examples_free(&once);
        gb_examples_free(&again);
        gb_examples_free(&first);
    }
    assert_true(different >= 4);
    free_splits(splits);
}

GB_FIXTURE_TEST(cuts_crops_and_pads) {
    gb_fixture_png("Set14/a.png", 41, 33, 2, 8, false, photograph);
    gb_fixture_png("Set14/b.png", 24, 40, 2, 8, false, other);
    struct gb_dataset splits[GB_SPLITS], crops, padded;
    assert_ok(load(gb_fixture_path(""), NULL, splits));
    const struct gb_dataset *test = &splits[GB_SPLIT_TEST];
    assert_ok(gb_sr_crops(test, 1, 1, 20, SIZE, 3, &crops));
    for (int i = 0; i < crops.count; i++) {
        struct gb_examples crop = take_example(&crops, i, 5, 0);
        assert_patch_of_other(&crop.y);
        assert_string_equal(crops.names[i], "Set14/b.png");
        gb_examples_free(&crop);
    }
    gb_dataset_free(&crops);
    assert_ok(gb_sr_pad(test, 8, &padded));
    struct gb_examples whole = take_example(test, 0, 5, 0), square = take_example(&padded, 0, 5, 0);
    assert_true(gb_has_shape(&square.y, 1, 40, 40, 3) && square.x.h == 20);
    GB_EACH_ELEMENT(&square.y, at)
        assert_true(*gb_element(&square.y, at) == (at[1] < 32 ? *gb_element(&whole.y, at) : 0));
    gb_examples_free(&whole);
    gb_examples_free(&square);
    assert_int_equal(gb_dataset_shape(&padded, 1).y_h, 40);
    gb_dataset_free(&padded);
    free_splits(splits);
}

// ---- Scores ----

GB_TEST(scores_clamped_luma_inside_the_border) {
    enum { SIDE = 20, COUNT = SIDE * SIDE * 3 };
    float right[COUNT], given[COUNT];
    const struct gb_tensor truth = gb_dense(right, 1, SIDE, SIDE, 3);
    const struct gb_tensor answer = gb_dense(given, 1, SIDE, SIDE, 3);
    for (int i = 0; i < COUNT; i++) {
        right[i] = i % 3 ? 255.0f / 256 : 0;
        given[i] = i % 3 ? 3 : -2; // clamped to the truth
    }
    given[0] = 0.5f; // the border does not count
    struct gb_sr_score score;
    assert_ok(gb_sr_score(&truth, &answer, &score));
    assert_true(score.psnr == 100 && score.ssim == 1);
    // Grey of another level: the difference itself, not the luma's narrower one.
    for (int i = 0; i < COUNT; i++) {
        right[i] = 100.0f / 256;
        given[i] = 110.0f / 256;
    }
    assert_ok(gb_sr_score(&truth, &answer, &score));
    assert_true(fabs(score.psnr - 20 * log10(25.5)) < 1e-4);
    for (int i = 0; i < COUNT; i++)
        right[i] = given[i] = (i % 3 == 0) ? 100.0f / 256 : 90.0f / 256;
    for (int i = 0; i < COUNT; i++)
        given[i] += 10.0f / 256;
    assert_ok(gb_sr_score(&truth, &answer, &score));
    assert_true(fabs(score.psnr - 20 * log10(25.5 * 255 / 219)) < 1e-3);
}

// The mean scores of bicubic enlargement over a test set.
static void score_bicubic(const struct gb_dataset *test, const char *set, double *psnr,
                          double *ssim) {
    int count = 0;
    *psnr = *ssim = 0;
    for (int i = 0; i < test->count; i++) {
        if (strncmp(test->names[i], set, strlen(set)) != 0)
            continue;
        struct gb_examples whole = take_example(test, i, 5, 0);
        struct gb_tensor high = whole.y;
        high.data = malloc(gb_elements(&high) * sizeof(float));
        assert_non_null(high.data);
        struct gb_sr_score score;
        assert_ok(gb_sr_bicubic(&whole.x, &high));
        assert_ok(gb_sr_score(&whole.y, &high, &score));
        *psnr += score.psnr;
        *ssim += score.ssim;
        count++;
        free(high.data);
        gb_examples_free(&whole);
    }
    assert_true(count > 0);
    *psnr /= count;
    *ssim /= count;
}

// The published low resolution of a test set's image, by its place in the order of names.
static void assert_published_low(const struct gb_dataset *test, int index, const char *directory,
                                 const char *set, int number) {
    char path[1024];
    snprintf(path, sizeof path, "%s/%s_LR/image_SRF_2/img_%03d_SRF_2_LR.png", directory, set,
             number);
    struct gb_image published;
    assert_ok(gb_image_read(path, 3, &published));
    struct gb_examples whole = take_example(test, index, 5, 0);
    assert_true(gb_has_shape(&whole.x, 1, published.h, published.w, 3));
    const float *values = whole.x.data;
    for (size_t i = 0; i < gb_elements(&whole.x); i++)
        assert_true(values[i] * 256 == published.pixels[i]);
    gb_examples_free(&whole);
    gb_image_free(&published);
}

GB_TEST(bicubic_scores_what_is_published) {
    static const char *const archives[] = {"sr_sets.tar", NULL};
    const char *directory = gb_real_data("sr_sets", archives);
    if (!directory)
        skip();
    struct gb_dataset splits[GB_SPLITS];
    assert_ok(load(directory, NULL, splits));
    const struct gb_dataset *test = &splits[GB_SPLIT_TEST];
    assert_int_equal(test->count, 19);
    for (int i = 0; i < test->count; i++)
        assert_published_low(test, i, directory, i < 5 ? "Set5" : "Set14", i < 5 ? i + 1 : i - 4);
    double psnr, ssim;
    score_bicubic(test, "Set5/", &psnr, &ssim);
    // The papers print 33.7 and 0.930, 30.2 and 0.869.
    assert_true(fabs(psnr - 33.67) < 0.01 && fabs(ssim - 0.930) < 0.001);
    score_bicubic(test, "Set14/", &psnr, &ssim);
    assert_true(fabs(psnr - 30.14) < 0.01 && fabs(ssim - 0.868) < 0.001);
    free_splits(splits);
}

// ---- The task ----

static void assert_metric(const json_t *metrics, const char *name, double low, double high) {
    const double value = metric(metrics, name);
    if (!(value >= low && value <= high))
        fail_msg("%s is %g", name, value);
}

// A predictor by a tiny model of the name, untrained except for the parameters' start. Where the
// model has no levels, they do not count.
static void create_tiny(const char *name, int levels, int threads, int images,
                        const struct gb_example_shape *shape, struct gb_predictor *predictor) {
    struct gb_run_config run;
    const struct gb_task_model *model;
    assert_ok(gb_task_model_find(task, name, &model));
    assert_ok(gb_run_config_default(task, model, shape->y_h, shape, &run));
    const char *const fields[] = {
        "levels", "steps",   "condition_channels", "coupling_channels", "rrdb_blocks",
        "growth", "channels"};
    const int values[] = {levels, 1, 8, 8, 1, 4, 8};
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        const struct gb_config_field *field = gb_config_find(model->kind->table, fields[i]);
        if (field)
            gb_config_set(&run.config, field, values[i]);
    }
    struct gb_predictor_options options = {.threads = threads,
                                           .samples = 3,
                                           .seed = 4,
                                           .dequantise = true,
                                           .crops = 5,
                                           .scored = images};
    assert_ok(gb_backend_find(NULL, &options.backend));
    assert_ok(gb_predictor_create(predictor, &run, &options));
    gb_load_untrained(predictor, 9);
}

// Such a model evaluated on a test set.
static struct scores evaluate_tiny(const char *name, int threads, int images,
                                   const struct gb_dataset splits[]) {
    const struct gb_dataset *train = &splits[GB_SPLIT_TRAIN], *test = &splits[GB_SPLIT_TEST];
    struct gb_predictor predictor;
    struct scores scores = new_scores(0);
    create_tiny(name, 2, threads, images, &train->shape, &predictor);
    assert_ok(gb_predictor_evaluate(&predictor, train, test, scores.metrics, scores.per_image));
    assert_int_equal(
        gb_predictor_evaluate(&predictor, train, train, scores.metrics, scores.per_image),
        GB_BAD_INPUT);
    assert_ok(gb_predictor_picture(&predictor, test, 2, gb_fixture_path("picture.png")));
    assert_true(gb_fixture_size("picture.png") > 0);
    gb_predictor_free(&predictor);
    return scores;
}

// Trains on images of a directory, tests on two sets.
static void load_two_sets(struct gb_dataset splits[]) {
    write_photographs("photos");
    gb_fixture_png("Set5/a.png", 41, 33, 2, 8, false, bird);
    gb_fixture_png("Set14/b.png", 24, 40, 2, 8, false, bird);
    gb_fixture_png("Set14/c.png", 30, 30, 0, 8, false, bird);
    assert_ok(gb_task_find("sr", &task));
    assert_ok(load(joined("photos", ""), NULL, splits));
}

// The mean of what images whose names begin with `set` have under `name`.
static double mean_of(const json_t *per_image, const char *set, const char *name) {
    double sum = 0;
    int count = 0;
    size_t i;
    const json_t *image;
    json_array_foreach(per_image, i, image) {
        const char *image_name = json_string_value(json_object_get(image, "name"));
        if (strncmp(image_name, set, strlen(set)) != 0)
            continue;
        sum += json_number_value(json_object_get(image, name));
        count++;
    }
    assert_true(count > 0);
    return sum / count;
}

// Scores are means over images: of each set, and of all, however they are shared among sets.
static void assert_means(const json_t *metrics, const json_t *per_image, const char *name) {
    static const char *const sets[][2] = {{"", ""}, {"Set5/", "Set5_"}, {"Set14/", "Set14_"}};
    for (size_t i = 0; i < sizeof sets / sizeof *sets; i++) {
        const double mean = mean_of(per_image, sets[i][0], name);
        assert_metric(metrics, gb_fixture_name("%s%s", sets[i][1], name), mean - 1e-12,
                      mean + 1e-12);
    }
}

GB_FIXTURE_TEST(evaluates_full_images) {
    static const char *const models[] = {"cnf", "factored", "srcnn"};
    static const char *const loss_names[][3] = {
        {"bits_per_dimension", "Set5_bits_per_dimension", "Set14_bits_per_dimension"},
        {"loss", "Set5_loss", "Set14_loss"}};
    static const char *const names[] = {"psnr",     "ssim",     "bicubic_psnr", "trivial_ssim",
                                        "psnr_0.5", "psnr_0.8", "ssim_1"};
    struct gb_dataset splits[GB_SPLITS];
    load_two_sets(splits);
    for (int i = 0; i < 3; i++) {
        struct scores reports[2];
        for (int r = 0; r < 2; r++) {
            reports[r] = evaluate_tiny(models[i], 1 + r, 0, splits);
            json_object_del(reports[r].metrics, "seconds_per_prediction");
            json_object_del(reports[r].metrics, "images_per_second");
        }
        const json_t *metrics = reports[0].metrics, *per_image = reports[0].per_image;
        assert_true(json_equal(metrics, reports[1].metrics));
        assert_true(json_equal(per_image, reports[1].per_image));
        const bool point_estimate = i == 2;
        assert_int_equal(json_array_size(per_image), 3);
        assert_metric(metrics, "crops", 10, 10);
        assert_metric(metrics, "Set14_crops", 5, 5);
        assert_metric(metrics, "Set5_images", 1, 1);
        assert_metric(metrics, "Set14_images", 2, 2);
        for (size_t j = 0; j < (point_estimate ? 4 : sizeof names / sizeof *names); j++)
            assert_means(metrics, per_image, names[j]);
        // Bits are means over crops, of which each set has as many.
        const char *const *losses = loss_names[point_estimate];
        const double bits = (metric(metrics, losses[1]) + metric(metrics, losses[2])) / 2;
        assert_metric(metrics, losses[0], bits - 1e-12, bits + 1e-12);
        assert_true(!json_object_get(metrics, "psnr_0.8") == point_estimate);
        assert_true(point_estimate || metric(metrics, "psnr_0.5") != metric(metrics, "psnr_0.8"));
        for (int r = 0; r < 2; r++)
            free_scores(&reports[r]);
    }
    free_splits(splits);
}

// How long a column's side is on the sheet (tasks/images/picture.h).
static int shown(int side, int longer) {
    return side * (longer < 128 ? 128 / longer : 1);
}

// Of an image of w x h: columns of its size next to the low resolution, gaps of 8.
static void assert_figure(const char *name, int w, int h, int columns) {
    struct gb_image sheet;
    const int longer = w > h ? w : h;
    assert_ok(gb_image_read(gb_fixture_path(name), 3, &sheet));
    assert_int_equal(sheet.w, 8 + shown(w / 2, longer / 2) + 8 + columns * (shown(w, longer) + 8));
    assert_true(sheet.h > shown(h, longer));
    gb_image_free(&sheet);
}

// Whole, whatever the models pad to: bicubic, another model's answer, those of the model, truth.
GB_FIXTURE_TEST(draws_full_images) {
    struct gb_dataset splits[GB_SPLITS];
    struct gb_predictor flow, factored, one;
    load_two_sets(splits);
    const struct gb_dataset *train = &splits[GB_SPLIT_TRAIN], *test = &splits[GB_SPLIT_TEST];
    create_tiny("cnf", 3, 1, 0, &train->shape, &flow);
    create_tiny("factored", 0, 1, 0, &train->shape, &factored);
    create_tiny("srcnn", 0, 1, 0, &train->shape, &one);
    assert_string_equal(test->names[0], "Set5/a.png");
    assert_string_equal(test->names[1], "Set14/b.png");
    assert_ok(task->figure(&flow, &factored, test, 0, gb_fixture_path("compared.png")));
    assert_figure("compared.png", 40, 32, 7);
    assert_ok(task->figure(&flow, NULL, test, 1, gb_fixture_path("alone.png")));
    assert_figure("alone.png", 24, 40, 6);
    assert_ok(task->figure(&one, NULL, test, 1, gb_fixture_path("one.png")));
    assert_figure("one.png", 24, 40, 3);
    assert_int_equal(task->figure(&flow, NULL, train, 0, gb_fixture_path("none.png")),
                     GB_BAD_INPUT);
    gb_predictor_free(&flow);
    gb_predictor_free(&factored);
    gb_predictor_free(&one);
    free_splits(splits);
}

// Few images of each set are scored by their middles, which have the shortest side of all.
GB_FIXTURE_TEST(a_subset_is_scored_by_its_middles) {
    enum { MIDDLE = 24 };
    struct gb_dataset splits[GB_SPLITS], middles;
    struct gb_examples pairs;
    load_two_sets(splits);
    struct scores scores = evaluate_tiny("srcnn", 1, 1, splits);
    assert_int_equal(json_array_size(scores.per_image), 2);
    assert_metric(scores.metrics, "Set14_images", 1, 1);
    assert_ok(gb_sr_middles(&splits[GB_SPLIT_TEST], MIDDLE, &middles));
    assert_ok(gb_dataset_gather(&middles, NULL, 1, 4, 1, &pairs));
    const struct gb_example first = gb_example_at(&pairs, 0);
    float values[MIDDLE * MIDDLE * 3];
    const struct gb_tensor high = gb_dense(values, 1, MIDDLE, MIDDLE, 3);
    struct gb_sr_score score;
    assert_ok(gb_sr_bicubic(&first.x, &high));
    assert_ok(gb_sr_score(&first.y, &high, &score));
    const json_t *row = json_array_get(scores.per_image, 0);
    assert_string_equal(json_string_value(json_object_get(row, "name")), middles.names[0]);
    assert_true(json_real_value(json_object_get(row, "bicubic_psnr")) == score.psnr);
    gb_examples_free(&pairs);
    gb_dataset_free(&middles);
    free_scores(&scores);
    free_splits(splits);
}

// However many crops are taken at once, each has noise of its own.
GB_FIXTURE_TEST(scores_all_crops_as_one) {
    enum { CROPS = 70, SIDE = 32 };
    struct gb_dataset splits[GB_SPLITS], crops;
    struct gb_predictor predictor;
    struct gb_examples examples;
    double bits[CROPS], sum = 0;
    load_two_sets(splits);
    const struct gb_dataset *test = &splits[GB_SPLIT_TEST];
    create_tiny("cnf", 2, 2, 1, &splits[GB_SPLIT_TRAIN].shape, &predictor);
    predictor.options.crops = CROPS;
    struct scores scores = new_scores(0);
    assert_ok(gb_predictor_evaluate(&predictor, &splits[GB_SPLIT_TRAIN], test, scores.metrics,
                                    scores.per_image));
    assert_ok(gb_sr_crops(test, 0, 1, CROPS, SIDE, predictor.options.seed, &crops));
    assert_ok(gb_dataset_gather(&crops, NULL, CROPS, 0, 1, &examples));
    assert_ok(gb_predictor_resize(&predictor, &crops.shape));
    assert_ok(gb_predictor_bits(&predictor, &examples, 0, crops.names, bits));
    for (int i = 0; i < CROPS; i++)
        sum += bits[i];
    assert_true(metric(scores.metrics, "Set5_bits_per_dimension") == sum / CROPS);
    free_scores(&scores);
    gb_examples_free(&examples);
    gb_dataset_free(&crops);
    gb_predictor_free(&predictor);
    free_splits(splits);
}

GB_FIXTURE_TEST(refuses_images_too_small_for_its_levels) {
    struct gb_dataset splits[GB_SPLITS];
    struct gb_predictor predictor;
    load_two_sets(splits);
    const struct gb_example_shape shape = {16, 16, 3, 32, 32, 3, false};
    create_tiny("cnf", 5, 1, 0, &shape, &predictor);
    struct scores scores = new_scores(0);
    assert_error(gb_predictor_evaluate(&predictor, &splits[GB_SPLIT_TRAIN], &splits[GB_SPLIT_TEST],
                                       scores.metrics, scores.per_image),
                 GB_BAD_INPUT, "levels need 32");
    free_scores(&scores);
    gb_predictor_free(&predictor);
    free_splits(splits);
}

// tests/flows/test_regression.c holds the numbers of parameters that growths make.
GB_TEST(factored_follows_the_flow) {
    const struct gb_example_shape shape = {16, 16, 3, 32, 32, 3, false};
    const struct gb_task_model *model;
    union gb_model_config config;
    assert_ok(gb_task_find("sr", &task));
    assert_ok(gb_task_model_find(task, "factored", &model));
    assert_ok(gb_task_configure(model, &shape, &config));
    assert_int_equal(config.factored.rrdb_blocks, 16);
    assert_int_equal(config.factored.growth, 56); // 55 in the paper
}
