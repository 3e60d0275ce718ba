// SPDX-License-Identifier: MIT
// Scores of binary masks. Truth and prediction are one-channel tensors of the same shape; a value
// of at least 0.5 is foreground. A tensor with image stride 0 predicts one mask for every image.
#ifndef GB_METRICS_H
#define GB_METRICS_H

#include <stdint.h>

#include "kernels/tensor.h"

struct gb_confusion {
    uint64_t true_positive, false_positive, false_negative, true_negative; // pixels
};

// Adds the pixels of all images to the counts.
void gb_confusion_add(struct gb_confusion *counts, const struct gb_tensor *truth,
                      const struct gb_tensor *prediction);

// Intersection over union of the foreground, of the background, and their mean. A class that is in
// neither truth nor prediction (an empty union) is fully right: 1.
double gb_foreground_iou(const struct gb_confusion *counts);
double gb_background_iou(const struct gb_confusion *counts);
double gb_mean_iou(const struct gb_confusion *counts);
// The share of pixels that are right; 1 where there are none.
double gb_pixel_accuracy(const struct gb_confusion *counts);

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
