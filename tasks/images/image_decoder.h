// SPDX-License-Identifier: MIT
// The decoders of tasks/images/image.h: one file per format, using the format's C library.
#ifndef GB_IMAGE_DECODER_H
#define GB_IMAGE_DECODER_H

#include <stdbool.h>
#include <stddef.h>

#include "tasks/images/image.h"

// What a file says besides its pixels.
struct gb_image_traits {
    bool keep_indices; // set by the caller: pixels of a palette are its indices
    bool header_only;  // set by the caller: pixels may stay black
    int orientation;   // EXIF's and TIFF's, 1 to 8; anything else is 1
    bool lossy;
    bool has_palette; // indices were kept
    unsigned char palette[256][3];
};

// A file in memory; `path` is the name for messages.
struct gb_image_file {
    const char *path;
    const unsigned char *bytes;
    size_t size;
    struct gb_image_traits *traits;
};

struct gb_image_decoder {
    const char *name;
    // By the first bytes.
    bool (*recognises)(const struct gb_image_file *file);
    // Fills *image, initially empty, with the file's channels and bits. `channels` is a hint for
    // formats that store grey separately from colour. Sets the file's traits. On failure the image
    // may be incomplete; the caller frees it. Thread-safe.
    enum gb_status (*decode)(const struct gb_image_file *file, int channels,
                             struct gb_image *image);
};

// 8 bits; grey, YCbCr, RGB, CMYK and YCCK. What libjpeg warns of and decodes like an intact file
// (stray bytes before a marker, unusual parameters) is no damage.
extern const struct gb_image_decoder gb_jpeg_decoder;
// 1 to 16 bits; grey, palette and RGB, each with alpha or without; interlaced or not.
extern const struct gb_image_decoder gb_png_decoder;
// PBM, PGM and PPM, plain (P1 to P3) and raw (P4 to P6). Scaled to the full range of 8 bits where
// the largest value is below 256, of 16 bits elsewhere.
extern const struct gb_image_decoder gb_pnm_decoder;
// And BigTIFF. 8 or 16 bits, also 1, 2 or 4 of grey and palette; RGB; 8 bits of CMYK and YCbCr; in
// strips or tiles of any compression that libtiff has.
extern const struct gb_image_decoder gb_tiff_decoder;
// The first frame, which must fill the screen that the file declares or be larger. What follows its
// pixels is not read.
extern const struct gb_image_decoder gb_gif_decoder;

// GB_BAD_INPUT for a truncated or damaged file, and for an unsupported kind.
enum gb_status gb_image_damaged(const struct gb_image_file *file,
                                const struct gb_image_decoder *decoder, const char *why);
enum gb_status gb_image_unusable(const struct gb_image_file *file,
                                 const struct gb_image_decoder *decoder, const char *why);

// The orientation in an EXIF block, which begins with a TIFF header; 1 where there is none.
int gb_exif_orientation(const unsigned char *bytes, size_t size);

// Copies up to `size` bytes from offset *at, which it advances; returns how many there were.
size_t gb_image_take(const struct gb_image_file *file, size_t *at, void *to, size_t size);

#endif
