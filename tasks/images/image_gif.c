// SPDX-License-Identifier: MIT
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <gif_lib.h>

#include "tasks/images/image_decoder.h"

struct gif_source {
    const struct gb_image_file *file;
    size_t at;
};

static int read_bytes(GifFileType *gif, GifByteType *to, int size) {
    struct gif_source *source = gif->UserData;
    return (int)gb_image_take(source->file, &source->at, to, (size_t)size);
}

static enum gb_status damaged(const struct gb_image_file *file, int error) {
    const char *why = GifErrorString(error);
    return gb_image_damaged(file, &gb_gif_decoder, why ? why : "it cannot be decoded");
}

// The next record that is no extension.
static int find_record(GifFileType *gif, GifRecordType *type) {
    for (;;) {
        if (DGifGetRecordType(gif, type) != GIF_OK)
            return GIF_ERROR;
        if (*type != EXTENSION_RECORD_TYPE)
            return GIF_OK;
        int code;
        GifByteType *block;
        int result = DGifGetExtension(gif, &code, &block);
        while (result == GIF_OK && block)
            result = DGifGetExtensionNext(gif, &block);
        if (result != GIF_OK)
            return result;
    }
}

static void copy_colour(const GifColorType *colour, unsigned char rgb[static 3]) {
    rgb[0] = colour->Red;
    rgb[1] = colour->Green;
    rgb[2] = colour->Blue;
}

// One row of colours, or of palette indices.
static bool look_up(const ColorMapObject *palette, const GifPixelType *row, struct gb_image *image,
                    int y) {
    unsigned char *to = image->pixels + (size_t)y * (size_t)image->w * (size_t)image->c;
    for (int x = 0; x < image->w; x++) {
        if (row[x] >= palette->ColorCount)
            return false;
        if (image->c == 3)
            copy_colour(&palette->Colors[row[x]], to + 3 * x);
        else
            to[x] = row[x];
    }
    return true;
}

static enum gb_status read_rows(GifFileType *gif, const struct gb_image_file *file,
                                const ColorMapObject *palette, GifPixelType *row,
                                struct gb_image *image) {
    static const int first[] = {0, 4, 2, 1}, step[] = {8, 8, 4, 2}; // interlaced
    const int passes = gif->Image.Interlace ? 4 : 1;
    for (int pass = 0; pass < passes; pass++) {
        const int stride = passes > 1 ? step[pass] : 1;
        for (int y = first[pass]; y < image->h; y += stride) {
            if (DGifGetLine(gif, row, image->w) != GIF_OK)
                return damaged(file, gif->Error);
            if (!look_up(palette, row, image, y))
                return gb_image_damaged(file, &gb_gif_decoder, "a pixel has no colour");
        }
    }
    return GB_OK;
}

// Decoders differ in what they show where a frame does not reach (black, the background's colour,
// nothing): such a frame is refused. One that is larger than the screen enlarges it for all.
static enum gb_status find_frame(GifFileType *gif, const struct gb_image_file *file) {
    GifRecordType type;
    if (find_record(gif, &type) != GIF_OK)
        return damaged(file, gif->Error);
    if (type != IMAGE_DESC_RECORD_TYPE)
        return gb_image_unusable(file, &gb_gif_decoder, "it holds no image");
    if (DGifGetImageDesc(gif) != GIF_OK)
        return damaged(file, gif->Error);
    const GifImageDesc *frame = &gif->Image;
    if (frame->Left == 0 && frame->Top == 0 && frame->Width >= gif->SWidth &&
        frame->Height >= gif->SHeight)
        return GB_OK;
    char why[128];
    snprintf(why, sizeof why, "its frame of %d x %d pixels at %d, %d does not fill %d x %d",
             frame->Width, frame->Height, frame->Left, frame->Top, gif->SWidth, gif->SHeight);
    return gb_image_unusable(file, &gb_gif_decoder, why);
}

static enum gb_status read_image(GifFileType *gif, const struct gb_image_file *file,
                                 struct gb_image *image) {
    struct gb_image_traits *traits = file->traits;
    traits->has_palette = traits->keep_indices;
    GB_TRY(find_frame(gif, file));
    GB_TRY(gb_image_create(image, gif->Image.Width, gif->Image.Height, traits->has_palette ? 1 : 3,
                           8, file->path));
    const ColorMapObject *palette = gif->Image.ColorMap ? gif->Image.ColorMap : gif->SColorMap;
    if (!palette)
        return gb_image_unusable(file, &gb_gif_decoder, "it has no palette");
    for (int i = 0; i < palette->ColorCount; i++)
        copy_colour(&palette->Colors[i], traits->palette[i]);
    GifPixelType *row = malloc((size_t)image->w);
    if (!row)
        return gb_no_memory("cannot read image", file->path);
    const enum gb_status status = read_rows(gif, file, palette, row, image);
    free(row);
    return status;
}

static bool recognises(const struct gb_image_file *file) {
    return file->size >= 6 &&
           (memcmp(file->bytes, "GIF87a", 6) == 0 || memcmp(file->bytes, "GIF89a", 6) == 0);
}

static enum gb_status decode(const struct gb_image_file *file, int channels,
                             struct gb_image *image) {
    (void)channels;
    struct gif_source source = {.file = file};
    int error = 0;
    GifFileType *gif = DGifOpen(&source, read_bytes, &error);
    if (!gif)
        return damaged(file, error);
    enum gb_status status = read_image(gif, file, image);
    DGifCloseFile(gif, &error);
    return status;
}

const struct gb_image_decoder gb_gif_decoder = {"GIF", recognises, decode};
