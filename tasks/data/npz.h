// SPDX-License-Identifier: MIT
// Byte arrays in NumPy archives (.npz: zip files with a member NAME.npy per array), as the
// downsampled ImageNet is distributed.
#ifndef GB_NPZ_H
#define GB_NPZ_H

#include <stddef.h>

#include "base/status.h"

// `rows` rows of `columns` bytes, row-major.
struct gb_byte_matrix {
    size_t rows, columns;
    unsigned char *values; // owned; gb_byte_matrix_free
};

// Reads the array `name` of the archive at `path`: two-dimensional, uint8, in C order, in a stored
// or deflated member. GB_BAD_INPUT with the file and the reason where it is missing, not a zip
// archive, without this array, truncated or damaged (checksums are verified), or where the array
// has another type, order or number of dimensions, or is empty. On failure *matrix holds nothing.
enum gb_status gb_npz_read(const char *path, const char *name, struct gb_byte_matrix *matrix);
void gb_byte_matrix_free(struct gb_byte_matrix *matrix);

#endif
