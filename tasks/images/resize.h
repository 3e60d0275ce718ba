// SPDX-License-Identifier: MIT
#ifndef GB_RESIZE_H
#define GB_RESIZE_H

#include "base/status.h"
#include "kernels/resample/resample.h"
#include "tasks/images/image.h"

// Resizes to h x w x image->c floats in [0, 1] (full scale is 1), dense NHWC. Filters are those of
// kernels/resample/resample.h:
//   GB_BILINEAR  not rounded
//   GB_BICUBIC   as MATLAB's imresize of integers: the axis that shrinks more first (rows if
//   equal), each pass rounded to the image's levels and clipped
// Equal sizes are copied. Deterministic. GB_BAD_INPUT where a side shrinks or grows by more than
// 1024, GB_OUT_OF_MEMORY.
enum gb_status gb_resize(const struct gb_image *image, enum gb_resample_filter filter, int h, int w,
                         float *out);

// The source pixel that holds the centre of target pixel `place`, the later one on a border:
// floor((place + 1/2) * source / target), exactly.
static inline int gb_nearest(int place, int source, int target) {
    return (int)((2LL * place + 1) * source / (2LL * target));
}

// Resizes a label map by nearest neighbour. Fails as gb_image_create.
enum gb_status gb_resize_labels(const struct gb_image *image, int h, int w,
                                struct gb_image *resized);

#endif
