// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdio.h>
#include <string.h>
// After stdio.h, whose FILE it takes for granted.
#include <jpeglib.h>
// After jpeglib.h.
#include <jerror.h>

#include "tasks/images/image_decoder.h"

// libjpeg reports through callbacks. An error jumps out of the decoder; so does a warning of lost
// pixels (a marker or a scan that ends early, invalid bits), which would be patched over with grey.
struct jpeg_errors {
    struct jpeg_error_mgr manager; // first, so that the decoder's pointer is ours
    jmp_buf escape;
    bool damaged;
    bool single_scan; // and it has begun
    char message[JMSG_LENGTH_MAX];
};

static void escape(j_common_ptr common) {
    struct jpeg_errors *errors = (struct jpeg_errors *)common->err;
    errors->manager.format_message(common, errors->message);
    longjmp(errors->escape, 1);
}

// Pixels are the same with and without what these warn of, as cameras and editors write it. A file
// of one scan that ends without its marker is complete unless another warning says what is missing.
static bool is_harmless(j_common_ptr common) {
    const int code = common->err->msg_code;
    return code == JWRN_EXTRANEOUS_DATA || code == JWRN_JFIF_MAJOR || code == JWRN_NOT_SEQUENTIAL ||
           code == JWRN_ADOBE_XFORM || code == JWRN_BOGUS_ICC || code == JWRN_TOO_MUCH_DATA ||
           (code == JWRN_JPEG_EOF && ((struct jpeg_errors *)common->err)->single_scan);
}

static void warn(j_common_ptr common, int level) {
    if (level < 0 && !is_harmless(common)) {
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

// EXIF's orientation, from a marker APP1.
static int find_orientation(const struct jpeg_decompress_struct *decoder) {
    static const char exif[] = "Exif\0"; // and another zero
    for (jpeg_saved_marker_ptr marker = decoder->marker_list; marker; marker = marker->next)
        if (marker->data_length > sizeof exif && memcmp(marker->data, exif, sizeof exif) == 0)
            return gb_exif_orientation(marker->data + sizeof exif,
                                       marker->data_length - sizeof exif);
    return 1;
}

// Inks to light: Adobe's programs, which write these files, store them inverted.
static void add_ink(const unsigned char *cmyk, bool inverted, int w, unsigned char *rgb) {
    for (int x = 0; x < w; x++)
        for (int c = 0; c < 3; c++) {
            const unsigned colour = cmyk[4 * x + c], black = cmyk[4 * x + 3];
            const unsigned light = inverted ? colour * black : (255 - colour) * (255 - black);
            rgb[3 * x + c] = (unsigned char)((light + 127) / 255);
        }
}

// The accurate integer transform and the smooth chroma upsampling are libjpeg's defaults and have
// the same bits with and without its SIMD code; nothing is scaled while decoding.
static enum gb_status read_jpeg(struct jpeg_decompress_struct *decoder,
                                const struct gb_image_file *file, int channels,
                                struct gb_image *image) {
    jpeg_save_markers(decoder, JPEG_APP0 + 1, 0xffff);
    jpeg_read_header(decoder, TRUE);
    file->traits->lossy = true;
    file->traits->orientation = find_orientation(decoder);
    const bool inks =
        decoder->jpeg_color_space == JCS_CMYK || decoder->jpeg_color_space == JCS_YCCK;
    decoder->out_color_space = inks ? JCS_CMYK : channels == 1 ? JCS_GRAYSCALE : JCS_RGB;
    GB_TRY(gb_image_create(image, (int)decoder->image_width, (int)decoder->image_height,
                           inks ? 3 : channels, 8, file->path));
    if (file->traits->header_only)
        return GB_OK;
    jpeg_start_decompress(decoder);
    ((struct jpeg_errors *)decoder->err)->single_scan = !jpeg_has_multiple_scans(decoder);
    // The decoder frees it.
    JSAMPARRAY room =
        decoder->mem->alloc_sarray((j_common_ptr)decoder, JPOOL_IMAGE, 4 * decoder->image_width, 1);
    while (decoder->output_scanline < decoder->output_height) {
        const size_t stride = (size_t)image->w * (size_t)image->c;
        JSAMPROW row = image->pixels + decoder->output_scanline * stride;
        jpeg_read_scanlines(decoder, inks ? room : &row, 1);
        if (inks)
            add_ink(room[0], decoder->saw_Adobe_marker, image->w, row);
    }
    jpeg_finish_decompress(decoder);
    return GB_OK;
}

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
    const enum gb_status status = read_jpeg(&decoder, file, channels, image);
    jpeg_destroy_decompress(&decoder);
    return status;
}

const struct gb_image_decoder gb_jpeg_decoder = {"JPEG", recognises, decode};
