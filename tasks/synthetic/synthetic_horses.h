// SPDX-License-Identifier: MIT
// Horse-like pictures and their masks, drawn by rule: an articulated animal in a landscape of
// trees, rocks and fences whose colours overlap with the animal's, so that brightness alone does
// not find it. It stands in where the real data set is not at hand; scores on it say nothing about
// the real one.
#ifndef GB_SYNTHETIC_HORSES_H
#define GB_SYNTHETIC_HORSES_H

#include <stdint.h>

#include "base/status.h"
#include "tasks/synthetic/synthetic.h"

// The data set of the horses task where no directory is given.
enum { GB_SYNTHETIC_HORSES_TRAIN = 200, GB_SYNTHETIC_HORSES_TEST = 64 };

// Draws example `index` of `seed`: image size x size x 3 in [0, 1], mask size x size of 0 and 1,
// both dense. The composition is a function of (seed, index), the pixels of these and the size, bit
// for bit on every machine. A mask pixel is 1 where at least half of it is covered.
void gb_synthetic_horse(uint64_t seed, uint32_t index, int size, float *image, float *mask);

// Both splits, as gb_synthetic_load.
enum gb_status gb_synthetic_horses_load(uint64_t seed, int size, int train_count, int test_count,
                                        int threads, struct gb_dataset splits[]);

#endif
