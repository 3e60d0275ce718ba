// SPDX-License-Identifier: MIT
// Scores of label maps. Truth and prediction are one-channel tensors
// of the same shape; a value is rounded to the nearest class, halves up, clipped to the last, NaN
// to the first. A binary mask is a label map of two classes: 1 is foreground. A tensor with image
// stride 0 is one map for all images.
#ifndef GB_METRICS_H
#define GB_METRICS_H

#include <stdint.h>

#include "kernels/tensor.h"

enum { GB_LABEL_CLASSES = 8 };

// part / whole; 1 if whole is 0.
static inline double gb_count_share(uint64_t part, uint64_t whole) {
    return whole ? (double)part / (double)whole : 1.0;
}

struct gb_confusion {
    int classes;                                         // 2 to GB_LABEL_CLASSES
    uint64_t pixels[GB_LABEL_CLASSES][GB_LABEL_CLASSES]; // by truth, by prediction
};

// The class of a value of a label map.
static inline int gb_class_of(float value, int classes) {
    return !(value >= 0.5f)                 ? 0
           : value >= (float)classes - 0.5f ? classes - 1
                                            : (int)(value + 0.5f);
}

// The counts of `count` images from `first` on.
struct gb_confusion gb_confusion_of(const struct gb_tensor *truth,
                                    const struct gb_tensor *prediction, int first, int count,
                                    int classes);

// Intersection over union of one class, and the mean over all; 1 for an empty union.
double gb_class_iou(const struct gb_confusion *counts, int class);
double gb_mean_iou(const struct gb_confusion *counts);
// The share of correct pixels; 1 if there are none.
double gb_pixel_accuracy(const struct gb_confusion *counts);

// The most frequent class of each pixel in `train`, the upper of equals, into h*w floats: a trivial
// baseline.
void gb_most_frequent(const struct gb_tensor *train, int classes, float *map);

// A view of `map`, h*w floats, as a prediction for n images.
struct gb_tensor gb_same_map(const float *map, int n, int h, int w);

// ---- binary masks ----

struct gb_mask_scores {
    double foreground_iou, mean_iou, pixel_accuracy; // counts over the whole set
    // The c-Glow authors': mean IoU of each batch of 10 images in order, averaged over batches,
    // the last of which may be smaller.
    double iou_batch10;
};

// Scores a set of at least one image; `per_image` (NULL, or one entry an image) gets each image's
// own foreground IoU.
void gb_score_masks(const struct gb_tensor *truth, const struct gb_tensor *prediction,
                    struct gb_mask_scores *scores, double *per_image);

// Trivial baselines: one mask for all images.
struct gb_trivial_scores {
    struct gb_mask_scores background; // no foreground anywhere
    struct gb_mask_scores mean_mask; // foreground where at least half of the training masks have it
};

// Scores both on `test`; `most` is what gb_most_frequent gave for the training masks.
void gb_score_trivial(const float *most, const struct gb_tensor *test,
                      struct gb_trivial_scores *scores);

#endif
