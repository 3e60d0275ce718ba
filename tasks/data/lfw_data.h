// SPDX-License-Identifier: MIT
// LFW Part Labels (Kae et al. 2013; the images are LFW's, funneled) as published:
// DIR/lfw_funneled/PERSON/PERSON_NNNN.jpg, DIR/parts_lfw_funneled_gt_images/PERSON_NNNN.ppm, the
// lists DIR/parts_{train,validation,test}.txt and optionally
// DIR/parts_lfw_funneled_superpixels_mat/PERSON/PERSON_NNNN.dat. 2,927 faces of 250 x 250 pixels.
#ifndef GB_LFW_DATA_H
#define GB_LFW_DATA_H

#include "base/status.h"
#include "tasks/data/dataset.h"
#include "tasks/metrics/superpixels.h"

// Height and width of images and labels as published.
enum { GB_LFW_SIDE = 250 };

// In the order of the channels of the label colours: red, green, blue.
enum gb_face_part { GB_PART_HAIR, GB_PART_FACE, GB_PART_BACKGROUND, GB_FACE_PARTS };

// The shape of an example at size x size pixels.
static inline struct gb_example_shape gb_lfw_shape(int size) {
    return (struct gb_example_shape){
        .x_h = size, .x_w = size, .x_c = 3, .y_h = size, .y_w = size, .y_c = 1};
}

// Loads both splits (GB_SPLITS entries) at source->size into memory; free each with
// gb_dataset_free. source->split_directory (default: DIR) holds the lists; faces of the validation
// list are not used.
// - A line of a list is a person and a number, zero-padded or not: "Ted_Turner 1". Examples are in
//   the order of their list and named "Ted_Turner_0001".
// - x is the image, resized bilinearly; y one channel of enum gb_face_part by the label's colour
//   (pure red: hair, green: face, blue: background), resized by nearest neighbour.
// - gb_dataset_origin of the sets fills examples of any size; at GB_LFW_SIDE, the published pixels.
// GB_BAD_INPUT with the file and the reason: a list missing, empty, with a malformed line, with a
// face without label or a face listed twice; an image or label missing, damaged or of another size,
// a label with another colour; with published superpixels, those of a test face missing or
// malformed. On failure nothing is held.
enum gb_status gb_lfw_load(const struct gb_source *source, struct gb_dataset splits[]);

// Reads the published superpixels of example `index` of gb_dataset_origin's set; count 0 where the
// data set has none. GB_BAD_INPUT where only this image's are missing, and as gb_superpixels_read.
enum gb_status gb_lfw_superpixels(const struct gb_dataset *origin, int index,
                                  struct gb_superpixels *superpixels);

#endif
