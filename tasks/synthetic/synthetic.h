// SPDX-License-Identifier: MIT
// Generated data sets: both splits of one.
#ifndef GB_SYNTHETIC_H
#define GB_SYNTHETIC_H

#include "tasks/data/dataset.h"

// The seed of the tasks' generated data.
enum { GB_SYNTHETIC_SEED = 1 };

// Index of a data set's first test example; training starts at 0.
enum { GB_SYNTHETIC_TEST_FIRST = 1 << 20 };

struct gb_synthetic {
    const char *name; // for messages: "horses"
    struct gb_example_shape shape;
    int counts[GB_SPLITS]; // 1 to 2^20 each
    // Example `index` of `seed`, dense views of the shape; bitwise identical on every machine.
    // Thread-safe.
    void (*draw)(uint64_t seed, uint32_t index, const struct gb_example *example);
};

// Both splits (GB_SPLITS entries) in memory, named "synthetic0000000" by index; the result does not
// depend on `threads`. GB_OUT_OF_MEMORY.
enum gb_status gb_synthetic_load(const struct gb_synthetic *synthetic, uint64_t seed, int threads,
                                 struct gb_dataset splits[]);

#endif
