// SPDX-License-Identifier: MIT
// Contact sheets of images with captions: one row per example, one column per kind (input, truth,
// samples, prediction).
#ifndef GB_PICTURE_H
#define GB_PICTURE_H

#include "base/status.h"
#include "kernels/tensor.h"

struct gb_picture_column {
    const char *caption; // above the column; printable ASCII, cut to the column's width
    // n x h x w x c, c = 1 (grey) or 3, clipped to [0, 1], NaN magenta. Image i is in row i.
    struct gb_tensor images;
};

struct gb_picture {
    const char *title; // along the top; NULL for none
    const struct gb_picture_column *columns;
    int column_count;
    int row_count;
    // row_count captions above the rows; the array and its entries may be NULL
    const char *const *row_captions;
};

// How many rows a sheet of these columns can have, with a title and captions; ignores the images'
// n.
int gb_picture_max_rows(const struct gb_picture_column *columns, int column_count);

// Writes the sheet as a PNG file. Images with a longer side below 128 pixels are enlarged by the
// largest integer factor that keeps it within (nearest neighbour). GB_IO_ERROR, GB_BAD_INPUT
// (beyond the limits of tasks/images/image.h), GB_OUT_OF_MEMORY; then there is no file.
enum gb_status gb_picture_write(const char *path, const struct gb_picture *picture);

#endif
