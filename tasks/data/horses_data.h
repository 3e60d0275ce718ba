// SPDX-License-Identifier: MIT
// The Weizmann Horse Database (Borenstein and Ullman 2002) as it is published: FOLDER/rgb/NAME.jpg
// and a mask of the same name, FOLDER/figure_ground/NAME.jpg, 328 of each.
#ifndef GB_HORSES_DATA_H
#define GB_HORSES_DATA_H

#include "base/status.h"
#include "tasks/data/dataset.h"

// Without lists: the names in byte order, black images left out, are shuffled with this seed, and
// the first 200 train (all but one in three where there are fewer than 300). Some published images
// nearly repeat one another, and this split does not keep such groups on one side: for figures to
// compare with others', give lists.
enum { GB_HORSES_SPLIT_SEED = 1, GB_HORSES_TRAIN = 200 };

// Loads both splits (the array has GB_SPLITS entries) at source->size; free each with
// gb_dataset_free. source->split_directory holds horses_train.txt and horses_test.txt, a file name a
// line; blank lines and carriage returns are ignored. Examples stand in the order of their list, or
// in byte order of their names.
// - Image and mask differ in size in nearly every pair: each is resized on its own, see
//   tasks/images/resize.h. The mask, read as grey g in 0..255, is resized first and then cut: 1
//   where g > 127, else 0.
// - An image without a pixel above 15 of 255 in any channel is black and is left out wherever it
//   is named: rgb/horse318.jpg.
// - Files that no list names are not read.
// GB_BAD_INPUT with the file and the reason: a directory missing or empty, a mask missing, an image or
// mask that does not decode, a pair whose aspect ratios differ by more than 2 %, a list missing,
// empty, naming a file that is not there, or naming one twice, be it in both lists, and a split
// that is left with no image. On failure nothing is held.
enum gb_status gb_horses_load(const struct gb_source *source, struct gb_dataset splits[]);

#endif
