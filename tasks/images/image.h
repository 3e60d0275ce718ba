// SPDX-License-Identifier: MIT
// Images in memory and in files: 8 or 16 bits a channel, rows from the top, channels interleaved.
#ifndef GB_IMAGE_H
#define GB_IMAGE_H

#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

struct gb_image {
    int w, h, c;               // c: 1 grey, 3 red green blue
    int bits;                  // of a channel: 8 or 16
    union {                    // owned: h * w * c values, no padding; gb_image_free
        unsigned char *pixels; // bits == 8
        uint16_t *pixels16;    // bits == 16
    };
};

// Larger images are taken for damaged or hostile headers.
enum { GB_IMAGE_MAX_SIDE = 16384, GB_IMAGE_MAX_PIXELS = 1 << 26 };

// Black pixels. GB_BAD_INPUT where a side is below 1 or the limits are passed; `where` is the name
// for messages.
enum gb_status gb_image_create(struct gb_image *image, int w, int h, int c, int bits,
                               const char *where);
void gb_image_free(struct gb_image *image);

// Reads the image file at `path` as 8 bits of `channels` (1 or 3) channels. The format is found
// from the content, not from the name: PNG, JPEG, PGM and PPM, TIFF, GIF
// (tasks/images/image_decoder.h tells which kinds of each); of several images in a file the first.
// Values are the file's own: no gamma, no colour profile, no orientation is applied, a palette's
// colours are looked up, alpha and transparency are dropped. What differs is converted: 16 bits to
// the nearest of 8, grey to colour by repetition, colour to grey as ITU-R BT.601 weighs it (0.299,
// 0.587, 0.114; a JPEG's Y). GB_BAD_INPUT with the file and the reason where it is missing, a
// directory, empty, no image, truncated, damaged or beyond the limits. On failure *image holds
// nothing.
enum gb_status gb_image_read(const char *path, int channels, struct gb_image *image);

// Reads an image of one channel of 16 bits, such as a depth map, as it is. The same errors, and
// GB_BAD_INPUT for colour and for 8 bits, which would be some other quantity.
enum gb_status gb_image_read_grey16(const char *path, struct gb_image *image);

// Leaves the w x h pixels whose left upper corner is (x, y), which must lie inside.
void gb_image_crop(struct gb_image *image, int x, int y, int w, int h);

// Writes a PNG file of 8 bits, whole or not at all (base/atomic_file.h). GB_IO_ERROR or
// GB_BAD_INPUT.
enum gb_status gb_png_write(const char *path, const struct gb_image *image);

#endif
