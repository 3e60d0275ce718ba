// SPDX-License-Identifier: MIT
// Superpixels, patches of similar colour, and how many of them a label map gets right: a
// segmentation score that tolerates boundaries that are a pixel off.
#ifndef GB_SUPERPIXELS_H
#define GB_SUPERPIXELS_H

#include <stdint.h>

#include "base/status.h"
#include "kernels/tensor.h"

struct gb_superpixels {
    int w, h, count;
    int *labels; // owned: h * w of 0 .. count - 1, which need not all occur
};

void gb_superpixels_free(struct gb_superpixels *superpixels);

// Reads a text file of h lines of w non-negative integers, as in LFW Part Labels. GB_BAD_INPUT with
// the file and line: missing, too many or too few numbers or lines, not a number, or not below w *
// h. On failure *superpixels holds nothing.
enum gb_status gb_superpixels_read(const char *path, int w, int h,
                                   struct gb_superpixels *superpixels);

// Defaults where published superpixels are missing; LFW's have 200 to 250 per image.
enum { GB_SLIC_COUNT = 225 };
#define GB_SLIC_COMPACTNESS 10.0

// Simple linear iterative clustering (Achanta et al. 2012) of one image of 3 channels in [0, 1]: a
// grid of about `count` centres, 10 rounds of k-means over the pixels within a grid step of each
// centre, with the squared distance
//   colour^2 + (compactness * position / step)^2,
// then disconnected parts become superpixels of their own, and those smaller than a quarter of the
// mean join the previous one in their row (or column, at the left edge). Colours are BT.601 luma
// and colour differences with black and white 100 apart, instead of CIELAB, whose cube roots differ
// between machines. Deterministic. GB_OUT_OF_MEMORY; then *superpixels holds nothing.
enum gb_status gb_slic(const struct gb_tensor *image, int count, double compactness,
                       struct gb_superpixels *superpixels);

struct gb_superpixel_counts {
    uint64_t right, all;
};

// Adds one image's non-empty superpixels to the counts: right are those whose most frequent class
// (the lower of equals) is the same in `prediction` and `truth`. Both are label maps
// (tasks/metrics/metrics.h) of one image, of any size: nearest neighbour. GB_OUT_OF_MEMORY.
enum gb_status gb_superpixels_score(const struct gb_superpixels *superpixels,
                                    const struct gb_tensor *truth,
                                    const struct gb_tensor *prediction, int classes,
                                    struct gb_superpixel_counts *counts);

#endif
