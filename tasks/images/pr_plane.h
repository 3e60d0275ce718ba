// SPDX-License-Identifier: MIT
// The plane of recall (to the right) and precision (upwards), both from 0 to 1, as an image for
// people: lines of equal F-score, a curve and single answers (CNF, Figure 5).
#ifndef GB_PR_PLANE_H
#define GB_PR_PLANE_H

#include "tasks/metrics/precision_recall.h"

// Paints one image of three channels white, with a frame and the lines of F-scores 0.1, 0.2 ...
// 0.9.
void gb_pr_plane_clear(const struct gb_tensor *plane);
// Discs of a radius in pixels around each of `count` points.
void gb_pr_plane_dots(const struct gb_tensor *plane, const struct gb_pr_point *points, int count,
                      int radius, const float colour[static 3]);

#endif
