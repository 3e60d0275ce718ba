// SPDX-License-Identifier: MIT
// Normalises the illumination of images of a round field of view, such as fundus images, which are
// lit unevenly and dark outside the field.
#ifndef GB_LEVEL_H
#define GB_LEVEL_H

#include "tasks/images/image.h"

// The value of pixels that equal their surroundings, and outside the field.
enum { GB_LEVEL_NEUTRAL = 128 };

// Replaces each value of an 8-bit image by GB_LEVEL_NEUTRAL + mean - value, rounded and clipped,
// where the mean is over its channel in the (2 * radius + 1)^2 pixels around it that are in the
// field (a mask of the same size, non-zero inside). GB_LEVEL_NEUTRAL outside the field.
// GB_OUT_OF_MEMORY; then the image is unchanged.
enum gb_status gb_normalize_illumination(struct gb_image *image, const struct gb_image *field,
                                         int radius);

#endif
