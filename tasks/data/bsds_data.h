// SPDX-License-Identifier: MIT
// The Berkeley Segmentation Data Set 500 (Arbelaez et al. 2011) as it is published:
// FOLDER/images/{train,val,test}/NAME.jpg, 200, 100 and 200 images of 481 x 321 or 321 x 481
// pixels. Restoration is trained on train and test, 400 images, and tested on some of val,
// which are never trained on.
#ifndef GB_BSDS_DATA_H
#define GB_BSDS_DATA_H

#include "tasks/data/dataset.h"
#include "tasks/data/image_list.h"

// What of val is tested on: what a list in source->split_directory names, or without lists the first
// `most` in byte order.
struct gb_bsds_test {
    const char *list; // "bsd68.txt"
    int most;
};
// The set's 100 test images of 2001, which are its val of today, for super-resolution; and the 68
// that Roth and Black (2009) chose of them, for which others stand in where there is no list.
extern const struct gb_bsds_test gb_bsd68, gb_bsd100;

// Reads the images of both splits (the array has GB_SPLITS entries); free each with
// gb_image_list_free. In a list stands a file name in val a line (CRLF and
// blank lines are fine); the test split stands in the list's order. Names are those under images,
// such as "val/3096.jpg"; images of val that are not tested on are not read. GB_BAD_INPUT with
// the file and the reason: a directory missing or without a .jpg file, a image that does not
// decode or has a side below `min_side`, a list missing or empty, or one that names a file twice
// or one that val does not have. On failure nothing is held.
enum gb_status gb_bsds_read(const struct gb_source *source, const struct gb_bsds_test *test,
                            int min_side, struct gb_image_list splits[]);

#endif
