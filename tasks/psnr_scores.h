// SPDX-License-Identifier: MIT
// The scores of tasks that are measured by PSNR.
#ifndef GB_PSNR_SCORES_H
#define GB_PSNR_SCORES_H

#include "tasks/task.h"

enum { GB_PSNR_METHODS = 4 };

struct gb_psnr_scores {
    const char *task; // in messages
    // Names of metrics, at most GB_PSNR_METHODS, ended by NULL: the prediction's, then the
    // baselines', of which the best is "trivial_psnr".
    const char *const *names;
    // The PSNR of each on example `index`; false where the example has nothing to score. `room` is
    // a buffer with the shape of an example.
    bool (*score)(const struct gb_predictions *predictions, int index,
                  const struct gb_example *room, double psnr[static GB_PSNR_METHODS]);
};

// Sets each image's scores, and their means over the images that have any. GB_BAD_INPUT if none
// has; otherwise fails as a task's `score`.
enum gb_status gb_psnr_scores_set(const struct gb_psnr_scores *scores,
                                  const struct gb_predictions *predictions, json_t *metrics,
                                  json_t *per_image);

#endif
