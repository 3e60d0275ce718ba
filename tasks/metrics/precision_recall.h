// SPDX-License-Identifier: MIT
// Precision and recall of binary segmentations inside a field of view. Truth, predictions and masks
// are one-channel tensors of one shape; values of at least 0.5 are ones. Pixels where the mask is 0
// do not count; a NULL mask counts everything.
#ifndef GB_PRECISION_RECALL_H
#define GB_PRECISION_RECALL_H

#include <stdint.h>

#include "base/status.h"
#include "kernels/tensor.h"

// True positives, false positives and false negatives.
struct gb_detections {
    uint64_t right, wrong, missed;
};

// Precision is 1 without positives, recall is 1 without true ones.
struct gb_pr_point {
    double precision, recall, f_score;
};
struct gb_pr_point gb_pr_point_of(const struct gb_detections *counts);

// Adds the pixels of all images inside the mask to the counts.
void gb_detections_add(struct gb_detections *counts, const struct gb_tensor *truth,
                       const struct gb_tensor *prediction, const struct gb_tensor *mask);

// Histograms of soft predictions in [0, 1], by truth, rounded to `levels` values i / (levels - 1).
// For a mean of M binary samples, M + 1 levels are exact.
struct gb_soft_counts {
    int levels;
    uint64_t *ones, *zeros; // of the truth, by level; owned
};
// levels >= 2. GB_OUT_OF_MEMORY.
enum gb_status gb_soft_counts_create(struct gb_soft_counts *counts, int levels);
void gb_soft_counts_free(struct gb_soft_counts *counts);
// Values are clipped to [0, 1].
void gb_soft_counts_add(struct gb_soft_counts *counts, const struct gb_tensor *truth,
                        const struct gb_tensor *soft, const struct gb_tensor *mask);

// points[i], i = 0 .. levels - 2: predictions of at least level i + 1 are positive. Recall falls
// with i.
void gb_pr_curve(const struct gb_soft_counts *counts, struct gb_pr_point *points);
// The index of the largest F-score of a curve, the first of equals.
int gb_pr_best(const struct gb_pr_point *points, int count);

#endif
