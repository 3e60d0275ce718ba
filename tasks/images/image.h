// SPDX-License-Identifier: MIT
// Images in memory and in files: 8 or 16 bits a channel, rows from the top, channels interleaved.
#ifndef GB_IMAGE_H
#define GB_IMAGE_H

#include <stdbool.h>
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

// Larger sizes are treated as damaged or hostile headers.
enum { GB_IMAGE_MAX_SIDE = 16384, GB_IMAGE_MAX_PIXELS = 1 << 26 };

// Black pixels. GB_BAD_INPUT where a side is below 1 or the limits are passed; `where` is the name
// for messages.
enum gb_status gb_image_create(struct gb_image *image, int w, int h, int c, int bits,
                               const char *where);
void gb_image_free(struct gb_image *image);

// Reads an image file as 8 bits of `channels` (1 or 3) channels. The format is detected from the
// content: PNG, JPEG, PBM, PGM and PPM, TIFF, GIF (kinds: tasks/images/image_decoder.h); only the
// first image of a file. EXIF's and TIFF's orientation is applied, so that images are upright;
// gamma and colour profiles are not. Palettes are looked up, alpha is dropped. 16 bits are rounded
// to 8, grey is repeated, colour becomes grey with BT.601 weights (0.299, 0.587, 0.114; a JPEG's
// Y). GB_BAD_INPUT with the file and the reason where it is missing, a directory, empty, not an
// image, truncated, damaged or beyond the limits. On failure *image holds nothing.
enum gb_status gb_image_read(const char *path, int channels, struct gb_image *image);

// What their names end with (gb_name_ends).
#define GB_IMAGE_ENDINGS ".png .jpg .jpeg .ppm .pgm .pbm .pnm .tif .tiff .gif"

// Reads a 16-bit grey image, such as a depth map, without conversion. Fails as gb_image_read, and
// for colour and 8 bits.
enum gb_status gb_image_read_grey16(const char *path, struct gb_image *image);

// The upright size of an image that gb_image_read would read, without decoding a JPEG or PNG file's
// pixels if it is complete. Fails as gb_image_read.
enum gb_status gb_image_probe(const char *path, int *w, int *h);

// A grey image as it is stored, for masks and labels.
struct gb_image_stored {
    struct gb_image image; // one channel of 8 or 16 bits: grey, or palette indices
    bool lossy;            // values may be off
    bool has_palette;
    unsigned char palette[256][3];
};
// Colour becomes grey as by gb_image_read, unless a palette has it. Fails as gb_image_read.
enum gb_status gb_image_read_stored(const char *path, struct gb_image_stored *stored);

// Crops to the w x h pixels from (x, y) on, which must be inside.
void gb_image_crop(struct gb_image *image, int x, int y, int w, int h);

// Writes a PNG file of 8 bits, atomically (base/atomic_file.h). GB_IO_ERROR or
// GB_BAD_INPUT.
enum gb_status gb_png_write(const char *path, const struct gb_image *image);

#endif
