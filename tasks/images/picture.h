// SPDX-License-Identifier: MIT
// A sheet of images with captions, for people: a row an example, a column a kind (input, truth,
// samples, prediction), so that a look tells whether a model works.
#ifndef GB_PICTURE_H
#define GB_PICTURE_H

#include "base/status.h"
#include "kernels/tensor.h"

struct gb_picture_column {
    const char *caption; // above the column; printable ASCII, cut to the column's width
    // n x h x w x c, c = 1 (grey) or 3, in [0, 1]: values beyond are clipped, NaN is drawn magenta.
    // Image i is in row i; the column ends where they end.
    struct gb_tensor images;
};

struct gb_picture {
    const char *title; // along the top; NULL for none
    const struct gb_picture_column *columns;
    int column_count;
    int row_count;
    // row_count lines above the rows; NULL for none, as may entries
    const char *const *row_captions;
};

// How many rows a sheet of these columns, with a title and captions, holds; images' n is not looked
// at.
int gb_picture_max_rows(const struct gb_picture_column *columns, int column_count);

// Writes the sheet as a PNG file. Every image is enlarged by the whole factor (nearest neighbour)
// that brings its longer side nearest to 128 pixels from below; larger ones stay as they are.
// GB_IO_ERROR, GB_BAD_INPUT (a sheet beyond the limits of tasks/images/image.h), GB_OUT_OF_MEMORY;
// then there is no file.
enum gb_status gb_picture_write(const char *path, const struct gb_picture *picture);

#endif
