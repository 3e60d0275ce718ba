// SPDX-License-Identifier: MIT
#include "tasks/image.h"

#include <errno.h>
#include <setjmp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <jpeglib.h>
#include <png.h>

#include "flows/atomic_file.h"

enum gb_status gb_image_create(struct gb_image *image, int w, int h, int c, const char *where) {
    *image = (struct gb_image){0};
    if (w < 1 || h < 1 || w > GB_IMAGE_MAX_SIDE || h > GB_IMAGE_MAX_SIDE ||
        (long long)w * h > GB_IMAGE_MAX_PIXELS)
        return gb_fail(GB_BAD_INPUT, "cannot make image", where,
                       "%d x %d pixels are beyond the limits (%d a side, %d in all)", w, h,
                       GB_IMAGE_MAX_SIDE, GB_IMAGE_MAX_PIXELS);
    unsigned char *pixels = calloc((size_t)w * (size_t)h, (size_t)c);
    if (!pixels)
        return gb_fail(GB_OUT_OF_MEMORY, "cannot make image", where, "no memory for %d x %d pixels",
                       w, h);
    *image = (struct gb_image){.w = w, .h = h, .c = c, .pixels = pixels};
    return GB_OK;
}

void gb_image_free(struct gb_image *image) {
    free(image->pixels);
    *image = (struct gb_image){0};
}

// libjpeg reports through callbacks. An error jumps out of the decoder; a warning (a marker or a
// scan that ends early, bits that make no sense) would be patched over with grey, so it counts as
// an error.
struct jpeg_errors {
    struct jpeg_error_mgr manager; // first, so that the decoder's pointer is ours
    jmp_buf escape;
    bool damaged;
    char message[JMSG_LENGTH_MAX];
};

static void jpeg_escape(j_common_ptr common) {
    struct jpeg_errors *errors = (struct jpeg_errors *)common->err;
    errors->manager.format_message(common, errors->message);
    longjmp(errors->escape, 1);
}

static void jpeg_warning(j_common_ptr common, int level) {
    if (level < 0) {
        ((struct jpeg_errors *)common->err)->damaged = true;
        jpeg_escape(common);
    }
}

static bool is_jpeg(const unsigned char *bytes, size_t size) {
    return size >= 3 && bytes[0] == 0xff && bytes[1] == 0xd8 && bytes[2] == 0xff;
}

// The accurate integer transform and the smooth chroma upsampling are libjpeg's defaults and have
// the same bits with and without its SIMD code; nothing is scaled while decoding.
static enum gb_status decode_jpeg(const unsigned char *bytes, size_t size, const char *where,
                                  int channels, struct gb_image *image) {
    struct jpeg_decompress_struct decoder;
    struct jpeg_errors errors = {.damaged = false};
    decoder.err = jpeg_std_error(&errors.manager);
    errors.manager.error_exit = jpeg_escape;
    errors.manager.emit_message = jpeg_warning;
    if (setjmp(errors.escape)) {
        jpeg_destroy_decompress(&decoder);
        gb_image_free(image);
        return gb_fail(GB_BAD_INPUT, "cannot read image", where, "%s JPEG: %s",
                       errors.damaged ? "truncated or damaged" : "unusable", errors.message);
    }
    jpeg_create_decompress(&decoder);
    jpeg_mem_src(&decoder, bytes, (unsigned long)size);
    jpeg_read_header(&decoder, TRUE);
    decoder.out_color_space = channels == 1 ? JCS_GRAYSCALE : JCS_RGB;
    enum gb_status status = gb_image_create(image, (int)decoder.image_width,
                                            (int)decoder.image_height, channels, where);
    if (status == GB_OK) {
        jpeg_start_decompress(&decoder);
        while (decoder.output_scanline < decoder.output_height) {
            size_t stride = (size_t)image->w * (size_t)channels;
            JSAMPROW row = image->pixels + decoder.output_scanline * stride;
            jpeg_read_scanlines(&decoder, &row, 1);
        }
        jpeg_finish_decompress(&decoder);
    }
    jpeg_destroy_decompress(&decoder);
    return status;
}

enum gb_status gb_image_decode(const unsigned char *bytes, size_t size, const char *where,
                               int channels, struct gb_image *image) {
    *image = (struct gb_image){0};
    if (size == 0)
        return gb_fail(GB_BAD_INPUT, "cannot read image", where, "the file is empty");
    if (is_jpeg(bytes, size))
        return decode_jpeg(bytes, size, where, channels, image);
    return gb_fail(GB_BAD_INPUT, "cannot read image", where,
                   "not an image of a known format (JPEG)");
}

// Reads a whole file; *bytes is the caller's to free.
static enum gb_status read_file(const char *path, unsigned char **bytes, size_t *size) {
    *bytes = NULL;
    struct stat status;
    FILE *stream = NULL;
    // Asked first, since opening a pipe would wait for a writer.
    if (stat(path, &status) == 0 && !S_ISREG(status.st_mode))
        return gb_fail(GB_BAD_INPUT, "cannot read image", path,
                       S_ISDIR(status.st_mode) ? "is a folder" : "is not a regular file");
    stream = fopen(path, "rb");
    if (!stream || fstat(fileno(stream), &status) != 0) {
        enum gb_status result =
            gb_fail(GB_BAD_INPUT, "cannot read image", path, "%s", strerror(errno));
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
        return gb_fail(GB_OUT_OF_MEMORY, "cannot read image", path, "no memory for %zu bytes",
                       *size);
    if (got != *size) {
        free(*bytes);
        *bytes = NULL;
        return gb_fail(GB_IO_ERROR, "cannot read image", path, "%s",
                       reason ? strerror(reason) : "became shorter while it was read");
    }
    return GB_OK;
}

enum gb_status gb_image_read(const char *path, int channels, struct gb_image *image) {
    *image = (struct gb_image){0};
    unsigned char *bytes;
    size_t size = 0;
    GB_TRY(read_file(path, &bytes, &size));
    enum gb_status status = gb_image_decode(bytes, size, path, channels, image);
    free(bytes);
    return status;
}

struct png_errors {
    jmp_buf escape;
    char message[128];
};

static void png_escape(png_structp png, png_const_charp message) {
    struct png_errors *errors = png_get_error_ptr(png);
    snprintf(errors->message, sizeof errors->message, "%s", message);
    longjmp(errors->escape, 1);
}

static void png_ignore_warning(png_structp png, png_const_charp message) {
    (void)png;
    (void)message;
}

static enum gb_status encode_png(FILE *stream, const char *path, const struct gb_image *image) {
    struct png_errors errors = {.message = ""};
    png_structp png =
        png_create_write_struct(PNG_LIBPNG_VER_STRING, &errors, png_escape, png_ignore_warning);
    png_infop info = png ? png_create_info_struct(png) : NULL;
    if (!info) {
        png_destroy_write_struct(&png, NULL);
        return gb_fail(GB_OUT_OF_MEMORY, "cannot write", path, "out of memory");
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
    struct gb_atomic_file file;
    GB_TRY(gb_atomic_open(&file, path));
    enum gb_status status = encode_png(file.stream, path, image);
    if (status != GB_OK) {
        gb_atomic_abort(&file);
        return status;
    }
    return gb_atomic_commit(&file);
}
