// SPDX-License-Identifier: MIT
// The Weizmann Horse Database (Borenstein and Ullman 2002) as published: DIR/rgb/NAME.jpg and masks
// DIR/figure_ground/NAME.jpg, 328 of each; or in other formats (GB_IMAGE_ENDINGS), also masks in
// another one than their images. Or images and masks of any two directories (source->directory,
// source->masks), which match by name, except for the ending.
#ifndef GB_HORSES_DATA_H
#define GB_HORSES_DATA_H

#include "base/status.h"
#include "tasks/data/dataset.h"

// Without lists, the names in byte order, except black images, are shuffled with this seed and the
// first 200 train (two in three if there are fewer than 300, and of one's own images). Some
// published images nearly repeat one another across this split: use lists for figures to compare
// with others'.
enum { GB_HORSES_SPLIT_SEED = 1, GB_HORSES_TRAIN = 200 };

// Loads both splits (GB_SPLITS entries) at source->size x source->width into memory; free each with
// gb_dataset_free. source->split_directory holds horses_train.txt and horses_test.txt, one file
// name per line. Examples are in the order of their list, or in byte order.
// - Images and masks differ in size: each is resized on its own (tasks/images/resize.h), the mask
//   as grey (tasks/data/masks.h) and then thresholded: 1 above 127 of 255.
// - Black images (no channel above 15 of 255: rgb/horse318.jpg) are left out even if listed.
// GB_BAD_INPUT with the file and the reason: a directory missing or empty, an image or mask missing
// or damaged, aspect ratios that differ by more than 2 %, a list missing, empty, or with an unknown
// or repeated name, an empty split or one of uniform masks. On failure nothing is held.
enum gb_status gb_horses_load(const struct gb_source *source, struct gb_dataset splits[]);

#endif
