// SPDX-License-Identifier: MIT
// Images of aligned faces with a block in the middle hidden: what inpainting is asked to put
// back. Folders of three kinds are known:
//   CelebA, aligned and cropped (Liu et al. 2015): FOLDER/img_align_celeba/NNNNNN.jpg, also below
//     FOLDER/Img as its archive has it; 202,599 images of 178 x 218 pixels
//   LFW, funneled: FOLDER/lfw_funneled/PERSON/PERSON_NNNN.jpg, 250 x 250
//   any: FOLDER/*.jpg
#ifndef GB_ALIGNED_FACES_H
#define GB_ALIGNED_FACES_H

#include "base/status.h"
#include "tasks/data/dataset.h"

// How many test images are drawn at random, with this seed; a quarter of all where that is fewer.
enum { GB_ALIGNED_FACES_TEST = 2000, GB_ALIGNED_FACES_SEED = 1 };

// The hidden block of an image of size x size pixels: half its height and width, in the middle.
struct gb_hidden_block {
    int from, size; // first row and column; height and width
};
static inline struct gb_hidden_block gb_hidden_block(int size) {
    return (struct gb_hidden_block){.from = size / 4, .size = size / 2};
}

// The shape of an example made of an image of size x size pixels.
static inline struct gb_example_shape gb_hidden_block_shape(int size) {
    const int block = gb_hidden_block(size).size;
    return (struct gb_example_shape){
        .x_h = size, .x_w = size, .x_c = 3, .y_h = block, .y_w = block, .y_c = 3};
}

// Makes the example of the whole image in its x: rounded to the 256 levels of a file, the block
// moved to y and black, 0, left in its place.
void gb_hide_block(const struct gb_example *example);

// Loads both splits (the array has GB_SPLITS entries); free each with gb_dataset_free. Files are
// read when an example is asked for. The largest square in the middle of an image is resized
// bilinearly to source->size; gb_hide_block makes the example of it, in [0, 1]. Names are paths
// below the directory of images, in byte order. The test images are drawn from all; a person may be in
// both splits, as the paper's rule has it. Where source->split_directory is given, it holds CelebA's
// list_eval_partition.txt (lines of a file's name and 0 for training, 1 for validation, 2 for
// testing, whose people are apart): the training split is the list's, the test split drawn from the
// list's. GB_BAD_INPUT with the file and the reason: a directory missing or without images, fewer than
// 4 of them, a list missing, with a line that is no name and part, naming a file that is not there
// or one twice, or without training or test images; in fill what gb_image_read refuses, and an
// image with a side below source->size. On failure nothing is held.
enum gb_status gb_aligned_faces_load(const struct gb_source *source, struct gb_dataset splits[]);

#endif
