// SPDX-License-Identifier: MIT
// Data sets that are drawn by rule: both splits of one, whatever it shows.
#ifndef GB_SYNTHETIC_H
#define GB_SYNTHETIC_H

#include "tasks/data/dataset.h"

// The seed of the data sets of tasks that are given no directory.
enum { GB_SYNTHETIC_SEED = 1 };

// Index of a data set's first test example; training starts at 0.
enum { GB_SYNTHETIC_TEST_FIRST = 1 << 20 };

struct gb_synthetic {
    const char *name; // for messages: "horses"
    struct gb_example_shape shape;
    int counts[GB_SPLITS]; // 1 to 2^20 each
    // Draws example `index` of `seed`, dense views of the shape: a function of its arguments alone,
    // bit for bit on every machine. Safe on many threads at once.
    void (*draw)(uint64_t seed, uint32_t index, const struct gb_example *example);
};

// Both splits (the array has GB_SPLITS entries), drawn on `threads` threads, on which nothing
// depends, and held in memory; named "synthetic0000000" by index. GB_BAD_INPUT, GB_OUT_OF_MEMORY.
enum gb_status gb_synthetic_load(const struct gb_synthetic *synthetic, uint64_t seed, int threads,
                                 struct gb_dataset splits[]);

#endif
