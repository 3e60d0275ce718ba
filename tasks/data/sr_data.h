// SPDX-License-Identifier: MIT
// Images for super-resolution by two (CNF paper, section 5.1): the high resolution, cut at the
// right and below to even sides, and the low one, which is what MATLAB's bicubic reduction with
// antialiasing leaves of it in whole levels (GB_BICUBIC of tasks/images/resize.h; the published
// low-resolution images of Set5 and Set14 are these, level for level). Pixels are levels / 256, in
// [0, 255/256], as the paper's authors have them; grey images have three equal channels.
//
// Images of a directory train beside their halves, as ImageNet32 and ImageNet64 are reduced
// images. JPEG keeps colours at half the resolution: a flow that had seen whole JPEG
// images only found 12 to 17 bits per dimension in Set5's head, whose colours are noisy, 2.9
// in images like its own.
#ifndef GB_SR_DATA_H
#define GB_SR_DATA_H

#include "tasks/data/dataset.h"

// Loads both splits (the array has GB_SPLITS entries) from where gb_sr_read finds them; free each
// with gb_dataset_free. An example of the training split is a source->size x source->size patch of
// a image, or of the half of one whose sides are four patches long at least, drawn by the key
// at even coordinates, and the same part of the image's low resolution; one of the test split
// a whole image. Fails as gb_sr_read does, and where the size is odd; then nothing is held.
enum gb_status gb_sr_load(const struct gb_source *source, struct gb_dataset splits[]);

// Parts of a test split that gb_sr_load made, which must outlive them; free them with
// gb_dataset_free.
//
// `count` random squares of the images [first, first + images), `side` (even, and at most
// as long as the shortest of theirs) high and wide, each of a image drawn evenly; a function
// of the seed.
enum gb_status gb_sr_crops(const struct gb_dataset *test, int first, int image_count, int count,
                           int side, uint64_t seed, struct gb_dataset *crops);
// The square in the middle of every image.
enum gb_status gb_sr_middles(const struct gb_dataset *test, int side, struct gb_dataset *middles);
// Every image with zeros at its right and below, square, its sides the least multiples of
// `multiple` (even) that hold it.
enum gb_status gb_sr_pad(const struct gb_dataset *test, int multiple, struct gb_dataset *padded);

#endif
