// SPDX-License-Identifier: MIT
// LFW Part Labels (Kae et al. 2013; the images are LFW's, funneled) as they are published:
// FOLDER/lfw_funneled/PERSON/PERSON_NNNN.jpg, FOLDER/parts_lfw_funneled_gt_images/PERSON_NNNN.ppm,
// the lists FOLDER/parts_{train,validation,test}.txt, and, where they are given,
// FOLDER/parts_lfw_funneled_superpixels_mat/PERSON/PERSON_NNNN.dat. 2,927 faces of 250 x 250
// pixels.
#ifndef GB_LFW_DATA_H
#define GB_LFW_DATA_H

#include "base/status.h"
#include "tasks/data/dataset.h"
#include "tasks/metrics/superpixels.h"

// Height and width of images and labels as published.
enum { GB_LFW_SIDE = 250 };

// In the order of the channels of the labels' colours: red, green, blue.
enum gb_face_part { GB_PART_HAIR, GB_PART_FACE, GB_PART_BACKGROUND, GB_FACE_PARTS };

// The shape of an example of a face and its parts at size x size pixels.
static inline struct gb_example_shape gb_lfw_shape(int size) {
    return (struct gb_example_shape){
        .x_h = size, .x_w = size, .x_c = 3, .y_h = size, .y_w = size, .y_c = 1};
}

// Loads both splits (the array has GB_SPLITS entries) at source->size, held in memory; free each
// with gb_dataset_free. The training split is the list's, without the validation list's faces,
// which nothing is chosen by. source->split_directory holds the lists where FOLDER does not.
// - A line of a list is a person and a number, padded with zeros or not: "Ted_Turner 1". Examples
//   stand in the order of their list and are named "Ted_Turner_0001".
// - x is the image, resized bilinearly; y one channel of enum gb_face_part, by the label's
//   colour: pure red hair, pure green face, pure blue background; resized by nearest label.
// - What the sets are kept from (gb_dataset_origin) fills examples of any size: at GB_LFW_SIDE the
//   published pixels.
// GB_BAD_INPUT with the file and the reason: a list missing, empty, with a line that is no person
// and number, naming a face without label or one twice, be it in both lists; an image or label that
// is missing or does not decode, that are of other sizes than GB_LFW_SIDE, a label with a pixel of
// another colour; where there are published superpixels, those of a test face missing or as
// gb_superpixels_read refuses them. On failure nothing is held.
enum gb_status gb_lfw_load(const struct gb_source *source, struct gb_dataset splits[]);

// Reads the published superpixels of example `index` of what a set was kept from. None (count 0)
// where the directory has no parts_lfw_funneled_superpixels_mat and for other data sets. GB_BAD_INPUT
// where it has, but not this one's, and as gb_superpixels_read.
enum gb_status gb_lfw_superpixels(const struct gb_dataset *origin, int index,
                                  struct gb_superpixels *superpixels);

#endif
