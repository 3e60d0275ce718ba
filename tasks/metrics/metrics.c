// SPDX-License-Identifier: MIT
#include "tasks/metrics/metrics.h"

void gb_confusion_add(struct gb_confusion *counts, const struct gb_tensor *truth,
                      const struct gb_tensor *prediction) {
    assert(gb_same_shape(truth, prediction) && truth->c == 1);
    uint64_t pixels[2][2] = {{0}}; // by truth, by prediction
    for (int n = 0; n < truth->n; n++)
        for (int y = 0; y < truth->h; y++)
            for (int x = 0; x < truth->w; x++)
                pixels[*gb_at(truth, n, y, x) >= 0.5f][*gb_at(prediction, n, y, x) >= 0.5f]++;
    counts->true_positive += pixels[1][1];
    counts->false_positive += pixels[0][1];
    counts->false_negative += pixels[1][0];
    counts->true_negative += pixels[0][0];
}

static double share(uint64_t part, uint64_t whole) {
    return whole ? (double)part / (double)whole : 1.0;
}

double gb_foreground_iou(const struct gb_confusion *counts) {
    return share(counts->true_positive,
                 counts->true_positive + counts->false_positive + counts->false_negative);
}

double gb_background_iou(const struct gb_confusion *counts) {
    return share(counts->true_negative,
                 counts->true_negative + counts->false_positive + counts->false_negative);
}

double gb_mean_iou(const struct gb_confusion *counts) {
    return (gb_foreground_iou(counts) + gb_background_iou(counts)) / 2.0;
}

double gb_pixel_accuracy(const struct gb_confusion *counts) {
    uint64_t right = counts->true_positive + counts->true_negative;
    return share(right, right + counts->false_positive + counts->false_negative);
}

static struct gb_confusion confusion_of(const struct gb_tensor *truth,
                                        const struct gb_tensor *prediction, int first, int count) {
    struct gb_tensor some_truth = gb_images(truth, first, count);
    struct gb_tensor some_prediction = gb_images(prediction, first, count);
    struct gb_confusion counts = {0};
    gb_confusion_add(&counts, &some_truth, &some_prediction);
    return counts;
}

void gb_score_masks(const struct gb_tensor *truth, const struct gb_tensor *prediction,
                    struct gb_mask_scores *scores, double *per_image) {
    assert(truth->n >= 1);
    enum { BATCH = 10 };
    double batch_sum = 0.0;
    int batches = 0;
    for (int first = 0; first < truth->n; first += BATCH, batches++) {
        int count = truth->n - first < BATCH ? truth->n - first : BATCH;
        struct gb_confusion counts = confusion_of(truth, prediction, first, count);
        batch_sum += gb_mean_iou(&counts);
    }
    struct gb_confusion counts = confusion_of(truth, prediction, 0, truth->n);
    *scores = (struct gb_mask_scores){.foreground_iou = gb_foreground_iou(&counts),
                                      .mean_iou = gb_mean_iou(&counts),
                                      .pixel_accuracy = gb_pixel_accuracy(&counts),
                                      .iou_batch10 = batch_sum / batches};
    for (int i = 0; per_image && i < truth->n; i++) {
        struct gb_confusion one = confusion_of(truth, prediction, i, 1);
        per_image[i] = gb_foreground_iou(&one);
    }
}

void gb_mean_mask(const struct gb_tensor *train, float *mean) {
    assert(train->c == 1 && train->n >= 1);
    for (int y = 0; y < train->h; y++)
        for (int x = 0; x < train->w; x++) {
            double sum = 0.0;
            for (int n = 0; n < train->n; n++)
                sum += *gb_at(train, n, y, x);
            mean[y * train->w + x] = (float)(sum / train->n);
        }
}

void gb_score_trivial(const float *mean, const struct gb_tensor *test,
                      struct gb_trivial_scores *scores) {
    // A view that shows the same memory for every image and, without foreground, every row and
    // pixel.
    struct gb_tensor same_mask = gb_dense((float *)(uintptr_t)mean, test->n, test->h, test->w, 1);
    same_mask.image = 0;
    float nothing = 0.0f;
    struct gb_tensor empty = gb_dense(&nothing, test->n, test->h, test->w, 1);
    empty.image = empty.row = empty.pixel = 0;
    gb_score_masks(test, &same_mask, &scores->mean_mask, NULL);
    gb_score_masks(test, &empty, &scores->background, NULL);
}
