// SPDX-License-Identifier: MIT
// Synthetic images with natural statistics, for restoration: power falls with about the square of
// frequency, in textures and between objects, and occluding objects have edges (the dead leaves
// model: Lee, Mumford and Huang 2001).
#ifndef GB_NATURAL_H
#define GB_NATURAL_H

#include "tasks/data/image_list.h"
#include "tasks/images/image.h"

// Image `index` of `seed`, w x h pixels of 8 bits and 3 channels; free it with gb_image_free.
// Bitwise identical on every machine; other sizes show the same image with more or less detail (the
// shorter side is the unit of length). 256 x 256 pixels take 6 ms. GB_BAD_INPUT for bad sizes;
// GB_OUT_OF_MEMORY.
enum gb_status gb_natural_draw(uint64_t seed, uint32_t index, int w, int h, struct gb_image *image);

// Images first .. first+count-1, named "natural0000000" by index.
enum gb_status gb_natural_images(uint64_t seed, uint32_t first, int count, int w, int h,
                                 int threads, struct gb_image_list *list);

#endif
