// SPDX-License-Identifier: MIT
// Even light: images of something round in a field of view are lit unevenly, and dark around
// it.
#ifndef GB_LEVEL_H
#define GB_LEVEL_H

#include "tasks/images/image.h"

// What a levelled image has where nothing differs from its surroundings, and outside the field.
enum { GB_LEVEL_NEUTRAL = 128 };

// Replaces each value of an image of 8 bits by how much darker it is than its surroundings,
// GB_LEVEL_NEUTRAL + mean - value, clipped, where the mean is its channel's over those of the
// (2 * radius + 1)^2 pixels around it that lie in the field (a mask of the same size, 0 and not),
// rounded. GB_LEVEL_NEUTRAL outside the field. GB_OUT_OF_MEMORY; then the image is unchanged.
enum gb_status gb_normalize_illumination(struct gb_image *image, const struct gb_image *field,
                                         int radius);

#endif
