// SPDX-License-Identifier: MIT
// Binary segmentations in the plane of precision and recall, inside a field of view. Truth, answers
// and masks are one-channel tensors of one shape; of truth, mask and a binary answer a value of at
// least 0.5 is a one. Where the mask is 0 nothing counts; a mask of NULL counts everything.
#ifndef GB_PRECISION_RECALL_H
#define GB_PRECISION_RECALL_H

#include <stdint.h>

#include "base/status.h"
#include "kernels/tensor.h"

// Pixels that an answer has and should have, should not have, and has not but should have.
struct gb_detections {
    uint64_t right, wrong, missed;
};

// Of an answer: the share of its ones that are right, the share of the true ones that it has, and
// their harmonic mean. Where it has no ones its precision is 1; where there are none to find its
// recall is 1.
struct gb_pr_point {
    double precision, recall, f_score;
};
struct gb_pr_point gb_pr_point_of(const struct gb_detections *counts);

// Adds the pixels of all images inside the mask to the counts.
void gb_detections_add(struct gb_detections *counts, const struct gb_tensor *truth,
                       const struct gb_tensor *answer, const struct gb_tensor *mask);

// How often soft answers, in [0, 1], come near each of `levels` values i / (levels - 1), by truth.
// For a mean of M binary samples M + 1 levels are exact.
struct gb_soft_counts {
    int levels;
    uint64_t *ones, *zeros; // of the truth, by level; owned
};
// levels >= 2. GB_OUT_OF_MEMORY.
enum gb_status gb_soft_counts_create(struct gb_soft_counts *counts, int levels);
void gb_soft_counts_free(struct gb_soft_counts *counts);
// Values beyond [0, 1] count as its ends.
void gb_soft_counts_add(struct gb_soft_counts *counts, const struct gb_tensor *truth,
                        const struct gb_tensor *soft, const struct gb_tensor *mask);

// The curve: points[i], i = 0 .. levels - 2, is the answer that holds what comes near level i + 1
// or a higher one. Recall falls with i.
void gb_pr_curve(const struct gb_soft_counts *counts, struct gb_pr_point *points);
// The place of the largest F-score on a curve of `count` points, the first of equals.
int gb_pr_best(const struct gb_pr_point *points, int count);

#endif
