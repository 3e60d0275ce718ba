// SPDX-License-Identifier: MIT
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <tiffio.h>

#include "base/minmax.h"
#include "tasks/images/image_decoder.h"

struct tiff_source {
    const struct gb_image_file *file;
    size_t at;
    char message[256]; // the first error's; "" without one
};

// libtiff's handlers for the process would print; those of one file (since 4.5) need no lock.
static int keep_error(TIFF *tiff, void *user, const char *module, const char *format,
                      va_list arguments) {
    (void)tiff;
    (void)module;
    struct tiff_source *source = user;
    if (!*source->message)
        vsnprintf(source->message, sizeof source->message, format, arguments);
    return 1; // and not on to the process's handler
}

// Warnings are about tags that are not needed, with one exception: where a file's end cuts a tag
// off, libtiff guesses, and takes palette indices for grey.
static int judge_warning(TIFF *tiff, void *user, const char *module, const char *format,
                         va_list arguments) {
    return strstr(format, "IO error") ? keep_error(tiff, user, module, format, arguments) : 1;
}

static tmsize_t read_bytes(thandle_t handle, void *to, tmsize_t size) {
    struct tiff_source *source = handle;
    return (tmsize_t)gb_image_take(source->file, &source->at, to, (size_t)size);
}

static tmsize_t write_nothing(thandle_t handle, void *from, tmsize_t size) {
    (void)handle, (void)from, (void)size;
    return -1;
}

static toff_t seek(thandle_t handle, toff_t offset, int whence) {
    struct tiff_source *source = handle;
    const toff_t base[] = {
        [SEEK_SET] = 0, [SEEK_CUR] = source->at, [SEEK_END] = source->file->size};
    return source->at = (size_t)(base[whence] + offset);
}

static toff_t size_of(thandle_t handle) {
    return ((struct tiff_source *)handle)->file->size;
}

static int close_nothing(thandle_t handle) {
    (void)handle;
    return 0;
}

static TIFF *open_tiff(struct tiff_source *source) {
    TIFFOpenOptions *options = TIFFOpenOptionsAlloc();
    if (!options)
        return NULL;
    // Four channels of 16 bits of the largest image: what a hostile header may make libtiff take.
    TIFFOpenOptionsSetMaxSingleMemAlloc(options, (tmsize_t)GB_IMAGE_MAX_PIXELS * 8);
    TIFFOpenOptionsSetErrorHandlerExtR(options, keep_error, source);
    TIFFOpenOptionsSetWarningHandlerExtR(options, judge_warning, source);
    TIFF *tiff =
        TIFFClientOpenExt(source->file->path, "rm" /* never mapped */, source, read_bytes,
                          write_nothing, seek, close_nothing, size_of, NULL, NULL, options);
    TIFFOpenOptionsFree(options);
    return tiff;
}

struct form {
    int w, h;
    uint16_t bits, samples; // of a pixel, alpha included
    uint16_t photometric;
    const uint16_t *palette[3]; // PHOTOMETRIC_PALETTE
    int palette_shift;          // of its entries to 8 bits
    bool indices;               // pixels are indices into it
    bool apart;                 // a plane for each channel
    bool converted;             // CMYK or YCbCr, which libtiff makes RGB
};

static enum gb_status unusable(const struct tiff_source *source, const char *why) {
    return gb_image_unusable(source->file, &gb_tiff_decoder, why);
}

static enum gb_status damaged(const struct tiff_source *source, const char *why) {
    return gb_image_damaged(source->file, &gb_tiff_decoder,
                            *source->message ? source->message : why);
}

static int channels_of(const struct form *form) {
    const bool looked_up = form->photometric == PHOTOMETRIC_PALETTE && !form->indices;
    return form->photometric == PHOTOMETRIC_RGB || looked_up || form->converted ? 3 : 1;
}

// 8 bits stand in the upper half of an entry, and mostly in the lower one again; some programs
// write them as they are, as libtiff's own tools allow for.
static void take_palette(struct form *form, struct gb_image_traits *traits) {
    const int colours = 1 << form->bits;
    form->palette_shift = 0;
    for (int i = 0; i < colours; i++)
        for (int c = 0; c < 3; c++)
            if (form->palette[c][i] > UINT8_MAX)
                form->palette_shift = 8;
    for (int i = 0; i < colours; i++)
        for (int c = 0; c < 3; c++)
            traits->palette[i][c] = (unsigned char)(form->palette[c][i] >> form->palette_shift);
    traits->has_palette = form->indices = traits->keep_indices;
}

// Samples of a pixel that carry its colour.
static int colour_samples(const struct form *form) {
    return form->photometric == PHOTOMETRIC_RGB ? 3 : 1;
}

static enum gb_status can_convert(TIFF *tiff, const struct tiff_source *source) {
    char why[1024];
    return TIFFRGBAImageOK(tiff, why) ? GB_OK : unusable(source, why);
}

static enum gb_status read_form(TIFF *tiff, const struct tiff_source *source, struct form *form) {
    uint32_t w = 0, h = 0;
    uint16_t kind, planes, extra, orientation, *extras;
    uint16_t *palette[3];
    if (!TIFFGetField(tiff, TIFFTAG_IMAGEWIDTH, &w) ||
        !TIFFGetField(tiff, TIFFTAG_IMAGELENGTH, &h) ||
        !TIFFGetField(tiff, TIFFTAG_PHOTOMETRIC, &form->photometric))
        return damaged(source, "a tag that every image needs is missing");
    // gb_image_create refuses what is cut to an int's largest value.
    form->w = w < INT32_MAX ? (int)w : INT32_MAX;
    form->h = h < INT32_MAX ? (int)h : INT32_MAX;
    TIFFGetFieldDefaulted(tiff, TIFFTAG_BITSPERSAMPLE, &form->bits);
    TIFFGetFieldDefaulted(tiff, TIFFTAG_SAMPLESPERPIXEL, &form->samples);
    TIFFGetFieldDefaulted(tiff, TIFFTAG_SAMPLEFORMAT, &kind);
    TIFFGetFieldDefaulted(tiff, TIFFTAG_PLANARCONFIG, &planes);
    TIFFGetFieldDefaulted(tiff, TIFFTAG_EXTRASAMPLES, &extra, &extras);
    TIFFGetFieldDefaulted(tiff, TIFFTAG_ORIENTATION, &orientation);
    source->file->traits->orientation = orientation;
    form->apart = planes != PLANARCONFIG_CONTIG && form->samples > 1;
    const bool small =
        form->samples == 1 && (form->bits == 1 || form->bits == 2 || form->bits == 4);
    if (kind != SAMPLEFORMAT_UINT || (form->bits != 8 && form->bits != 16 && !small))
        return unusable(source, "its channels are not integers of 1, 2, 4, 8 or 16 bits");
    form->converted = form->bits == 8 && (form->photometric == PHOTOMETRIC_SEPARATED ||
                                          form->photometric == PHOTOMETRIC_YCBCR);
    if (form->converted)
        return can_convert(tiff, source);
    if (form->photometric > PHOTOMETRIC_PALETTE)
        return unusable(source, "its colours are neither grey nor RGB, CMYK, YCbCr or a palette's");
    if (form->samples != colour_samples(form) + extra || extra > 1)
        return unusable(source, "it has a wrong number of channels");
    if (form->photometric == PHOTOMETRIC_PALETTE) {
        if (form->bits > 8 ||
            !TIFFGetField(tiff, TIFFTAG_COLORMAP, &palette[0], &palette[1], &palette[2]))
            return unusable(source, "its palette is missing or of more than 256 colours");
        memcpy(form->palette, palette, sizeof palette);
        take_palette(form, source->file->traits);
    }
    return GB_OK;
}

// A sample of up to 8 bits; smaller ones share a byte, the first in the upper bits.
static unsigned sample_at(const struct form *form, const unsigned char *row, size_t sample) {
    const size_t bit = sample * form->bits;
    return (unsigned)row[bit / 8] >> (8 - form->bits - bit % 8) & ((1u << form->bits) - 1);
}

// Unpacks `count` pixels to (x, y); of planes that are apart, those of one.
static void unpack_row(const struct form *form, int plane, const void *row, struct gb_image *image,
                       int x, int y, int count) {
    const uint16_t *row16 = row;
    const bool palette = form->photometric == PHOTOMETRIC_PALETTE;
    const unsigned scale = form->indices ? 1 : 255 / ((1u << gb_min_int(form->bits, 8)) - 1);
    const size_t first = ((size_t)y * (size_t)image->w + (size_t)x) * (size_t)image->c;
    const bool one = form->apart && !palette;
    for (int i = 0; i < count; i++)
        for (int c = one ? plane : 0; c < (one ? plane + 1 : image->c); c++) {
            const size_t to = first + (size_t)(i * image->c + c);
            const size_t pixel = (size_t)i * (form->apart ? 1 : form->samples);
            const size_t sample = pixel + (form->apart ? 0 : (size_t)c);
            if (palette && !form->indices)
                image->pixels[to] = (unsigned char)(form->palette[c][sample_at(form, row, pixel)] >>
                                                    form->palette_shift);
            else if (image->bits == 8)
                image->pixels[to] = (unsigned char)(scale * sample_at(form, row, sample));
            else
                image->pixels16[to] = row16[sample];
        }
}

static void invert(struct gb_image *image) {
    const size_t values = (size_t)image->w * (size_t)image->h * (size_t)image->c;
    for (size_t i = 0; i < values; i++)
        if (image->bits == 8)
            image->pixels[i] = (unsigned char)~image->pixels[i];
        else
            image->pixels16[i] = (uint16_t)~image->pixels16[i];
}

static enum gb_status read_rows(TIFF *tiff, const struct tiff_source *source,
                                const struct form *form, int plane, struct gb_image *image) {
    void *row = malloc((size_t)TIFFScanlineSize(tiff) + 1);
    if (!row)
        return gb_no_memory("cannot read image", source->file->path);
    enum gb_status status = GB_OK;
    for (int y = 0; status == GB_OK && y < image->h; y++)
        if (TIFFReadScanline(tiff, row, (uint32_t)y, (uint16_t)plane) == 1)
            unpack_row(form, plane, row, image, 0, y, image->w);
        else
            status = damaged(source, "its pixels cannot be read");
    free(row);
    return status;
}

static enum gb_status read_tiles(TIFF *tiff, const struct tiff_source *source,
                                 const struct form *form, int plane, struct gb_image *image) {
    enum { LARGEST = 4096 }; // side; what a hostile header may make us take
    uint32_t w = 0, h = 0;
    TIFFGetField(tiff, TIFFTAG_TILEWIDTH, &w);
    TIFFGetField(tiff, TIFFTAG_TILELENGTH, &h);
    if (w < 1 || h < 1 || w > LARGEST || h > LARGEST)
        return unusable(source, "the sides of its tiles are not between 1 and 4096");
    unsigned char *tile = malloc((size_t)TIFFTileSize(tiff) + 1);
    if (!tile)
        return gb_no_memory("cannot read image", source->file->path);
    enum gb_status status = GB_OK;
    for (int y = 0; y < image->h; y += (int)h)
        for (int x = 0; status == GB_OK && x < image->w; x += (int)w) {
            if (TIFFReadTile(tiff, tile, (uint32_t)x, (uint32_t)y, 0, (uint16_t)plane) < 0)
                status = damaged(source, "its pixels cannot be read");
            const int rows = gb_min_int((int)h, image->h - y);
            for (int i = 0; status == GB_OK && i < rows; i++)
                unpack_row(form, plane, tile + (size_t)i * (size_t)TIFFTileRowSize(tiff), image, x,
                           y + i, gb_min_int((int)w, image->w - x));
        }
    free(tile);
    return status;
}

// Rows as they are stored: the orientation is applied to all formats alike.
static enum gb_status read_converted(TIFF *tiff, const struct tiff_source *source,
                                     struct gb_image *image) {
    const size_t pixels = (size_t)image->w * (size_t)image->h;
    uint16_t orientation;
    TIFFGetFieldDefaulted(tiff, TIFFTAG_ORIENTATION, &orientation);
    uint32_t *raster = malloc(pixels * sizeof *raster);
    if (!raster)
        return gb_no_memory("cannot read image", source->file->path);
    enum gb_status status = GB_OK;
    if (!TIFFReadRGBAImageOriented(tiff, (uint32_t)image->w, (uint32_t)image->h, raster,
                                   orientation, 1))
        status = damaged(source, "its pixels cannot be read");
    for (size_t i = 0; status == GB_OK && i < pixels; i++) {
        image->pixels[3 * i] = (unsigned char)TIFFGetR(raster[i]);
        image->pixels[3 * i + 1] = (unsigned char)TIFFGetG(raster[i]);
        image->pixels[3 * i + 2] = (unsigned char)TIFFGetB(raster[i]);
    }
    free(raster);
    return status;
}

static enum gb_status read_tiff(TIFF *tiff, const struct tiff_source *source,
                                struct gb_image *image) {
    struct form form = {0};
    GB_TRY(read_form(tiff, source, &form));
    GB_TRY(gb_image_create(image, form.w, form.h, channels_of(&form), gb_max_int(form.bits, 8),
                           source->file->path));
    if (form.converted)
        return read_converted(tiff, source, image);
    const int planes = form.apart ? colour_samples(&form) : 1;
    for (int plane = 0; plane < planes; plane++)
        GB_TRY(TIFFIsTiled(tiff) ? read_tiles(tiff, source, &form, plane, image)
                                 : read_rows(tiff, source, &form, plane, image));
    if (form.photometric == PHOTOMETRIC_MINISWHITE)
        invert(image);
    return GB_OK;
}

static bool recognises(const struct gb_image_file *file) {
    static const char *const starts[] = {"II*\0", "MM\0*", "II+\0", "MM\0+"}; // + is BigTIFF
    for (int i = 0; i < 4; i++)
        if (file->size >= 4 && memcmp(file->bytes, starts[i], 4) == 0)
            return true;
    return false;
}

static enum gb_status decode(const struct gb_image_file *file, int channels,
                             struct gb_image *image) {
    (void)channels;
    struct tiff_source source = {.file = file};
    TIFF *tiff = open_tiff(&source);
    if (!tiff)
        return damaged(&source, "it cannot be opened");
    enum gb_status status = read_tiff(tiff, &source, image);
    if (status == GB_OK && *source.message)
        status = damaged(&source, "");
    TIFFClose(tiff);
    return status;
}

const struct gb_image_decoder gb_tiff_decoder = {"TIFF", recognises, decode};
