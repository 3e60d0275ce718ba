// SPDX-License-Identifier: MIT
// Images of aligned faces with a hidden central block, for inpainting. Three directory layouts:
//   CelebA, aligned and cropped (Liu et al. 2015): DIR/img_align_celeba/NNNNNN.jpg, or below
//   DIR/Img as in its archive; 202,599 images of 178 x 218 pixels
//   LFW, funneled: DIR/lfw_funneled/PERSON/PERSON_NNNN.jpg, 250 x 250
//   any: DIR/*.jpg; or DIR/train/*.jpg and DIR/test/*.jpg (or training, testing), in any case
// Images may have any of GB_IMAGE_ENDINGS.
#ifndef GB_ALIGNED_FACES_H
#define GB_ALIGNED_FACES_H

#include "base/status.h"
#include "tasks/data/dataset.h"

// The number of random test images (at most a quarter of all), and the seed that selects them.
enum { GB_ALIGNED_FACES_TEST = 2000, GB_ALIGNED_FACES_SEED = 1 };

// The hidden block: half the height and width of the image, centred.
struct gb_hidden_block {
    int from, size; // first row and column; height and width
};
static inline struct gb_hidden_block gb_hidden_block(int size) {
    return (struct gb_hidden_block){.from = size / 4, .size = size / 2};
}

// The shape of an example of size x size pixels.
static inline struct gb_example_shape gb_hidden_block_shape(int size) {
    const int block = gb_hidden_block(size).size;
    return (struct gb_example_shape){
        .x_h = size, .x_w = size, .x_c = 3, .y_h = block, .y_w = block, .y_c = 3};
}

// Makes an example of the full image in its x: rounds it to 256 levels, copies the block to y and
// sets it to 0 in x.
void gb_hide_block(const struct gb_example *example);

// Loads both splits (GB_SPLITS entries); free each with gb_dataset_free. Files are read on demand.
// The largest central square is resized bilinearly to source->size, in [0, 1], and passed to
// gb_hide_block. Names are paths below the directory of images, in byte order.
// Images in DIR/test test (at most GB_ALIGNED_FACES_TEST, selected at random), those in DIR/train
// train. Elsewhere test images are selected at random from all, so that a person may be in both
// splits, as in the paper. With source->split_directory, its CelebA list_eval_partition.txt (file
// name and 0: training, 1: validation, 2: testing, of different people) gives the training split
// and the candidates for testing. GB_BAD_INPUT with the file and the reason: a directory missing or
// with fewer than 4 images, a list missing, malformed, with an unknown or repeated name, or without
// training or test images; from fill, what gb_image_read refuses, and an image smaller than
// source->size. On failure nothing is held.
enum gb_status gb_aligned_faces_load(const struct gb_source *source, struct gb_dataset splits[]);

#endif
