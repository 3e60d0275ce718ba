// SPDX-License-Identifier: MIT
// Synthetic horse-like images and their masks: an articulated animal in a landscape of trees, rocks
// and fences whose colours overlap with the animal's, so that brightness alone does not find it.
// Scores on them say nothing about real data.
#ifndef GB_SYNTHETIC_HORSES_H
#define GB_SYNTHETIC_HORSES_H

#include <stdint.h>

#include "base/status.h"
#include "tasks/synthetic/synthetic.h"

// The data set of the horses task where no directory is given.
enum { GB_SYNTHETIC_HORSES_TRAIN = 200, GB_SYNTHETIC_HORSES_TEST = 64 };

// Both splits, as gb_synthetic_load: images of size x size pixels and masks of 0 and 1. The
// composition depends on (seed, index), the pixels also on the size; bitwise identical on every
// machine. A mask pixel is 1 where at least half of it is covered.
enum gb_status gb_synthetic_horses_load(uint64_t seed, int size, int train_count, int test_count,
                                        int threads, struct gb_dataset splits[]);

#endif
