// SPDX-License-Identifier: MIT
// Images in memory and in files: 8 bits a channel, rows from the top, channels interleaved.
#ifndef GB_IMAGE_H
#define GB_IMAGE_H

#include <stddef.h>

#include "kernels/status.h"

struct gb_image {
    int w, h, c;           // c: 1 grey, 3 red green blue
    unsigned char *pixels; // owned: h * w * c bytes, no padding; gb_image_free
};

// Larger images are taken for damaged or hostile headers.
enum { GB_IMAGE_MAX_SIDE = 16384, GB_IMAGE_MAX_PIXELS = 1 << 26 };

// Black pixels. GB_BAD_INPUT where a side is below 1 or the limits are passed; `where` is the name
// for messages.
enum gb_status gb_image_create(struct gb_image *image, int w, int h, int c, const char *where);
void gb_image_free(struct gb_image *image);

// Reads the image file at `path` with `channels` (1 or 3) channels, converting between grey and
// colour as the format defines it. The format is found from the content, not from the name; today
// it is JPEG (grey, YCbCr or RGB). GB_BAD_INPUT with the file and the reason where it is missing, a
// folder, empty, no image, truncated, damaged (the decoder's warnings count) or beyond the limits.
// On failure *image holds nothing.
enum gb_status gb_image_read(const char *path, int channels, struct gb_image *image);

// The same from `size` bytes in memory; `where` stands for the path in messages.
enum gb_status gb_image_decode(const unsigned char *bytes, size_t size, const char *where,
                               int channels, struct gb_image *image);

// Writes a PNG file, whole or not at all (flows/atomic_file.h). GB_IO_ERROR or GB_BAD_INPUT.
enum gb_status gb_png_write(const char *path, const struct gb_image *image);

#endif
