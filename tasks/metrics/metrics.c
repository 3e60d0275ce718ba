// SPDX-License-Identifier: MIT
#include "tasks/metrics/metrics.h"

struct gb_confusion gb_confusion_of(const struct gb_tensor *truth,
                                    const struct gb_tensor *prediction, int first, int count,
                                    int classes) {
    assert(gb_same_shape(truth, prediction) && truth->c == 1);
    assert(classes >= 2 && classes <= GB_LABEL_CLASSES);
    struct gb_confusion counts = {.classes = classes};
    const struct gb_tensor some = gb_images(truth, first, count);
    GB_EACH_ELEMENT(&some, at) {
        const int is = gb_class_of(*gb_element(&some, at), classes);
        const float said = *gb_at(prediction, first + at[0], at[1], at[2]);
        counts.pixels[is][gb_class_of(said, classes)]++;
    }
    return counts;
}

double gb_class_iou(const struct gb_confusion *counts, int class) {
    uint64_t either = 0;
    for (int other = 0; other < counts->classes; other++)
        either += counts->pixels[class][other] + counts->pixels[other][class];
    const uint64_t both = counts->pixels[class][class];
    return gb_count_share(both, either - both);
}

double gb_mean_iou(const struct gb_confusion *counts) {
    double sum = 0.0;
    for (int label = 0; label < counts->classes; label++)
        sum += gb_class_iou(counts, label);
    return sum / counts->classes;
}

double gb_pixel_accuracy(const struct gb_confusion *counts) {
    uint64_t right = 0, all = 0;
    for (int is = 0; is < counts->classes; is++) {
        right += counts->pixels[is][is];
        for (int said = 0; said < counts->classes; said++)
            all += counts->pixels[is][said];
    }
    return gb_count_share(right, all);
}

void gb_most_frequent(const struct gb_tensor *train, int classes, float *map) {
    assert(train->c == 1 && train->n >= 1 && classes <= GB_LABEL_CLASSES);
    for (int y = 0; y < train->h; y++)
        for (int x = 0; x < train->w; x++) {
            int counts[GB_LABEL_CLASSES] = {0}, most = 0;
            for (int n = 0; n < train->n; n++)
                counts[gb_class_of(*gb_at(train, n, y, x), classes)]++;
            for (int label = 1; label < classes; label++)
                most = counts[label] >= counts[most] ? label : most;
            map[y * train->w + x] = (float)most;
        }
}

struct gb_tensor gb_same_map(const float *map, int n, int h, int w) {
    struct gb_tensor same = gb_dense((float *)(uintptr_t)map, n, h, w, 1);
    same.image = 0;
    return same;
}

void gb_score_masks(const struct gb_tensor *truth, const struct gb_tensor *prediction,
                    struct gb_mask_scores *scores, double *per_image) {
    assert(truth->n >= 1);
    enum { BATCH = 10 };
    double batch_sum = 0.0;
    int batches = 0;
    for (int first = 0; first < truth->n; first += BATCH, batches++) {
        int count = truth->n - first < BATCH ? truth->n - first : BATCH;
        struct gb_confusion counts = gb_confusion_of(truth, prediction, first, count, 2);
        batch_sum += gb_mean_iou(&counts);
    }
    struct gb_confusion counts = gb_confusion_of(truth, prediction, 0, truth->n, 2);
    *scores = (struct gb_mask_scores){.foreground_iou = gb_class_iou(&counts, 1),
                                      .mean_iou = gb_mean_iou(&counts),
                                      .pixel_accuracy = gb_pixel_accuracy(&counts),
                                      .iou_batch10 = batch_sum / batches};
    for (int i = 0; per_image && i < truth->n; i++) {
        struct gb_confusion one = gb_confusion_of(truth, prediction, i, 1, 2);
        per_image[i] = gb_class_iou(&one, 1);
    }
}

void gb_score_trivial(const float *most, const struct gb_tensor *test,
                      struct gb_trivial_scores *scores) {
    const float nothing = 0.0f;
    const struct gb_tensor same_mask = gb_same_map(most, test->n, test->h, test->w);
    struct gb_tensor empty = gb_same_map(&nothing, test->n, test->h, test->w);
    empty.row = empty.pixel = 0;
    gb_score_masks(test, &same_mask, &scores->mean_mask, NULL);
    gb_score_masks(test, &empty, &scores->background, NULL);
}
