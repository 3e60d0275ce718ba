// SPDX-License-Identifier: MIT
// Scores of label maps: which class each pixel is of. Truth and prediction are one-channel tensors
// of the same shape; a value stands for the class nearest to it, halves for the upper one, beyond
// the last for the last, NaN for the first. A binary mask is a label map of two classes: 1, at
// least 0.5, is foreground. A tensor with image stride 0 predicts one map for every image.
#ifndef GB_METRICS_H
#define GB_METRICS_H

#include <stdint.h>

#include "kernels/tensor.h"

enum { GB_LABEL_CLASSES = 8 };

// The share of `whole` that `part` is; of nothing all.
static inline double gb_count_share(uint64_t part, uint64_t whole) {
    return whole ? (double)part / (double)whole : 1.0;
}

struct gb_confusion {
    int classes;                                         // 2 to GB_LABEL_CLASSES
    uint64_t pixels[GB_LABEL_CLASSES][GB_LABEL_CLASSES]; // by truth, by prediction
};

// The class that a value of a label map stands for.
static inline int gb_class_of(float value, int classes) {
    return !(value >= 0.5f)                 ? 0
           : value >= (float)classes - 0.5f ? classes - 1
                                            : (int)(value + 0.5f);
}

// Adds the pixels of all images to the counts.
void gb_confusion_add(struct gb_confusion *counts, const struct gb_tensor *truth,
                      const struct gb_tensor *prediction);

// Intersection over union of one class, and the mean over all. A class that is in neither truth nor
// prediction (an empty union) is fully right: 1.
double gb_class_iou(const struct gb_confusion *counts, int class);
double gb_mean_iou(const struct gb_confusion *counts);
// The share of pixels that are right; 1 where there are none.
double gb_pixel_accuracy(const struct gb_confusion *counts);

// The counts of `count` images from `first` on.
struct gb_confusion gb_confusion_of(const struct gb_tensor *truth,
                                    const struct gb_tensor *prediction, int first, int count,
                                    int classes);

// What a model must beat, blind to the image: the class that most of the maps of `train` have at a
// pixel, the upper of two that are alike, into h*w floats.
void gb_most_frequent(const struct gb_tensor *train, int classes, float *map);

// A view of `map`, h*w floats, as the prediction for n images, and one of a single class
// everywhere.
struct gb_tensor gb_same_map(const float *map, int n, int h, int w);
struct gb_tensor gb_same_class(const float *class, int n, int h, int w);

// ---- binary masks ----

struct gb_mask_scores {
    double foreground_iou, mean_iou, pixel_accuracy; // counts over the whole set
    // The c-Glow authors': mean IoU over the counts of each batch of 10 images in order, then the
    // mean over batches, a last smaller batch weighing as much.
    double iou_batch10;
};

// Scores a set of at least one image; `per_image` (NULL, or one entry an image) gets each image's
// own foreground IoU.
void gb_score_masks(const struct gb_tensor *truth, const struct gb_tensor *prediction,
                    struct gb_mask_scores *scores, double *per_image);

// What a model must beat: one mask for every image, blind to it.
struct gb_trivial_scores {
    struct gb_mask_scores background; // no foreground anywhere
    struct gb_mask_scores mean_mask; // foreground where at least half of the training masks have it
};

// The mean of the masks of `train` (n x h x w x 1) into h*w floats.
void gb_mean_mask(const struct gb_tensor *train, float *mean);

// Scores both on `test`; `mean` is what gb_mean_mask gave, h*w floats.
void gb_score_trivial(const float *mean, const struct gb_tensor *test,
                      struct gb_trivial_scores *scores);

#endif
