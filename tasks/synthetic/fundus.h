// SPDX-License-Identifier: MIT
// Image-like pictures of the retina and their vessels, drawn by rule: trees that leave an
// optic disc, branch and taper, in uneven light, with a dark macula, spots and texture. They stand
// in where no real data set is at hand; scores on them say nothing about the real ones.
#ifndef GB_FUNDUS_H
#define GB_FUNDUS_H

#include "tasks/data/vessels_data.h"
#include "tasks/synthetic/synthetic.h"

// The data set of the vessels task where no directory is given: pictures of GB_FUNDUS_SIZE pixels a
// side.
enum {
    GB_FUNDUS_SIZE = 128,
    GB_FUNDUS_TRAIN = 64,
    GB_FUNDUS_TEST = 16,
};

// Draws picture `index` of `seed`, size x size pixels. The composition is a function of (seed,
// index), the pixels of these and the size, bit for bit on every machine. The first observer's mask
// is what was drawn, a pixel being 1 where at least half of it is covered; the second observer
// overlooks some thin vessels and sees widths a little differently. GB_OUT_OF_MEMORY, GB_BAD_INPUT
// for a size below 1.
enum gb_status gb_fundus_draw(uint64_t seed, uint32_t index, int size,
                              struct gb_vessel_image *picture);

// Both splits (the array has GB_SPLITS entries) with the given numbers of pictures, 1 to 2^20 each,
// of `side` pixels, as examples of windows as `source` has them (gb_vessels_hold); named
// "fundus0000000" by index; drawn on source->threads threads, on which nothing depends.
// GB_BAD_INPUT, GB_OUT_OF_MEMORY.
enum gb_status gb_fundus_load(uint64_t seed, int side, int train_count, int test_count,
                              const struct gb_source *source, struct gb_dataset splits[]);

#endif
