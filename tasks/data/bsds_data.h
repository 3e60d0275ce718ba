// SPDX-License-Identifier: MIT
// The Berkeley Segmentation Data Set 500 (Arbelaez et al. 2011) as it is published:
// FOLDER/images/{train,val,test}/NAME.jpg, 200, 100 and 200 photographs of 481 x 321 or 321 x 481
// pixels. Restoration is trained on train and test, 400 photographs, and tested on some of val,
// which are never trained on.
#ifndef GB_BSDS_DATA_H
#define GB_BSDS_DATA_H

#include "tasks/data/dataset.h"
#include "tasks/data/photographs.h"
#include "tasks/task.h"

// Without a list the first of val in byte order stand in for the 68 that Roth and Black (2009) chose
// of the set's 100 test images of 2001, which are its val of today.
enum { GB_BSDS_TEST = 68 };

// Reads the photographs of both splits (the array has GB_SPLITS entries); free each with
// gb_photographs_free. source->split_folder holds bsd68.txt, a file name in val a line (CRLF and
// blank lines are fine); the test split stands in the list's order. Names are those under images, such
// as "val/3096.jpg"; photographs of val that are not tested on are not read. GB_BAD_INPUT with the
// file and the reason: a folder missing or without a .jpg file, a photograph that does not decode or
// has a side below `least_side`, a list missing or empty, or one that names a file twice or one that
// val does not have. On failure nothing is held.
enum gb_status gb_bsds_read(const struct gb_task_source *source, int least_side,
                            struct gb_photographs splits[]);

#endif
