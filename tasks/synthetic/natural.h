// SPDX-License-Identifier: MIT
// Pictures with the statistics of images, for tasks that restore them: power falls with about
// the square of frequency, in textures as well as from object to object, and objects that hide one
// another leave edges (the dead leaves model: Lee, Mumford and Huang 2001).
#ifndef GB_NATURAL_H
#define GB_NATURAL_H

#include "tasks/data/image_list.h"
#include "tasks/images/image.h"

// Draws picture `index` of `seed`, w x h pixels of 8 bits and 3 channels; gb_image_free frees it.
// The same arguments give the same bits on every machine and thread; at another size the same
// picture is drawn, with more detail or less (its shorter side is the unit of length). 256 x 256
// pixels take 6 ms. GB_BAD_INPUT where a side is below 1 or too large for an image;
// GB_OUT_OF_MEMORY.
enum gb_status gb_natural_draw(uint64_t seed, uint32_t index, int w, int h, struct gb_image *image);

// Draws pictures first .. first+count-1 as if they had been read, under the names "natural0000000"
// and so on.
enum gb_status gb_natural_images(uint64_t seed, uint32_t first, int count, int w, int h,
                                 int threads, struct gb_image_list *list);

#endif
