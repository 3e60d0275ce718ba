// SPDX-License-Identifier: MIT
// Synthetic fundus images with their vessels: trees that start at an optic disc, branch and taper,
// in uneven light, with a dark macula, spots and texture. Scores on them say nothing about real
// data.
#ifndef GB_FUNDUS_H
#define GB_FUNDUS_H

#include "tasks/data/vessels_data.h"
#include "tasks/synthetic/synthetic.h"

// The vessels task's generated data: images of GB_FUNDUS_SIZE pixels a side.
enum {
    GB_FUNDUS_SIZE = 128,
    GB_FUNDUS_TRAIN = 64,
    GB_FUNDUS_TEST = 16,
};

// Image `index` of `seed`, size x size pixels. The composition depends on (seed, index), the pixels
// also on the size; bitwise identical on every machine. In the first observer's mask, a pixel is 1
// if at least half covered; the second observer misses some thin vessels and sees slightly
// different widths. GB_OUT_OF_MEMORY, GB_BAD_INPUT for a size below 1.
enum gb_status gb_fundus_draw(uint64_t seed, uint32_t index, int size,
                              struct gb_vessel_image *picture);

// Both splits (GB_SPLITS entries) with these counts (1 to 2^20) of images of `side` pixels, as
// examples of windows (gb_vessels_hold), named "fundus0000000" by index; the result does not depend
// on source->threads. GB_OUT_OF_MEMORY.
enum gb_status gb_fundus_load(uint64_t seed, int side, int train_count, int test_count,
                              const struct gb_source *source, struct gb_dataset splits[]);

#endif
