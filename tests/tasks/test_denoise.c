// SPDX-License-Identifier: MIT
#include <math.h>
#include <stdlib.h>

#include "base/minmax.h"
#include "tasks/task.h"
#include "tests/support/fixture.h"
#include "tests/support/real_data.h"
#include "tests/support/test.h"
#include "tests/tasks/loading.h"

enum { SIZE = 32 };
static const double DEVIATION = 25.0 / 255.0;

static const struct gb_task *denoise(void) {
    const struct gb_task *task;
    assert_ok(gb_task_find("denoise", &task));
    return task;
}

static enum gb_status load(const char *directory, const char *lists, int size,
                           struct gb_dataset splits[]) {
    const struct gb_source source = {
        .directory = directory, .split_directory = lists, .size = size, .threads = 2};
    return denoise()->load(&source, splits);
}

// The clean image of an example.
static void clean(const struct gb_examples *one, struct gb_tensor *picture) {
    denoise()->to_image(&one->x, &one->y, picture);
}

// The target is the noise in units of its deviation, and the input less it an image of 256
// levels.
GB_TEST(adds_the_noise_that_it_asks_for) {
    struct gb_dataset splits[GB_SPLITS];
    assert_ok(load(NULL, NULL, SIZE, splits));
    for (int split = 0; split < GB_SPLITS; split++) {
        double sum = 0.0, squares = 0.0, count = 0.0;
        for (int i = 0; i < 20; i++) {
            struct gb_examples one = take_example(&splits[split], i, 1, 0);
            static float pixels[SIZE * SIZE * 3];
            struct gb_tensor picture = gb_dense(pixels, 1, SIZE, SIZE, 3);
            clean(&one, &picture);
            for (int j = 0; j < SIZE * SIZE * 3; j++) {
                const double level = pixels[j] * 255.0, noise = ((float *)one.y.data)[j];
                assert_float_equal(level, rint(level), 1e-3);
                assert_in_range(rint(level), 0, 255);
                assert_float_equal(((float *)one.x.data)[j], pixels[j] + DEVIATION * noise, 1e-6);
                sum += noise;
                squares += noise * noise;
                count++;
            }
            gb_examples_free(&one);
        }
        assert_float_equal(sum / count, 0.0, 0.02);
        assert_float_equal(squares / count, 1.0, 0.03);
    }
    free_splits(splits);
}

static bool same_picture(const struct gb_examples *a, const struct gb_examples *b) {
    double difference = 0.0;
    static float pixels[2][SIZE * SIZE * 3];
    struct gb_tensor one = gb_dense(pixels[0], 1, SIZE, SIZE, 3);
    struct gb_tensor other = gb_dense(pixels[1], 1, SIZE, SIZE, 3);
    clean(a, &one);
    clean(b, &other);
    for (int i = 0; i < SIZE * SIZE * 3; i++)
        difference = gb_max_double(difference, fabs((double)pixels[0][i] - (double)pixels[1][i]));
    return difference < 1e-5;
}

// Training sees other crops under other noise at every step; of a test image only the noise depends
// on the seed.
GB_TEST(depends_on_the_key_alone) {
    struct gb_dataset splits[GB_SPLITS];
    assert_ok(load(NULL, NULL, SIZE, splits));
    for (int split = 0; split < GB_SPLITS; split++) {
        struct gb_examples first = take_example(&splits[split], 3, 1, 0),
                           again = take_example(&splits[split], 3, 1, 0),
                           later = take_example(&splits[split], 3, 2, 7);
        assert_true(same_values(&first.x, &again.x));
        assert_true(same_values(&first.y, &again.y));
        assert_false(same_values(&first.y, &later.y));
        assert_int_equal(same_picture(&first, &later), split == GB_SPLIT_TEST);
        gb_examples_free(&first);
        gb_examples_free(&again);
        gb_examples_free(&later);
    }
    struct gb_dataset others[GB_SPLITS];
    assert_ok(load(NULL, NULL, 64, others));
    assert_int_not_equal(splits[GB_SPLIT_TRAIN].hash, splits[GB_SPLIT_TEST].hash);
    assert_int_not_equal(splits[GB_SPLIT_TRAIN].hash, others[GB_SPLIT_TRAIN].hash);
    free_splits(splits);
    free_splits(others);
}

// Answers of `share` of the noise that there is: 1 is perfect, 0 leaves the image as it is.
static struct scores score(const struct gb_dataset *test, int threads, float share) {
    const struct scores scores = new_scores(test->count);
    const struct gb_task *task = denoise();
    struct gb_examples examples;
    assert_ok(gb_dataset_gather(test, NULL, test->count, 1, threads, &examples));
    const size_t count = gb_elements(&examples.y);
    struct gb_tensor target = examples.y, answer = examples.y;
    target.data = malloc(count * sizeof(float));
    answer.data = malloc(count * sizeof(float));
    task->target(&examples.x, &examples.y, &target);
    for (size_t i = 0; i < count; i++)
        ((float *)target.data)[i] *= share;
    task->to_image(&examples.x, &target, &answer);
    gb_task_postprocess(task, &examples.x, &answer, &answer);
    const struct gb_predictions answers = {
        .test = test, .examples = &examples, .predicted = &answer, .threads = threads};
    assert_ok(task->score(&answers, scores.metrics, scores.per_image));
    free(target.data);
    free(answer.data);
    gb_examples_free(&examples);
    return scores;
}

GB_TEST(scores_by_psnr) {
    struct gb_dataset splits[GB_SPLITS];
    assert_ok(load(NULL, NULL, SIZE, splits));
    const struct gb_dataset *test = &splits[GB_SPLIT_TEST];
    const double unclipped = -20.0 * log10(DEVIATION); // 20.17 dB; clipping helps
    double found[3];
    for (int i = 0; i < 3; i++) {
        const struct scores scores = score(test, 2, 0.5f * (float)i);
        found[i] = metric(scores.metrics, "psnr");
        double mean = 0.0;
        for (int j = 0; j < test->count; j++)
            mean += metric(json_array_get(scores.per_image, (size_t)j), "psnr") / test->count;
        assert_float_equal(mean, found[i], 1e-9);
        const double trivial = metric(scores.metrics, "trivial_psnr");
        assert_true(trivial > unclipped && trivial < unclipped + 2.0);
        assert_true(i > 0 || fabs(found[i] - trivial) < 1e-9);
        free_scores(&scores);
    }
    // Half the noise is a quarter of the error.
    assert_float_equal(found[1] - unclipped, 20.0 * log10(2.0), 1.5);
    assert_true(found[2] > 90.0);
    free_splits(splits);
}

static int photograph(int x, int y, int channel) {
    return (x + y) / 3 + 20 * channel;
}

GB_FIXTURE_TEST(refuses_images_that_are_too_small) {
    const char *const parts[] = {"images/train", "images/test", "images/val"};
    for (int i = 0; i < 3; i++)
        gb_fixture_jpeg(gb_fixture_name("%s/1.jpg", parts[i]), 300, i < 2 ? 256 : 255, 3,
                        photograph);
    struct gb_dataset splits[GB_SPLITS];
    assert_error(load(gb_fixture_path(""), NULL, SIZE, splits), GB_BAD_INPUT, "val/1.jpg");
    assert_null(splits[GB_SPLIT_TRAIN].source);
    gb_fixture_jpeg("images/val/1.jpg", 300, 256, 3, photograph);
    assert_ok(load(gb_fixture_path(""), NULL, SIZE, splits));
    assert_int_equal(splits[GB_SPLIT_TRAIN].count, 2);
    assert_string_equal(splits[GB_SPLIT_TEST].names[0], "val/1.jpg");
    free_splits(splits);
}

// No denoising on the central crops of the 68 published images.
GB_TEST(scores_the_published_data) {
    const char *directory = gb_real_data("bsds500", (const char *[]){"bsds500.tar", NULL});
    const char *lists = gb_shared_data("splits");
    if (!directory || !lists)
        skip();
    struct gb_dataset splits[GB_SPLITS];
    assert_ok(load(directory, lists, 128, splits));
    assert_int_equal(splits[GB_SPLIT_TRAIN].count, 400);
    assert_int_equal(splits[GB_SPLIT_TEST].count, 68);
    assert_string_equal(splits[GB_SPLIT_TEST].names[0], "val/3096.jpg");
    const struct scores scores = score(&splits[GB_SPLIT_TEST], 2, 0.0f);
    assert_float_equal(metric(scores.metrics, "trivial_psnr"), 20.5, 0.3);
    free_scores(&scores);
    free_splits(splits);
}
