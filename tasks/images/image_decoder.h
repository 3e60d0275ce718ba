// SPDX-License-Identifier: MIT
// What a file format brings to tasks/images/image.h: one file each, on the format's own C library.
#ifndef GB_IMAGE_DECODER_H
#define GB_IMAGE_DECODER_H

#include <stdbool.h>
#include <stddef.h>

#include "tasks/images/image.h"

// A file in memory; `path` is the name for messages.
struct gb_image_file {
    const char *path;
    const unsigned char *bytes;
    size_t size;
};

struct gb_image_decoder {
    const char *name;
    // By the first bytes alone.
    bool (*recognises)(const struct gb_image_file *file);
    // Makes *image, empty at first, with the channels and bits that the file has. `channels` is
    // what the caller wants, for a format that holds a grey image within the coloured one. On
    // failure the image may be half made; the caller frees it. Safe on many threads at once.
    enum gb_status (*decode)(const struct gb_image_file *file, int channels,
                             struct gb_image *image);
};

// 8 bits; grey, YCbCr and RGB.
extern const struct gb_image_decoder gb_jpeg_decoder;
// 1 to 16 bits; grey, palette and RGB, each with alpha or without; interlaced or not.
extern const struct gb_image_decoder gb_png_decoder;
// PGM and PPM, plain (P2, P3) and raw (P5, P6). Scaled to the full range of 8 bits where the
// largest value is below 256, of 16 bits elsewhere.
extern const struct gb_image_decoder gb_pnm_decoder;
// 8 or 16 bits; grey, palette and RGB, in strips of any compression that libtiff has.
extern const struct gb_image_decoder gb_tiff_decoder;
// Its image must fill the screen that the file declares.
extern const struct gb_image_decoder gb_gif_decoder;

// The two ways for a file to be no good, in one wording: cut or damaged, and of a kind that is not
// read.
enum gb_status gb_image_damaged(const struct gb_image_file *file,
                                const struct gb_image_decoder *decoder, const char *why);
enum gb_status gb_image_unusable(const struct gb_image_file *file,
                                 const struct gb_image_decoder *decoder, const char *why);

// Reading a file in memory, for libraries that ask for bytes: copies up to `size` bytes from *at
// and moves *at on; returns how many there were.
size_t gb_image_take(const struct gb_image_file *file, size_t *at, void *to, size_t size);

#endif
