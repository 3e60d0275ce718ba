// SPDX-License-Identifier: MIT
#define _GNU_SOURCE // memmem
#include "tasks/images/image.h"

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "tasks/images/image_decoder.h"

static const char cannot_read[] = "cannot read image";

enum gb_status gb_image_create(struct gb_image *image, int w, int h, int c, int bits,
                               const char *where) {
    assert((c == 1 || c == 3) && (bits == 8 || bits == 16));
    *image = (struct gb_image){0};
    if (w < 1 || h < 1 || w > GB_IMAGE_MAX_SIDE || h > GB_IMAGE_MAX_SIDE ||
        (long long)w * h > GB_IMAGE_MAX_PIXELS)
        return gb_fail(GB_BAD_INPUT, "cannot make image", where,
                       "%d x %d pixels are beyond the limits (%d a side, %d in all)", w, h,
                       GB_IMAGE_MAX_SIDE, GB_IMAGE_MAX_PIXELS);
    void *pixels = calloc((size_t)w * (size_t)h, (size_t)(c * bits / 8));
    if (!pixels)
        return gb_fail(GB_OUT_OF_MEMORY, "cannot make image", where, "no memory for %d x %d pixels",
                       w, h);
    *image = (struct gb_image){.w = w, .h = h, .c = c, .bits = bits, .pixels = pixels};
    return GB_OK;
}

void gb_image_free(struct gb_image *image) {
    free(image->pixels);
    *image = (struct gb_image){0};
}

void gb_image_crop(struct gb_image *image, int x, int y, int w, int h) {
    assert(x >= 0 && y >= 0 && w > 0 && h > 0 && x + w <= image->w && y + h <= image->h);
    const size_t pixel = (size_t)(image->c * image->bits / 8);
    for (int row = 0; row < h; row++)
        memmove(image->pixels + (size_t)row * (size_t)w * pixel,
                image->pixels + ((size_t)(y + row) * (size_t)image->w + (size_t)x) * pixel,
                (size_t)w * pixel);
    image->w = w;
    image->h = h;
}

enum gb_status gb_image_damaged(const struct gb_image_file *file,
                                const struct gb_image_decoder *decoder, const char *why) {
    return gb_fail(GB_BAD_INPUT, cannot_read, file->path, "truncated or damaged %s: %s",
                   decoder->name, why);
}

enum gb_status gb_image_unusable(const struct gb_image_file *file,
                                 const struct gb_image_decoder *decoder, const char *why) {
    return gb_fail(GB_BAD_INPUT, cannot_read, file->path, "unusable %s: %s", decoder->name, why);
}

size_t gb_image_take(const struct gb_image_file *file, size_t *at, void *to, size_t size) {
    const size_t left = *at < file->size ? file->size - *at : 0;
    const size_t taken = size < left ? size : left;
    memcpy(to, file->bytes + *at, taken);
    *at += taken;
    return taken;
}

int gb_exif_orientation(const unsigned char *bytes, size_t size) {
    enum { HEADER = 8, ENTRY = 12, TAG = 0x0112 };
    if (size < HEADER || (memcmp(bytes, "II*\0", 4) != 0 && memcmp(bytes, "MM\0*", 4) != 0))
        return 1;
    // Numbers of two bytes, the first the lower one or the upper one.
    const int low = bytes[0] == 'I' ? 0 : 1;
    const unsigned char *offset = bytes + 4;
    const size_t directory =
        low ? (size_t)offset[0] << 24 | (size_t)offset[1] << 16 | (size_t)offset[2] << 8 | offset[3]
            : (size_t)offset[3] << 24 | (size_t)offset[2] << 16 | (size_t)offset[1] << 8 |
                  offset[0];
    if (directory > size - 2)
        return 1;
    const int entries = bytes[directory + (size_t)low] | bytes[directory + !low] << 8;
    for (size_t i = 0, at = directory + 2; i < (size_t)entries && at + ENTRY <= size;
         i++, at += ENTRY)
        if ((bytes[at + (size_t)low] | bytes[at + !low] << 8) == TAG)
            return bytes[at + 8 + (size_t)low];
    return 1;
}

// Turns an image upright that is stored in this orientation, EXIF's.
static enum gb_status turn_upright(struct gb_image *image, int orientation, const char *path) {
    if (orientation < 2 || orientation > 8)
        return GB_OK;
    const bool transposed = orientation >= 5,
               from_right = orientation == 2 || orientation == 3 || orientation >= 7,
               from_below =
                   orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7;
    const size_t pixel = (size_t)(image->c * image->bits / 8);
    struct gb_image upright;
    GB_TRY(gb_image_create(&upright, transposed ? image->h : image->w,
                           transposed ? image->w : image->h, image->c, image->bits, path));
    unsigned char *to = upright.pixels;
    for (int y = 0; y < upright.h; y++)
        for (int x = 0; x < upright.w; x++, to += pixel) {
            const int across = transposed ? y : x, down = transposed ? x : y;
            const int column = from_right ? image->w - 1 - across : across;
            const int row = from_below ? image->h - 1 - down : down;
            memcpy(to, image->pixels + ((size_t)row * (size_t)image->w + (size_t)column) * pixel,
                   pixel);
        }
    gb_image_free(image);
    *image = upright;
    return GB_OK;
}

// What a file is that is not read, by its first bytes.
static const char *foreign_kind(const struct gb_image_file *file) {
    static const struct {
        int at;
        const char *bytes, *kind;
    } kinds[] = {
        {0, "BM", "BMP"},
        {8, "WEBP", "WebP"},
        {4, "ftypavif", "AVIF"},
        {4, "ftyphei", "HEIF"},
        {4, "ftypmif1", "HEIF"},
        {4, "jP  \r\n", "JPEG 2000"},
        {0, "\xff\x4f\xff\x51", "JPEG 2000"},
        {0, "\xff\x0a", "JPEG XL"},
        {4, "JXL \r\n", "JPEG XL"},
        {0, "P7", "PAM"},
        {0, "Pf", "PFM"},
        {0, "PF", "PFM"},
        {0, "8BPS", "Photoshop"},
        {0, "%PDF", "PDF"},
        {0, "<svg", "SVG"},
        {0, "<?xml", "XML"},
        {0, "<!DOCTYPE", "HTML"},
        {0, "<html", "HTML"},
        {0, "version https://git-lfs", "a pointer of Git LFS"},
        {0, "\x1f\x8b", "gzip"},
        {0, "PK\3\4", "a zip archive"},
        {0, "\0\5\x16\7", "AppleDouble"},
        {0, "\x89HDF", "HDF5"},
        {0, "MATLAB 5.0", "MATLAB"},
        {0, "\x93NUMPY", "NumPy"},
    };
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        const size_t at = (size_t)kinds[i].at,
                     length = kinds[i].bytes[0] ? strlen(kinds[i].bytes) : 4;
        if (file->size >= at + length && memcmp(file->bytes + at, kinds[i].bytes, length) == 0)
            return kinds[i].kind;
    }
    return NULL;
}

static const struct gb_image_decoder *const decoders[] = {
    &gb_png_decoder, &gb_jpeg_decoder, &gb_pnm_decoder, &gb_tiff_decoder, &gb_gif_decoder,
};

static enum gb_status decode(const struct gb_image_file *file, int channels,
                             struct gb_image *image) {
    if (file->size == 0)
        return gb_fail(GB_BAD_INPUT, cannot_read, file->path, "the file is empty");
    for (size_t i = 0; i < sizeof decoders / sizeof *decoders; i++)
        if (decoders[i]->recognises(file))
            return decoders[i]->decode(file, channels, image);
    const char *kind = foreign_kind(file);
    return gb_fail(GB_BAD_INPUT, cannot_read, file->path,
                   "%s%snot an image of a known format (PNG, JPEG, PGM, PPM, TIFF, GIF)",
                   kind ? kind : "", kind ? ": " : "");
}

// Reads a whole file; *bytes is the caller's to free.
static enum gb_status read_file(const char *path, unsigned char **bytes, size_t *size) {
    *bytes = NULL;
    struct stat status;
    FILE *stream = NULL;
    // Asked first, since opening a pipe would wait for a writer.
    if (stat(path, &status) == 0 && !S_ISREG(status.st_mode))
        return gb_fail(GB_BAD_INPUT, cannot_read, path,
                       S_ISDIR(status.st_mode) ? "is a directory" : "is not a regular file");
    stream = fopen(path, "rb");
    if (!stream || fstat(fileno(stream), &status) != 0) {
        enum gb_status result = gb_fail(GB_BAD_INPUT, cannot_read, path, "%s", strerror(errno));
        if (stream)
            fclose(stream);
        return result;
    }
    *size = (size_t)status.st_size;
    *bytes = malloc(*size + 1); // never of no bytes
    size_t got = *bytes ? fread(*bytes, 1, *size, stream) : 0;
    int reason = ferror(stream) ? errno : 0;
    fclose(stream);
    if (!*bytes)
        return gb_fail(GB_OUT_OF_MEMORY, cannot_read, path, "no memory for %zu bytes", *size);
    if (got != *size) {
        free(*bytes);
        *bytes = NULL;
        return gb_fail(GB_IO_ERROR, cannot_read, path, "%s",
                       reason ? strerror(reason) : "became shorter while it was read");
    }
    return GB_OK;
}

// Whether the end of a format that marks it is near the end of the file, where some programs add
// their own data.
static bool is_complete(const struct gb_image_file *file) {
    enum { NEAR = 4096 };
    const size_t tail = file->size < NEAR ? file->size : NEAR;
    const unsigned char *from = file->bytes + file->size - tail;
    return (gb_jpeg_decoder.recognises(file) && memmem(from, tail, "\xff\xd9", 2)) ||
           (gb_png_decoder.recognises(file) && memmem(from, tail, "IEND\xae\x42\x60\x82", 8));
}

// The image upright, with the file's channels and bits.
static enum gb_status read_image(const char *path, int channels, struct gb_image_traits *traits,
                                 struct gb_image *image) {
    *image = (struct gb_image){0};
    unsigned char *bytes;
    size_t size = 0;
    GB_TRY(read_file(path, &bytes, &size));
    const struct gb_image_file file = {path, bytes, size, traits};
    traits->header_only = traits->header_only && is_complete(&file);
    enum gb_status status = decode(&file, channels, image);
    free(bytes);
    if (status == GB_OK)
        status = turn_upright(image, traits->orientation, path);
    if (status != GB_OK)
        gb_image_free(image);
    return status;
}

// A value as 8 bits, to nearest.
static unsigned value8(const struct gb_image *image, size_t index) {
    return image->bits == 8 ? image->pixels[index]
                            : (image->pixels16[index] * 255u + 32767u) / 65535u;
}

// The weights in 65536ths, as libjpeg has them; they sum to one, so that grey stays grey.
static unsigned char luma(const unsigned rgb[3]) {
    return (unsigned char)((19595 * rgb[0] + 38470 * rgb[1] + 7471 * rgb[2] + 32768) >> 16);
}

static void convert_pixel(const struct gb_image *from, size_t pixel, const struct gb_image *to) {
    unsigned rgb[3];
    for (int c = 0; c < 3; c++)
        rgb[c] = value8(from, from->c == 1 ? pixel : 3 * pixel + (size_t)c);
    if (to->c == 1)
        to->pixels[pixel] = luma(rgb);
    else
        for (size_t c = 0; c < 3; c++)
            to->pixels[3 * pixel + c] = (unsigned char)rgb[c];
}

static enum gb_status convert(struct gb_image *image, int channels, const char *path) {
    struct gb_image converted;
    GB_TRY(gb_image_create(&converted, image->w, image->h, channels, 8, path));
    const size_t pixels = (size_t)image->w * (size_t)image->h;
    for (size_t pixel = 0; pixel < pixels; pixel++)
        convert_pixel(image, pixel, &converted);
    gb_image_free(image);
    *image = converted;
    return GB_OK;
}

enum gb_status gb_image_read(const char *path, int channels, struct gb_image *image) {
    struct gb_image_traits traits = {0};
    GB_TRY(read_image(path, channels, &traits, image));
    if (image->bits == 8 && image->c == channels)
        return GB_OK;
    enum gb_status status = convert(image, channels, path);
    if (status != GB_OK)
        gb_image_free(image);
    return status;
}

enum gb_status gb_image_probe(const char *path, int *w, int *h) {
    struct gb_image_traits traits = {.header_only = true};
    struct gb_image image;
    GB_TRY(read_image(path, 1, &traits, &image));
    *w = image.w;
    *h = image.h;
    gb_image_free(&image);
    return GB_OK;
}

enum gb_status gb_image_read_grey16(const char *path, struct gb_image *image) {
    struct gb_image_traits traits = {0};
    GB_TRY(read_image(path, 1, &traits, image));
    if (image->c == 1 && image->bits == 16)
        return GB_OK;
    const char *kind = image->c == 1 ? "grey" : "colour";
    enum gb_status status = gb_fail(GB_BAD_INPUT, cannot_read, path,
                                    "%d-bit %s where 16-bit grey is needed", image->bits, kind);
    gb_image_free(image);
    return status;
}

enum gb_status gb_image_read_stored(const char *path, struct gb_image_stored *stored) {
    struct gb_image_traits traits = {.keep_indices = true};
    *stored = (struct gb_image_stored){0};
    GB_TRY(read_image(path, 1, &traits, &stored->image));
    stored->lossy = traits.lossy;
    stored->has_palette = traits.has_palette;
    memcpy(stored->palette, traits.palette, sizeof stored->palette);
    if (stored->image.c == 1)
        return GB_OK;
    enum gb_status status = convert(&stored->image, 1, path);
    if (status != GB_OK)
        gb_image_free(&stored->image);
    return status;
}
