// SPDX-License-Identifier: MIT
#include <math.h>

#include "tasks/metrics/metrics.h"
#include "tests/support/test.h"

static void assert_close(double value, double expected) {
    if (!(fabs(value - expected) < 1e-12))
        fail_msg("%.15g, expected %.15g", value, expected);
}

GB_TEST(counts_pixels_by_hand) {
    float truth[6] = {1, 1, 1, 0, 0, 0}, prediction[6] = {0.5f, 0.9f, 0.49f, 1, 0, 0.2f};
    struct gb_tensor t = gb_dense(truth, 1, 2, 3, 1), p = gb_dense(prediction, 1, 2, 3, 1);
    struct gb_confusion counts = gb_confusion_of(&t, &p, 0, 1, 2);
    assert_int_equal(counts.pixels[1][1], 2);
    assert_int_equal(counts.pixels[1][0], 1);
    assert_int_equal(counts.pixels[0][1], 1);
    assert_int_equal(counts.pixels[0][0], 2);
    assert_close(gb_class_iou(&counts, 1), 2.0 / 4);
    assert_close(gb_class_iou(&counts, 0), 2.0 / 4);
    assert_close(gb_mean_iou(&counts), 0.5);
    assert_close(gb_pixel_accuracy(&counts), 4.0 / 6);
}

GB_TEST(counts_three_classes_by_hand) {
    float truth[8] = {0, 0, 0, 1, 1, 2, 2, 2}, prediction[8] = {0, 0, 1, 1, 2, 2, 2.4f, 0.49f};
    struct gb_tensor t = gb_dense(truth, 1, 2, 4, 1), p = gb_dense(prediction, 1, 2, 4, 1);
    struct gb_confusion counts = gb_confusion_of(&t, &p, 0, 1, 3);
    assert_close(gb_class_iou(&counts, 0), 2.0 / 4);
    assert_close(gb_class_iou(&counts, 1), 1.0 / 3);
    assert_close(gb_class_iou(&counts, 2), 2.0 / 4);
    assert_close(gb_mean_iou(&counts), (0.5 + 1.0 / 3 + 0.5) / 3);
    assert_close(gb_pixel_accuracy(&counts), 5.0 / 8);
    assert_int_equal(gb_class_of(-3.0f, 3), 0);
    assert_int_equal(gb_class_of(1.5f, 3), 2);
    assert_int_equal(gb_class_of(1e30f, 3), 2);
    assert_int_equal(gb_class_of(NAN, 3), 0);
}

GB_TEST(the_most_frequent_class_by_hand) {
    float train[3 * 4] = {0, 1, 2, 1, 0, 1, 2, 2, 2, 0, 1, 0}, map[4];
    struct gb_tensor t = gb_dense(train, 3, 1, 4, 1);
    gb_most_frequent(&t, 3, map);
    const float expected[4] = {0, 1, 2, 2}; // of three that are alike the last
    for (int i = 0; i < 4; i++)
        assert_true(map[i] == expected[i]);
}

GB_TEST(an_empty_class_is_right) {
    float nothing[4] = {0};
    struct gb_tensor t = gb_dense(nothing, 1, 2, 2, 1);
    struct gb_mask_scores scores;
    double per_image;
    gb_score_masks(&t, &t, &scores, &per_image);
    assert_close(scores.foreground_iou, 1.0);
    assert_close(scores.mean_iou, 1.0);
    assert_close(scores.pixel_accuracy, 1.0);
    assert_close(per_image, 1.0);
}

// Twelve images of one pixel row: ten wholly right ones, then a batch of two.
GB_TEST(batches_of_ten_weigh_alike) {
    enum { N = 12, W = 4 };
    float truth[N * W], prediction[N * W];
    for (int i = 0; i < N * W; i++)
        truth[i] = prediction[i] = i % W < 2 ? 1.0f : 0.0f;
    prediction[10 * W] = 0.0f; // image 10 misses one of two
    struct gb_tensor t = gb_dense(truth, N, 1, W, 1), p = gb_dense(prediction, N, 1, W, 1);
    struct gb_mask_scores scores;
    double per_image[N];
    gb_score_masks(&t, &p, &scores, per_image);
    assert_close(scores.foreground_iou, 23.0 / 24);
    assert_close(scores.mean_iou, (23.0 / 24 + 24.0 / 25) / 2);
    assert_close(scores.pixel_accuracy, 47.0 / 48);
    assert_close(scores.iou_batch10, (1.0 + (3.0 / 4 + 4.0 / 5) / 2) / 2);
    assert_close(per_image[9], 1.0);
    assert_close(per_image[10], 0.5);
    assert_close(per_image[11], 1.0);
}

GB_TEST(reads_views_with_strides) {
    float wide[2 * 3 * 2] = {1, 9, 0, 9, 1, 9, 0, 9, 1, 9, 0, 9}, dense[6] = {1, 0, 1, 0, 1, 0};
    struct gb_tensor all = gb_dense(wide, 2, 1, 3, 2);
    struct gb_tensor t = gb_channels(&all, 0, 1), p = gb_dense(dense, 2, 1, 3, 1);
    struct gb_mask_scores scores;
    gb_score_masks(&t, &p, &scores, NULL);
    assert_close(scores.mean_iou, 1.0);
}

GB_TEST(trivial_predictors_by_hand) {
    float train[3 * 4] = {1, 1, 0, 0, 1, 0, 0, 0, 1, 1, 0, 1}; // means 1, 2/3, 0, 1/3
    float test[2 * 4] = {1, 0, 0, 0, 1, 1, 1, 0};
    struct gb_tensor tr = gb_dense(train, 3, 1, 4, 1), te = gb_dense(test, 2, 1, 4, 1);
    float most[4];
    struct gb_trivial_scores scores;
    gb_most_frequent(&tr, 2, most);
    gb_score_trivial(most, &te, &scores);
    assert_close(scores.background.foreground_iou, 0.0);
    assert_close(scores.background.mean_iou, 0.25);
    assert_close(scores.background.pixel_accuracy, 0.5);
    assert_close(scores.mean_mask.foreground_iou, 3.0 / 5); // predicts the first two pixels
    assert_close(scores.mean_mask.pixel_accuracy, 6.0 / 8);
}
