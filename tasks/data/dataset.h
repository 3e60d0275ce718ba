// SPDX-License-Identifier: MIT
// The examples of one split, in memory at the size that the model sees.
#ifndef GB_DATASET_H
#define GB_DATASET_H

#include <stdint.h>

#include "kernels/status.h"
#include "kernels/tensor.h"

enum gb_split { GB_SPLIT_TRAIN, GB_SPLIT_TEST, GB_SPLITS };

struct gb_dataset {
    int count;
    struct gb_tensor x; // inputs, count x h x w x c, in [0, 1]
    struct gb_tensor y; // targets as the data has them (a mask: one channel of 0 and 1), before any
                        // copying, shifting or noise that a model wants
    char **names;       // count names for people and lists, such as "horse001.jpg"
};

// Takes memory for `count` examples of the given x and y sizes: all zeros, no names (NULL).
// GB_OUT_OF_MEMORY.
enum gb_status gb_dataset_create(struct gb_dataset *dataset, int count, int x_h, int x_w, int x_c,
                                 int y_h, int y_w, int y_c);

// Sets the name of an example to a copy of `name`, in which '?' stands for what is not UTF-8. GB_OUT_OF_MEMORY.
enum gb_status gb_dataset_name(struct gb_dataset *dataset, int index, const char *name);

// A new data set of the examples indices[0..count) of `from`, copied.
enum gb_status gb_dataset_select(struct gb_dataset *dataset, const struct gb_dataset *from,
                                 const int *indices, int count);

// A hash of all pixels in order (names do not count): two sets that differ hardly ever share one.
uint64_t gb_dataset_hash(const struct gb_dataset *dataset);

// Frees what the data set holds and zeroes it; one that is all zeros is left alone.
void gb_dataset_free(struct gb_dataset *dataset);

// "train", "test".
const char *gb_split_name(enum gb_split split);

#endif
