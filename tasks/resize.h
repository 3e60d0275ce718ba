// SPDX-License-Identifier: MIT
#ifndef GB_RESIZE_H
#define GB_RESIZE_H

#include "kernels/status.h"
#include "tasks/image.h"

// Resizes to h x w x image->c floats in [0, 1] (NHWC of one image, 255 -> 1), `out` dense and given
// by the caller. Bilinear with antialiasing, each axis on its own: pixel i covers [i, i + 1) with
// its centre at i + 0.5; output i looks at the source around (i + 0.5) * s, s = source / target,
// through a triangle of half-width max(s, 1); weights beyond the border are dropped and the rest
// scaled to sum to one. So an enlargement is plain bilinear, a reduction averages what it drops,
// and equal sizes are a copy. This is what Pillow and PyTorch (antialias) call bilinear, without
// their rounding to 8 bits. Columns first, then rows; the bits depend on nothing but the arguments.
// GB_OUT_OF_MEMORY.
enum gb_status gb_resize(const struct gb_image *image, int h, int w, float *out);

#endif
