// SPDX-License-Identifier: MIT
// Arrays of bytes in NumPy's archives (.npz: a zip file with a member NAME.npy for each array),
// which is how the downsampled ImageNet is distributed.
#ifndef GB_NPZ_H
#define GB_NPZ_H

#include <stddef.h>

#include "base/status.h"

// A matrix of bytes: `rows` rows of `columns`, dense, in rows' order.
struct gb_byte_matrix {
    size_t rows, columns;
    unsigned char *values; // owned; gb_byte_matrix_free
};

// Reads the array `name` of the archive at `path`: two-dimensional, of type uint8, in C order.
// Members may be stored or deflated; other members are not looked at. GB_BAD_INPUT with the file
// and the reason where it is missing, no zip archive, without this array, truncated or damaged
// (checksums are verified), or where the array is of another type, order or number of dimensions or
// has no element; GB_OUT_OF_MEMORY. On failure *matrix holds nothing.
enum gb_status gb_npz_read(const char *path, const char *name, struct gb_byte_matrix *matrix);
void gb_byte_matrix_free(struct gb_byte_matrix *matrix);

#endif
