// SPDX-License-Identifier: MIT
// The decoders of tasks/images/image.h: one file per format, using the format's C library.
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
    // By the first bytes.
    bool (*recognises)(const struct gb_image_file *file);
    // Fills *image, initially empty, with the file's channels and bits. `channels` is a hint for
    // formats that store grey separately from colour. On failure the image may be incomplete; the
    // caller frees it. Thread-safe.
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

// GB_BAD_INPUT for a truncated or damaged file, and for an unsupported kind.
enum gb_status gb_image_damaged(const struct gb_image_file *file,
                                const struct gb_image_decoder *decoder, const char *why);
enum gb_status gb_image_unusable(const struct gb_image_file *file,
                                 const struct gb_image_decoder *decoder, const char *why);

// Copies up to `size` bytes from offset *at, which it advances; returns how many there were.
size_t gb_image_take(const struct gb_image_file *file, size_t *at, void *to, size_t size);

#endif
