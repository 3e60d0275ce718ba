// SPDX-License-Identifier: MIT
#ifndef GB_RESIZE_H
#define GB_RESIZE_H

#include "base/status.h"
#include "kernels/resample/resample.h"
#include "tasks/images/image.h"

// Resizes to h x w x image->c floats in [0, 1] (NHWC of one image; full scale -> 1), `out` dense
// and given by the caller. Filters are those of kernels/resample/resample.h, pixel i covering [i, i
// + 1):
//   GB_BILINEAR  not rounded
//   GB_BICUBIC   as MATLAB's imresize of integers: the way that shrinks more first (rows where
//                both do alike), each way rounded to the image's levels and cut to their range
// Equal sizes are a copy. The bits depend on nothing but the arguments. GB_BAD_INPUT where a side
// shrinks or grows more than 1024 times, GB_OUT_OF_MEMORY.
enum gb_status gb_resize(const struct gb_image *image, enum gb_resample_filter filter, int h, int w,
                         float *out);

// The pixel of `source` in whose row or column the centre of pixel `place` of `target` lies, the
// later one where it lies between two: floor((place + 1/2) * source / target), exactly.
static inline int gb_nearest(int place, int source, int target) {
    return (int)((2LL * place + 1) * source / (2LL * target));
}

// Resizes a label map to an image of h x w pixels, each the nearest one of `image`. As
// gb_image_create.
enum gb_status gb_resize_labels(const struct gb_image *image, int h, int w,
                                struct gb_image *resized);

#endif
