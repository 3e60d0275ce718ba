// SPDX-License-Identifier: MIT
// An image of the precision-recall plane, recall to the right and precision upwards, both from 0 to
// 1: lines of equal F-score, curves and single points (CNF, Figure 5).
#ifndef GB_PR_PLANE_H
#define GB_PR_PLANE_H

#include "tasks/metrics/precision_recall.h"

// Fills an image of three channels with white, a frame, and the lines of F-scores 0.1, 0.2 ... 0.9.
void gb_pr_plane_clear(const struct gb_tensor *plane);
// Draws a disc of `radius` pixels around each point.
void gb_pr_plane_dots(const struct gb_tensor *plane, const struct gb_pr_point *points, int count,
                      int radius, const float colour[static 3]);

#endif
