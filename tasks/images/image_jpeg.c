// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdio.h>
#include <string.h>
// After stdio.h, whose FILE it takes for granted.
#include <jpeglib.h>

#include "tasks/images/image_decoder.h"

// libjpeg reports through callbacks. An error jumps out of the decoder; a warning (a marker or a
// scan that ends early, invalid bits) would be patched over with grey, so it counts as
// an error.
struct jpeg_errors {
    struct jpeg_error_mgr manager; // first, so that the decoder's pointer is ours
    jmp_buf escape;
    bool damaged;
    char message[JMSG_LENGTH_MAX];
};

static void escape(j_common_ptr common) {
    struct jpeg_errors *errors = (struct jpeg_errors *)common->err;
    errors->manager.format_message(common, errors->message);
    longjmp(errors->escape, 1);
}

static void warn(j_common_ptr common, int level) {
    if (level < 0) {
        ((struct jpeg_errors *)common->err)->damaged = true;
        escape(common);
    }
}

// Encoders write some ten scans. Thousands of nearly empty ones are valid too, and each is a pass
// over all pixels.
static void limit_scans(j_common_ptr common) {
    enum { MAX_SCANS = 100 };
    if (((j_decompress_ptr)common)->input_scan_number <= MAX_SCANS)
        return;
    struct jpeg_errors *errors = (struct jpeg_errors *)common->err;
    snprintf(errors->message, sizeof errors->message, "more than %d scans", MAX_SCANS);
    longjmp(errors->escape, 1);
}

static bool recognises(const struct gb_image_file *file) {
    return file->size >= 3 && memcmp(file->bytes, "\xff\xd8\xff", 3) == 0;
}

// The accurate integer transform and the smooth chroma upsampling are libjpeg's defaults and have
// the same bits with and without its SIMD code; nothing is scaled while decoding.
static enum gb_status decode(const struct gb_image_file *file, int channels,
                             struct gb_image *image) {
    struct jpeg_decompress_struct decoder;
    struct jpeg_errors errors = {.damaged = false};
    struct jpeg_progress_mgr progress = {.progress_monitor = limit_scans};
    decoder.err = jpeg_std_error(&errors.manager);
    errors.manager.error_exit = escape;
    errors.manager.emit_message = warn;
    if (setjmp(errors.escape)) {
        jpeg_destroy_decompress(&decoder);
        return (errors.damaged ? gb_image_damaged : gb_image_unusable)(file, &gb_jpeg_decoder,
                                                                       errors.message);
    }
    jpeg_create_decompress(&decoder);
    decoder.progress = &progress;
    jpeg_mem_src(&decoder, file->bytes, (unsigned long)file->size);
    jpeg_read_header(&decoder, TRUE);
    decoder.out_color_space = channels == 1 ? JCS_GRAYSCALE : JCS_RGB;
    enum gb_status status = gb_image_create(image, (int)decoder.image_width,
                                            (int)decoder.image_height, channels, 8, file->path);
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

const struct gb_image_decoder gb_jpeg_decoder = {"JPEG", recognises, decode};
