// SPDX-License-Identifier: MIT
#include <assert.h>
#include <setjmp.h>
#include <stdio.h>
#include <string.h>

#include <png.h>

#include "base/atomic_file.h"
#include "tasks/images/image_decoder.h"

struct png_errors {
    jmp_buf escape;
    char message[128];
    bool decoded; // all rows
};

static void escape(png_structp png, png_const_charp message) {
    struct png_errors *errors = png_get_error_ptr(png);
    snprintf(errors->message, sizeof errors->message, "%s", message);
    longjmp(errors->escape, 1);
}

// Warnings are about chunks that are not pixels, such as colour profiles.
static void ignore_warning(png_structp png, png_const_charp message) {
    (void)png;
    (void)message;
}

static bool recognises(const struct gb_image_file *file) {
    return file->size >= 4 && memcmp(file->bytes, "\x89PNG", 4) == 0;
}

struct png_source {
    const struct gb_image_file *file;
    size_t at;
    bool ended;
};

static void read_bytes(png_structp png, png_bytep to, size_t size) {
    struct png_source *source = png_get_io_ptr(png);
    source->ended = gb_image_take(source->file, &source->at, to, size) != size;
    if (source->ended)
        png_error(png, "the file ends early");
}

// Whether the file ends after all of its chunks of pixels, without the mark for its end, which says
// nothing else: as with JPEG and GIF files, decoders read it like a complete one.
static bool lacks_end_only(const struct gb_image_file *file) {
    enum { SIGNATURE = 8, AROUND = 12 }; // length, type, check sum
    size_t at = SIGNATURE;
    bool pixels = false;
    while (at + AROUND <= file->size) {
        const unsigned char *b = file->bytes + at;
        const size_t length =
            (size_t)b[0] << 24 | (size_t)b[1] << 16 | (size_t)b[2] << 8 | (size_t)b[3];
        if (length > file->size - at - AROUND)
            return false;
        pixels = memcmp(b + 4, "IDAT", 4) == 0;
        at += AROUND + length;
    }
    return pixels && (file->size - at < 8 || memcmp(file->bytes + at, "\0\0\0\0IEND", 8) == 0);
}

// 8 or 16 bits in native byte order, grey, RGB or palette indices. Without gamma, so that values
// stay the file's.
static void choose_form(png_structp png, png_infop info, bool indices) {
    const png_byte type = png_get_color_type(png, info);
    if (indices)
        png_set_packing(png);
    else if (type == PNG_COLOR_TYPE_PALETTE)
        png_set_palette_to_rgb(png);
    if (type == PNG_COLOR_TYPE_GRAY)
        png_set_expand_gray_1_2_4_to_8(png);
    png_set_strip_alpha(png);
    if (__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__)
        png_set_swap(png);
}

// EXIF may precede the pixels or follow them.
static void read_orientation(png_structp png, png_infop info, struct gb_image_traits *traits) {
    png_uint_32 size;
    png_bytep exif;
    if (png_get_eXIf_1(png, info, &size, &exif))
        traits->orientation = gb_exif_orientation(exif, size);
}

static void read_palette(png_structp png, png_infop info, struct gb_image_traits *traits) {
    png_colorp palette;
    int count;
    traits->has_palette = traits->keep_indices &&
                          png_get_color_type(png, info) == PNG_COLOR_TYPE_PALETTE &&
                          png_get_PLTE(png, info, &palette, &count);
    for (int i = 0; traits->has_palette && i < count; i++) {
        traits->palette[i][0] = palette[i].red;
        traits->palette[i][1] = palette[i].green;
        traits->palette[i][2] = palette[i].blue;
    }
}

// Jumps to the escape on errors.
static enum gb_status read_png(png_structp png, png_infop info, const struct gb_image_file *file,
                               struct gb_image *image) {
    png_set_user_limits(png, PNG_UINT_31_MAX, PNG_UINT_31_MAX);
    png_set_option(png, PNG_MAXIMUM_INFLATE_WINDOW, PNG_OPTION_ON); // headers may claim too little
    png_read_info(png, info);
    read_palette(png, info, file->traits);
    // gb_image_create checks the size, before png_read_update_info allocates a row.
    const bool indices = file->traits->has_palette;
    const bool colour = !indices && png_get_color_type(png, info) & PNG_COLOR_MASK_COLOR;
    GB_TRY(gb_image_create(image, (int)png_get_image_width(png, info),
                           (int)png_get_image_height(png, info), colour ? 3 : 1,
                           png_get_bit_depth(png, info) == 16 ? 16 : 8, file->path));
    read_orientation(png, info, file->traits);
    if (file->traits->header_only)
        return GB_OK;
    choose_form(png, info, indices);
    const int passes = png_set_interlace_handling(png);
    png_read_update_info(png, info);
    const size_t stride = (size_t)image->w * (size_t)(image->c * image->bits / 8);
    if (png_get_rowbytes(png, info) != stride)
        png_error(png, "unexpected size of a row");
    for (int pass = 0; pass < passes; pass++)
        for (int y = 0; y < image->h; y++)
            png_read_row(png, image->pixels + (size_t)y * stride, NULL);
    ((struct png_errors *)png_get_error_ptr(png))->decoded = true;
    png_read_end(png, info); // a file cut in its last chunk of pixels is damaged too
    read_orientation(png, info, file->traits);
    return GB_OK;
}

static enum gb_status decode(const struct gb_image_file *file, int channels,
                             struct gb_image *image) {
    (void)channels;
    struct png_errors errors = {.message = ""};
    struct png_source source = {.file = file};
    png_structp png =
        png_create_read_struct(PNG_LIBPNG_VER_STRING, &errors, escape, ignore_warning);
    png_infop info = png ? png_create_info_struct(png) : NULL;
    if (!info) {
        png_destroy_read_struct(&png, NULL, NULL);
        return gb_no_memory("cannot read image", file->path);
    }
    if (setjmp(errors.escape)) {
        png_destroy_read_struct(&png, &info, NULL);
        if (errors.decoded && source.ended && lacks_end_only(file))
            return GB_OK;
        return strstr(errors.message, "unhandled critical chunk") // Apple's CgBI
                   ? gb_image_unusable(file, &gb_png_decoder, errors.message)
                   : gb_image_damaged(file, &gb_png_decoder, errors.message);
    }
    png_set_read_fn(png, &source, read_bytes);
    enum gb_status status = read_png(png, info, file, image);
    png_destroy_read_struct(&png, &info, NULL);
    return status;
}

const struct gb_image_decoder gb_png_decoder = {"PNG", recognises, decode};

static enum gb_status encode(FILE *stream, const char *path, const struct gb_image *image) {
    struct png_errors errors = {.message = ""};
    png_structp png =
        png_create_write_struct(PNG_LIBPNG_VER_STRING, &errors, escape, ignore_warning);
    png_infop info = png ? png_create_info_struct(png) : NULL;
    if (!info) {
        png_destroy_write_struct(&png, NULL);
        return gb_no_memory("cannot write", path);
    }
    if (setjmp(errors.escape)) {
        png_destroy_write_struct(&png, &info);
        return gb_fail(GB_IO_ERROR, "cannot write", path, "%s", errors.message);
    }
    png_init_io(png, stream);
    png_set_IHDR(png, info, (png_uint_32)image->w, (png_uint_32)image->h, 8,
                 image->c == 1 ? PNG_COLOR_TYPE_GRAY : PNG_COLOR_TYPE_RGB, PNG_INTERLACE_NONE,
                 PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
    png_write_info(png, info);
    for (int y = 0; y < image->h; y++)
        png_write_row(png, image->pixels + (size_t)y * (size_t)image->w * (size_t)image->c);
    png_write_end(png, info);
    png_destroy_write_struct(&png, &info);
    return GB_OK;
}

enum gb_status gb_png_write(const char *path, const struct gb_image *image) {
    assert(image->bits == 8);
    struct gb_atomic_file file;
    GB_TRY(gb_atomic_open(&file, path));
    enum gb_status status = encode(file.stream, path, image);
    if (status != GB_OK) {
        gb_atomic_abort(&file);
        return status;
    }
    return gb_atomic_commit(&file);
}
