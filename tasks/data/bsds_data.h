// SPDX-License-Identifier: MIT
// The Berkeley Segmentation Data Set 500 (Arbelaez et al. 2011) as published:
// DIR/images/{train,val,test}/NAME.jpg, 200, 100 and 200 images of 481 x 321 or 321 x 481 pixels.
// Restoration trains on train and test (400 images) and is tested on images of val.
#ifndef GB_BSDS_DATA_H
#define GB_BSDS_DATA_H

#include "tasks/data/dataset.h"
#include "tasks/data/image_list.h"

// The images of val that are tested on: those named by a list in source->split_directory, or
// without lists the first `most` in byte order.
struct gb_bsds_test {
    const char *list; // "bsd68.txt"
    int most;
};
// The 68 test images of Roth and Black (2009), which without a list are others; and the 100 test
// images of 2001, which are today's val.
extern const struct gb_bsds_test gb_bsd68, gb_bsd100;

// Reads the images of both splits (GB_SPLITS entries); free each with gb_image_list_free. A list
// has one file name of val per line; the test split has its order. Names are relative to images,
// such as "val/3096.jpg". GB_BAD_INPUT with the file and the reason: a directory missing or without
// .jpg files, an image damaged or with a side below `min_side`, a list missing, empty, or with an
// unknown or repeated name. On failure nothing is held.
enum gb_status gb_bsds_read(const struct gb_source *source, const struct gb_bsds_test *test,
                            int min_side, struct gb_image_list splits[]);

#endif
