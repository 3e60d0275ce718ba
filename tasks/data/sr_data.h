// SPDX-License-Identifier: MIT
// Images for super-resolution by two (CNF paper, section 5.1): the high resolution, cropped to even
// sides, and the low one by MATLAB's antialiased bicubic reduction in integer levels (GB_BICUBIC of
// tasks/images/resize.h; identical to the published low resolutions of Set5 and Set14). Pixels are
// levels / 256, in [0, 255/256], as in the authors' code; grey images have three equal channels.
//
// Directories of images also train on their halves, like the reduced images of ImageNet32 and
// ImageNet64. JPEG stores colours at half the resolution: a flow trained on full-size JPEG images
// only needed 12 to 17 bits per dimension for Set5's head, whose colours are noisy, against 2.9 for
// images like its own.
#ifndef GB_SR_DATA_H
#define GB_SR_DATA_H

#include "tasks/data/dataset.h"
#include "tasks/data/image_list.h"

// Loads both splits (GB_SPLITS entries) from where gb_sr_read finds them; free each with
// gb_dataset_free. A training example is a square patch of source->size pixels, which is even, at
// random even coordinates of an image, or of the half of an image with sides of at least four
// patches, and the same part of its low resolution; a test example a full image. Fails as
// gb_sr_read does. On failure nothing is held.
enum gb_status gb_sr_load(const struct gb_source *source, struct gb_dataset splits[]);
// The same of these images, which it takes over; test images are named SET/FILE. Without
// source->directory none train reduced.
enum gb_status gb_sr_hold(struct gb_image_list lists[], const struct gb_source *source,
                          struct gb_dataset splits[]);

// The following are parts of a test split of gb_sr_load, which must outlive them; free them with
// gb_dataset_free.
//
// `count` random squares of the images [first, first + image_count), of `side` pixels (even, at
// most their shortest side), each from a uniformly chosen image: a function of the seed.
enum gb_status gb_sr_crops(const struct gb_dataset *test, int first, int image_count, int count,
                           int side, uint64_t seed, struct gb_dataset *crops);
// The central square of every image.
enum gb_status gb_sr_middles(const struct gb_dataset *test, int side, struct gb_dataset *middles);
// Every image zero-padded at the right and bottom to a square with the smallest sides divisible by
// `multiple` (even).
enum gb_status gb_sr_pad(const struct gb_dataset *test, int multiple, struct gb_dataset *padded);

#endif
