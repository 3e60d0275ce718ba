// SPDX-License-Identifier: MIT
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tasks/data/aligned_faces.h"
#include "tasks/task.h"
#include "tests/support/fixture.h"
#include "tests/support/real_data.h"
#include "tests/support/test.h"
#include "tests/tasks/loading.h"

extern const struct gb_task gb_inpaint;

static int slope(int x, int y, int channel) {
    return 20 + 2 * x + y + 10 * channel;
}

enum { SIZE = 16, FACES = 9 };

static void write_faces(const char *directory) {
    for (int i = 1; i <= FACES; i++)
        gb_fixture_jpeg(gb_fixture_name("%s/%06d.jpg", directory, i), 40, 48, 3, slope);
}

static enum gb_status load(const char *directory, const char *lists, struct gb_dataset splits[]) {
    return load_fixture(gb_aligned_faces_load, directory, lists, SIZE, splits);
}

static void assert_bad(const char *directory, const char *lists, const char *where,
                       const char *reason) {
    struct gb_dataset splits[GB_SPLITS];
    assert_not_loaded(load(directory, lists, splits), splits, where, reason);
}

GB_FIXTURE_TEST(hides_the_block_in_the_middle) {
    write_faces("faces");
    struct gb_dataset splits[GB_SPLITS];
    assert_ok(load("faces", NULL, splits));
    const struct gb_dataset *train = &splits[GB_SPLIT_TRAIN];
    assert_int_equal(train->count, 7);
    assert_int_equal(splits[GB_SPLIT_TEST].count, 2); // a quarter
    struct gb_examples e;
    assert_ok(gb_dataset_gather(train, NULL, train->count, 0, 2, &e));
    assert_true(gb_has_shape(&e.x, 7, SIZE, SIZE, 3));
    assert_true(gb_has_shape(&e.y, 7, SIZE / 2, SIZE / 2, 3));
    const struct gb_example third = gb_example_at(&e, 3);
    GB_EACH_ELEMENT(&third.x, at) {
        const int y = at[1], x = at[2], c = at[3];
        const bool hidden = y >= 4 && y < 12 && x >= 4 && x < 12;
        const float value = *gb_element(&third.x, at);
        assert_true(!hidden || value == 0.0f);
        // The square begins at row 4; a pixel is 2.5 wide.
        const float level = 255.0f * (hidden ? gb_at(&third.y, 0, y - 4, x - 4)[c] : value);
        assert_float_equal(level,
                           20.0f + 2.0f * (2.5f * (float)x + 0.75f) +
                               (2.5f * (float)y + 0.75f + 4.0f) + 10.0f * (float)c,
                           2.5f);
        assert_float_equal(level, rintf(level), 1e-4f);
    }
    gb_examples_free(&e);
    free_splits(splits);
}

// The same names in the same splits, whatever the directory's kind.
GB_FIXTURE_TEST(knows_the_published_layouts) {
    const char *const layouts[] = {"a", "b", "c"};
    write_faces("a");
    write_faces("b/Img/img_align_celeba");
    write_faces("c/img_align_celeba");
    struct gb_dataset splits[3][GB_SPLITS];
    for (int i = 0; i < 3; i++)
        assert_ok(load(layouts[i], NULL, splits[i]));
    int seen[FACES + 1] = {0};
    for (int split = 0; split < GB_SPLITS; split++)
        for (int i = 0; i < splits[0][split].count; i++) {
            seen[atoi(splits[0][split].names[i])]++;
            for (int layout = 1; layout < 3; layout++)
                assert_string_equal(splits[layout][split].names[i], splits[0][split].names[i]);
        }
    for (int i = 1; i <= FACES; i++)
        assert_int_equal(seen[i], 1);
    assert_true(splits[0][0].hash == splits[1][0].hash);
    assert_true(splits[0][0].hash != splits[0][1].hash);
    for (int i = 0; i < 3; i++)
        free_splits(splits[i]);
}

static char noted[2048]; // the lines of a load

static void note(const char *line) {
    const size_t used = strlen(noted);
    snprintf(noted + used, sizeof noted - used, "%s\n", line);
}

GB_FIXTURE_TEST(splits_by_directories) {
    for (int i = 0; i < 3; i++) {
        gb_fixture_jpeg(gb_fixture_name("Train/%d.JPEG", i), 40, 48, 3, slope);
        gb_fixture_png(gb_fixture_name("test/%d.png", i), 40, 48, 2, 8, false, slope);
    }
    gb_fixture_jpeg("test/readme.txt", 40, 48, 3, slope);
    const struct gb_source source = {
        .directory = gb_fixture_path(""), .size = SIZE, .threads = 2, .note = note};
    struct gb_dataset splits[GB_SPLITS];
    assert_ok(gb_aligned_faces_load(&source, splits));
    assert_int_equal(splits[GB_SPLIT_TRAIN].count, 3);
    assert_string_equal(splits[GB_SPLIT_TRAIN].names[0], "Train/0.JPEG");
    assert_int_equal(splits[GB_SPLIT_TEST].count, 3);
    assert_string_equal(splits[GB_SPLIT_TEST].names[2], "test/2.png");
    assert_string_equal(noted, "training images: 3; test images: 3 of the 3 in test/\n");
    free_splits(splits);
    // Validation images neither train nor test, unless there are no others that test.
    gb_fixture_jpeg("val/9.jpg", 40, 48, 3, slope);
    gb_fixture_jpeg("more/9.jpg", 40, 48, 3, slope);
    noted[0] = 0;
    assert_ok(gb_aligned_faces_load(&source, splits));
    assert_non_null(strstr(noted, "training images: 3; test images: 3 of the 3 in test/"));
    assert_non_null(strstr(noted, "/val: left out: validation images neither train nor test"));
    assert_non_null(strstr(noted, "/more: left out: "));
    free_splits(splits);
    gb_fixture_jpeg("pair/train_set/1.jpg", 40, 48, 3, slope);
    gb_fixture_jpeg("pair/VALID/1.jpg", 40, 48, 3, slope);
    struct gb_source pair = source;
    pair.directory = gb_fixture_path("pair");
    noted[0] = 0;
    assert_ok(gb_aligned_faces_load(&pair, splits));
    assert_string_equal(noted, "training images: 1; test images: 1 of the 1 in VALID/\n");
    free_splits(splits);
}

GB_FIXTURE_TEST(reads_lfw) {
    for (int i = 0; i < 4; i++)
        gb_fixture_jpeg(gb_fixture_name("lfw_funneled/P%d/P%d_0001.jpg", i, i), 30, 30, 3, slope);
    gb_fixture_directory("lfw_funneled/Nobody");
    gb_fixture_jpeg("lfw_funneled/P2/P2_0002.jpg", 30, 30, 3, slope);
    gb_fixture_text("lfw_funneled/README.txt", "not one of them");
    struct gb_dataset splits[GB_SPLITS];
    assert_ok(load("", NULL, splits));
    assert_int_equal(splits[GB_SPLIT_TRAIN].count, 4);
    assert_int_equal(splits[GB_SPLIT_TEST].count, 1);
    assert_non_null(strstr(splits[GB_SPLIT_TEST].names[0], "_000"));
    free_splits(splits);
}

GB_FIXTURE_TEST(follows_celebas_list) {
    write_faces("img_align_celeba");
    gb_fixture_text("list_eval_partition.txt",
                    "000001.jpg 0\r\n000002.jpg 2\n000003.jpg 1\n000004.jpg  0\n000007.jpg 0\n"
                    "000008.jpg 0\n000009.jpg 2\n");
    struct gb_dataset splits[GB_SPLITS];
    assert_ok(load("", "", splits));
    assert_int_equal(splits[GB_SPLIT_TRAIN].count, 4);
    assert_string_equal(splits[GB_SPLIT_TRAIN].names[2], "000007.jpg");
    assert_int_equal(splits[GB_SPLIT_TEST].count, 1); // a quarter of 6 at most
    const int chosen = atoi(splits[GB_SPLIT_TEST].names[0]);
    assert_true(chosen == 2 || chosen == 9);
    free_splits(splits);
}

GB_FIXTURE_TEST(reports_what_is_wrong_with_celebas_list) {
    static const char *const wrong[][2] = {
        {"000001.jpg 0\n000002.jpg\n", "line 2: \"000002.jpg\" is not a file's name and 0, 1 or 2"},
        {"000001.jpg 0\n000002.jpg \n", "line 2"}, // a blank and no number
        {"000001.jpg 3\n", "line 1"},
        {"000001.jpg 10\n", "line 1"},
        {"000001.jpg 0\n000010.jpg 2\n", "has no 000010.jpg"},
        {"000001.jpg 0\n000001.jpg 2\n", "named twice"},
        {"000001.jpg 0\n000002.jpg 1\n", "1 images for training and 0 for testing"},
    };
    const char *list = "list_eval_partition.txt";
    write_faces("img_align_celeba");
    assert_bad("", "", list, "No such file");
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        gb_fixture_text(list, wrong[i][0]);
        assert_bad("", "", list, wrong[i][1]);
    }
}

GB_FIXTURE_TEST(reports_what_is_wrong_with_a_directory) {
    assert_bad("nowhere", NULL, "nowhere", "No such file");
    assert_bad("", NULL, gb_fixture_path(""), "holds no .png .jpg ");
    gb_fixture_directory("halves/train");
    gb_fixture_directory("halves/test");
    assert_bad("halves", NULL, gb_fixture_path("halves"), "holds no .png .jpg ");
    gb_fixture_jpeg("halves/train/a.jpg", 20, 20, 3, slope);
    assert_bad("halves", NULL, gb_fixture_path("halves"), "1 images are too few to split");
    for (int i = 0; i < 3; i++)
        gb_fixture_jpeg(gb_fixture_name("%d.jpg", i), 20, 20, 3, slope);
    assert_bad("", NULL, gb_fixture_path(""), "3 images are too few to split");
    gb_fixture_directory("lfw_funneled/Nobody");
    assert_bad("", NULL, "lfw_funneled", "holds no PERSON/*.jpg");
}

GB_FIXTURE_TEST(names_a_file_that_it_cannot_use) {
    static const int too_small[][2] = {{1, 1}, {SIZE - 1, SIZE}, {400, 2}};
    write_faces("faces");
    struct gb_dataset splits[GB_SPLITS];
    struct gb_examples examples;
    assert_ok(load("faces", NULL, splits));
    const struct gb_dataset *train = &splits[GB_SPLIT_TRAIN];
    const char *name = gb_fixture_name("faces/%s", train->names[4]);
    for (int i = 0; i < 3; i++) {
        const int w = too_small[i][0], h = too_small[i][1];
        gb_fixture_jpeg(name, w, h, 3, slope);
        assert_error(gb_dataset_gather(train, NULL, train->count, 0, 2, &examples), GB_BAD_INPUT,
                     gb_fixture_name("%s: %d x %d pixels", name, w, h));
    }
    gb_fixture_jpeg(name, SIZE, SIZE, 3, slope);
    assert_ok(gb_dataset_gather(train, NULL, train->count, 0, 2, &examples));
    gb_examples_free(&examples);
    gb_fixture_truncate(name, 500);
    assert_error(gb_dataset_gather(train, NULL, train->count, 0, 2, &examples), GB_BAD_INPUT,
                 gb_fixture_name("%s: truncated", name));
    free_splits(splits);
}

GB_FIXTURE_TEST(checks_all_files_before_training) {
    write_faces("faces");
    struct gb_dataset splits[GB_SPLITS];
    assert_ok(load("faces", NULL, splits));
    const char *name = gb_fixture_name("faces/%s", splits[GB_SPLIT_TRAIN].names[4]);
    free_splits(splits);
    gb_fixture_jpeg(name, SIZE - 1, 400, 3, slope);
    assert_bad("faces", NULL, name, "15 x 400 pixels");
    gb_fixture_truncate(name, gb_fixture_size(name) - 12);
    assert_bad("faces", NULL, name, "truncated");
    gb_fixture_text(name, "no image");
    assert_bad("faces", NULL, name, "not an image");
}

GB_FIXTURE_TEST(checks_test_images_before_training) {
    write_faces("faces");
    const struct gb_source source = {
        .directory = gb_fixture_path("faces"), .size = SIZE, .threads = 2};
    struct gb_dataset splits[GB_SPLITS];
    assert_ok(gb_inpaint.load(&source, splits));
    const char *name = gb_fixture_name("faces/%s", splits[GB_SPLIT_TEST].names[1]);
    free_splits(splits);
    gb_fixture_truncate(name, 500);
    assert_int_equal(gb_inpaint.load(&source, splits), GB_BAD_INPUT);
    assert_message(name, "truncated");
    for (int split = 0; split < GB_SPLITS; split++)
        assert_null(splits[split].names);
}

// Every level lies in the middle of its bin of dequantisation noise around the harmonic fill, and
// comes back.
GB_TEST(targets_keep_every_level) {
    enum { HALF = 16, WHOLE = 2 * HALF, N = HALF * HALF * 3 };
    static float seen[WHOLE * WHOLE * 3];
    float block[N], target[N], picture[N], answer[N];
    const float fill = 0.4f, unit = 0.2f; // of white
    for (int i = 0; i < WHOLE * WHOLE * 3; i++)
        seen[i] = fill;
    for (int i = 0; i < N; i++)
        block[i] = (float)(i % 256) / 255.0f;
    const struct gb_tensor x = gb_dense(seen, 1, WHOLE, WHOLE, 3),
                           y = gb_dense(block, 1, HALF, HALF, 3),
                           t = gb_dense(target, 1, HALF, HALF, 3),
                           p = gb_dense(picture, 1, HALF, HALF, 3),
                           a = gb_dense(answer, 1, HALF, HALF, 3);
    gb_inpaint.target(&x, &y, &t);
    for (int i = 0; i < N; i++) {
        const float low = (float)(i % 256) / 256.0f - fill,
                    lowest = target[i] + gb_inpaint.noise_low;
        assert_float_equal(lowest, low / unit, 1e-5f);
        assert_float_equal(lowest + gb_inpaint.level_distance, (low + 1.0f / 256.0f) / unit, 1e-5f);
    }
    gb_inpaint.to_image(&x, &t, &p);
    for (int i = 0; i < N; i++)
        assert_float_equal(picture[i], block[i], 1e-6f);
    target[0] = -2.1f;
    target[1] = 3.1f;
    gb_inpaint.to_image(&x, &t, &p);
    gb_task_postprocess(&gb_inpaint, &x, &p, &a);
    assert_true(answer[0] == 0.0f && answer[1] == 1.0f);
}

// Of a plane the harmonic fill leaves nothing to be desired, of a level picture neither fill does.
GB_TEST(scores_next_to_two_fills) {
    const struct gb_example_shape shape = gb_hidden_block_shape(SIZE);
    struct gb_examples examples;
    assert_ok(gb_examples_create(&examples, 2, &shape));
    float wrong[2 * SIZE / 2 * SIZE / 2 * 3];
    for (int i = 0; i < 2; i++) {
        const struct gb_example e = gb_example_at(&examples, i);
        GB_EACH_ELEMENT(&e.x, at)
            *gb_element(&e.x, at) = i ? 0.4f : (float)(10 * at[2] + 4 * at[1] + 5 * at[3]) / 255.0f;
        gb_hide_block(&e);
    }
    const struct gb_tensor answers = gb_dense(wrong, 2, SIZE / 2, SIZE / 2, 3);
    const float *truth = examples.y.data;
    for (size_t i = 0; i < gb_elements(&answers); i++)
        wrong[i] = truth[i] + 0.1f; // 20 dB
    const struct gb_predictions scored = {
        .examples = &examples, .predicted = &answers, .threads = 1};
    json_t *metrics = json_object(), *per_image = json_pack("[{},{}]");
    assert_ok(gb_inpaint.score(&scored, metrics, per_image));
    const json_t *plane = json_array_get(per_image, 0), *level = json_array_get(per_image, 1);
    assert_float_equal(metric(metrics, "psnr"), 20.0, 1e-3);
    assert_float_equal(metric(level, "psnr"), 20.0, 1e-3);
    assert_true(metric(level, "mean_colour_psnr") > 80.0);
    assert_true(metric(level, "harmonic_fill_psnr") > 80.0);
    assert_true(metric(plane, "harmonic_fill_psnr") > 80.0);
    // Around the middle, 7.5, the block's columns and rows have variance 5.25.
    assert_float_equal(metric(plane, "mean_colour_psnr"),
                       -10.0 * log10(5.25 * (100.0 + 16.0) / (255.0 * 255.0)), 1e-3);
    assert_true(metric(metrics, "trivial_psnr") == metric(metrics, "harmonic_fill_psnr"));
    json_decref(metrics);
    json_decref(per_image);
    gb_examples_free(&examples);
}

static size_t parameters_of(const char *name) {
    const struct gb_example_shape shape = gb_hidden_block_shape(gb_inpaint.default_size);
    const struct gb_model_use use = {.batch = 1, .samples_per_x = 1, .threads = 1};
    const struct gb_backend *backend;
    const struct gb_task_model *found;
    union gb_model_config config;
    struct gb_model *model;
    assert_ok(gb_backend_find(NULL, &backend));
    assert_ok(gb_task_model_find(&gb_inpaint, name, &found));
    assert_ok(gb_task_configure(found, &shape, &config));
    assert_ok(gb_model_create(found->kind, &config, &use, backend, &model));
    const size_t count = gb_params_elements(&model->params);
    gb_model_free(model);
    return count;
}

GB_TEST(gives_the_baseline_a_similar_size) {
    const double ratio = (double)parameters_of("ffn") / (double)parameters_of("cglow");
    assert_float_equal(ratio, 1.0, 0.15);
}

GB_TEST(loads_the_published_data) {
    const char *directory =
        gb_real_data("lfw_parts", (const char *[]){"lfw_funneled.tar", "lfw_labels.tar.xz", NULL});
    if (!directory)
        skip();
    const struct gb_source source = {.directory = directory, .size = 64, .threads = 2};
    struct gb_dataset splits[GB_SPLITS];
    assert_ok(gb_inpaint.load(&source, splits));
    assert_int_equal(splits[GB_SPLIT_TRAIN].count, 2196);
    assert_int_equal(splits[GB_SPLIT_TEST].count, 731);
    free_splits(splits);
}
