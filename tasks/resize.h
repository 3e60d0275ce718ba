// SPDX-License-Identifier: MIT
#ifndef GB_RESIZE_H
#define GB_RESIZE_H

#include "kernels/resample/resample.h"
#include "kernels/status.h"
#include "tasks/image.h"

// Resizes to h x w x image->c floats in [0, 1] (NHWC of one image; full scale -> 1), `out` dense and
// given by the caller; what the filter (kernels/resample/resample.h) gives beyond black and white is
// cut. Equal sizes are a copy. The bits depend on nothing but the arguments. Pixel i covers
// [i, i + 1). GB_BAD_INPUT where a side shrinks or grows more than 1024 times, GB_OUT_OF_MEMORY.
enum gb_status gb_resize(const struct gb_image *image, enum gb_resample_filter filter, int h, int w,
                         float *out);

// Resizes a label map to an image of h x w pixels, each the one of `image` in which its centre lies,
// the later one where it lies between two. As gb_image_create.
enum gb_status gb_resize_labels(const struct gb_image *image, int h, int w,
                                struct gb_image *resized);

#endif
