// SPDX-License-Identifier: MIT
// Superpixels, patches of pixels of like colour, and how many of them a label map gets right. A
// segmentation that is scored by superpixels pays little for a boundary that lies a pixel off.
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

// Reads a text file of h lines of w integers from 0 on, with blanks between, as the LFW Part
// Labels Database has them. GB_BAD_INPUT with the file and line: missing, a line of more or fewer
// numbers, one that is none or beyond w * h - 1, too many or too few lines. On failure *superpixels
// holds nothing.
enum gb_status gb_superpixels_read(const char *path, int w, int h,
                                   struct gb_superpixels *superpixels);

// What stands in for published superpixels, of which LFW has 200 to 250 an image.
enum { GB_SLIC_COUNT = 225 };
#define GB_SLIC_COMPACTNESS 10.0

// Simple linear iterative clustering (Achanta et al. 2012) of one image of 3 channels in [0, 1]: a
// grid of about `count` centres, 10 rounds of k-means over the pixels within a grid's step around
// each centre by the squared distance
//   colour^2 + (compactness * place / step)^2,
// then patches that are not in one piece are cut apart, and pieces smaller than a quarter of the
// mean join the one before them in their row (or column, at the left edge). Colours are BT.601 luma
// and colour differences with black and white 100 apart, instead of CIELAB, whose cube roots
// machines do not round alike; centres start where the grid has them. The labels depend on nothing
// but the arguments. GB_OUT_OF_MEMORY; then *superpixels holds nothing.
enum gb_status gb_slic(const struct gb_tensor *image, int count, double compactness,
                       struct gb_superpixels *superpixels);

struct gb_superpixel_counts {
    uint64_t right, all;
};

// Adds the superpixels of one image that have any pixel to the counts: right are those of which
// `prediction` and `truth` most often say the same class, the lower one where two are as often.
// Both are label maps (tasks/metrics/metrics.h) of one image, of any size: a superpixel's pixel
// takes its nearest (tasks/images/resize.h). GB_OUT_OF_MEMORY.
enum gb_status gb_superpixels_score(const struct gb_superpixels *superpixels,
                                    const struct gb_tensor *truth,
                                    const struct gb_tensor *prediction, int classes,
                                    struct gb_superpixel_counts *counts);

#endif
