// SPDX-License-Identifier: MIT
#include "tasks/metrics/pr_plane.h"
#include "tasks/metrics/precision_recall.h"
#include "tests/support/test.h"

enum { H = 2, W = 4 };

static struct gb_tensor image(float *values) {
    return gb_dense(values, 1, H, W, 1);
}

static float truth_values[] = {1, 1, 1, 0, 0, 0, 0, 1};
static float soft_values[] = {1, 0.75f, 0.25f, 0.75f, 0, 0, 0.25f, 1};
static float mask_values[] = {1, 1, 1, 1, 1, 1, 1, 0};

static void assert_point(struct gb_pr_point point, double precision, double recall) {
    assert_float_equal(point.precision, precision, 1e-12);
    assert_float_equal(point.recall, recall, 1e-12);
    assert_float_equal(point.f_score, 2 * precision * recall / (precision + recall), 1e-12);
}

GB_TEST(counts_inside_the_mask) {
    struct gb_tensor truth = image(truth_values), soft = image(soft_values),
                     mask = image(mask_values);
    struct gb_detections inside = {0}, all = {0};
    gb_detections_add(&inside, &truth, &soft, &mask);
    assert_int_equal(inside.right, 2);
    assert_int_equal(inside.wrong, 1);
    assert_int_equal(inside.missed, 1);
    assert_point(gb_pr_point_of(&inside), 2.0 / 3, 2.0 / 3);
    gb_detections_add(&all, &truth, &soft, NULL);
    assert_int_equal(all.right, 3);
    assert_point(gb_pr_point_of(&all), 3.0 / 4, 3.0 / 4);
}

GB_TEST(computes_the_curve_of_all_thresholds) {
    enum { LEVELS = 5 }; // a mean of four samples
    struct gb_tensor truth = image(truth_values), soft = image(soft_values),
                     mask = image(mask_values);
    struct gb_soft_counts counts;
    struct gb_pr_point points[LEVELS - 1];
    assert_ok(gb_soft_counts_create(&counts, LEVELS));
    gb_soft_counts_add(&counts, &truth, &soft, &mask);
    gb_pr_curve(&counts, points);
    assert_point(points[0], 3.0 / 5, 1);       // at least a quarter
    assert_point(points[1], 2.0 / 3, 2.0 / 3); // a half
    assert_point(points[2], 2.0 / 3, 2.0 / 3); // three quarters
    assert_point(points[3], 1, 1.0 / 3);       // all four
    assert_int_equal(gb_pr_best(points, LEVELS - 1), 0);
    gb_soft_counts_free(&counts);
}

// Counts of several images are those of one large image, and a level's point is that of the answer
// cut there.
GB_TEST(adds_images_up) {
    enum { LEVELS = 3, IMAGES = 2 };
    float truths[IMAGES * H * W], softs[IMAGES * H * W];
    for (int i = 0; i < IMAGES * H * W; i++) {
        truths[i] = i % 3 == 0;
        softs[i] = (float)(i * 5 % 3) / 2;
    }
    struct gb_tensor truth = gb_dense(truths, IMAGES, H, W, 1),
                     soft = gb_dense(softs, IMAGES, H, W, 1);
    struct gb_soft_counts counts;
    struct gb_pr_point points[LEVELS - 1];
    assert_ok(gb_soft_counts_create(&counts, LEVELS));
    for (int n = 0; n < IMAGES; n++) {
        struct gb_tensor one_truth = gb_images(&truth, n, 1), one_soft = gb_images(&soft, n, 1);
        gb_soft_counts_add(&counts, &one_truth, &one_soft, NULL);
    }
    gb_pr_curve(&counts, points);
    struct gb_detections cut = {0};
    gb_detections_add(&cut, &truth, &soft, NULL);
    struct gb_pr_point expected = gb_pr_point_of(&cut);
    assert_point(points[0], expected.precision, expected.recall);
    gb_soft_counts_free(&counts);
}

GB_TEST(empty_predictions_are_precise) {
    const struct gb_detections none = {.missed = 3}, nothing = {0};
    assert_true(gb_pr_point_of(&none).precision == 1 && gb_pr_point_of(&none).f_score == 0);
    assert_true(gb_pr_point_of(&nothing).f_score == 1);
}

// Recall to the right, precision upwards, lines of equal F-score below their ends.
GB_TEST(renders_the_plane) {
    enum { S = 101 };
    static float values[S * S * 3];
    const struct gb_tensor plane = gb_dense(values, 1, S, S, 3);
    const float ink[3] = {0, 0, 0};
    const struct gb_pr_point right = {1, 1, 1}, cautious = {1, 0.25, 0.4};
    gb_pr_plane_clear(&plane);
    assert_true(gb_at(&plane, 0, 30, 30)[0] == 1);
    // F-score 0.5 at precision and recall 0.5.
    assert_true(gb_at(&plane, 0, 50, 50)[0] < gb_at(&plane, 0, 50, 50)[1]);
    gb_pr_plane_dots(&plane, &right, 1, 0, ink);
    gb_pr_plane_dots(&plane, &cautious, 1, 1, ink);
    assert_true(gb_at(&plane, 0, 0, 100)[1] == 0);
    assert_true(gb_at(&plane, 0, 0, 25)[1] == 0);
    assert_true(gb_at(&plane, 0, 1, 25)[1] == 0);
    assert_true(gb_at(&plane, 0, 1, 24)[1] != 0);
}
