// SPDX-License-Identifier: MIT
#include "tasks/images/picture.h"

#include <string.h>

#include "tasks/images/image.h"

// Capitals, digits and signs on five columns and seven rows; small letters are drawn as capitals. A
// byte is a row from the top, its bit 4 the leftmost pixel.
enum { FIRST = ' ', GLYPHS = 0x7f - FIRST, GLYPH_W = 5, GLYPH_H = 7 };
// clang-format off
static const unsigned char glyphs[GLYPHS][GLYPH_H] = {
    ['!' - FIRST] = {0x04, 0x04, 0x04, 0x04, 0x04, 0x00, 0x04},
    ['"' - FIRST] = {0x0a, 0x0a, 0x00, 0x00, 0x00, 0x00, 0x00},
    ['#' - FIRST] = {0x0a, 0x0a, 0x1f, 0x0a, 0x1f, 0x0a, 0x0a},
    ['$' - FIRST] = {0x04, 0x0f, 0x14, 0x0e, 0x05, 0x1e, 0x04},
    ['%' - FIRST] = {0x19, 0x19, 0x02, 0x04, 0x08, 0x13, 0x13},
    ['&' - FIRST] = {0x0c, 0x12, 0x14, 0x08, 0x15, 0x12, 0x0d},
    ['\'' - FIRST] = {0x04, 0x04, 0x00, 0x00, 0x00, 0x00, 0x00},
    ['(' - FIRST] = {0x02, 0x04, 0x08, 0x08, 0x08, 0x04, 0x02},
    [')' - FIRST] = {0x08, 0x04, 0x02, 0x02, 0x02, 0x04, 0x08},
    ['*' - FIRST] = {0x00, 0x04, 0x15, 0x0e, 0x15, 0x04, 0x00},
    ['+' - FIRST] = {0x00, 0x04, 0x04, 0x1f, 0x04, 0x04, 0x00},
    [',' - FIRST] = {0x00, 0x00, 0x00, 0x00, 0x0c, 0x0c, 0x08},
    ['-' - FIRST] = {0x00, 0x00, 0x00, 0x1f, 0x00, 0x00, 0x00},
    ['.' - FIRST] = {0x00, 0x00, 0x00, 0x00, 0x00, 0x0c, 0x0c},
    ['/' - FIRST] = {0x01, 0x01, 0x02, 0x04, 0x08, 0x10, 0x10},
    ['0' - FIRST] = {0x0e, 0x11, 0x13, 0x15, 0x19, 0x11, 0x0e},
    ['1' - FIRST] = {0x04, 0x0c, 0x04, 0x04, 0x04, 0x04, 0x0e},
    ['2' - FIRST] = {0x0e, 0x11, 0x01, 0x06, 0x08, 0x10, 0x1f},
    ['3' - FIRST] = {0x0e, 0x11, 0x01, 0x06, 0x01, 0x11, 0x0e},
    ['4' - FIRST] = {0x02, 0x06, 0x0a, 0x12, 0x1f, 0x02, 0x02},
    ['5' - FIRST] = {0x1f, 0x10, 0x1e, 0x01, 0x01, 0x11, 0x0e},
    ['6' - FIRST] = {0x06, 0x08, 0x10, 0x1e, 0x11, 0x11, 0x0e},
    ['7' - FIRST] = {0x1f, 0x01, 0x02, 0x02, 0x04, 0x04, 0x04},
    ['8' - FIRST] = {0x0e, 0x11, 0x11, 0x0e, 0x11, 0x11, 0x0e},
    ['9' - FIRST] = {0x0e, 0x11, 0x11, 0x0f, 0x01, 0x02, 0x0c},
    [':' - FIRST] = {0x00, 0x0c, 0x0c, 0x00, 0x0c, 0x0c, 0x00},
    [';' - FIRST] = {0x00, 0x0c, 0x0c, 0x00, 0x0c, 0x0c, 0x08},
    ['<' - FIRST] = {0x02, 0x04, 0x08, 0x10, 0x08, 0x04, 0x02},
    ['=' - FIRST] = {0x00, 0x00, 0x1f, 0x00, 0x1f, 0x00, 0x00},
    ['>' - FIRST] = {0x08, 0x04, 0x02, 0x01, 0x02, 0x04, 0x08},
    ['?' - FIRST] = {0x0e, 0x11, 0x01, 0x06, 0x04, 0x00, 0x04},
    ['@' - FIRST] = {0x0e, 0x11, 0x17, 0x15, 0x17, 0x10, 0x0e},
    ['A' - FIRST] = {0x0e, 0x11, 0x11, 0x1f, 0x11, 0x11, 0x11},
    ['B' - FIRST] = {0x1e, 0x11, 0x11, 0x1e, 0x11, 0x11, 0x1e},
    ['C' - FIRST] = {0x0e, 0x11, 0x10, 0x10, 0x10, 0x11, 0x0e},
    ['D' - FIRST] = {0x1e, 0x11, 0x11, 0x11, 0x11, 0x11, 0x1e},
    ['E' - FIRST] = {0x1f, 0x10, 0x10, 0x1e, 0x10, 0x10, 0x1f},
    ['F' - FIRST] = {0x1f, 0x10, 0x10, 0x1e, 0x10, 0x10, 0x10},
    ['G' - FIRST] = {0x0e, 0x11, 0x10, 0x17, 0x11, 0x11, 0x0e},
    ['H' - FIRST] = {0x11, 0x11, 0x11, 0x1f, 0x11, 0x11, 0x11},
    ['I' - FIRST] = {0x0e, 0x04, 0x04, 0x04, 0x04, 0x04, 0x0e},
    ['J' - FIRST] = {0x07, 0x02, 0x02, 0x02, 0x02, 0x12, 0x0c},
    ['K' - FIRST] = {0x11, 0x12, 0x14, 0x18, 0x14, 0x12, 0x11},
    ['L' - FIRST] = {0x10, 0x10, 0x10, 0x10, 0x10, 0x10, 0x1f},
    ['M' - FIRST] = {0x11, 0x1b, 0x15, 0x15, 0x11, 0x11, 0x11},
    ['N' - FIRST] = {0x11, 0x19, 0x19, 0x15, 0x13, 0x13, 0x11},
    ['O' - FIRST] = {0x0e, 0x11, 0x11, 0x11, 0x11, 0x11, 0x0e},
    ['P' - FIRST] = {0x1e, 0x11, 0x11, 0x1e, 0x10, 0x10, 0x10},
    ['Q' - FIRST] = {0x0e, 0x11, 0x11, 0x11, 0x15, 0x12, 0x0d},
    ['R' - FIRST] = {0x1e, 0x11, 0x11, 0x1e, 0x14, 0x12, 0x11},
    ['S' - FIRST] = {0x0f, 0x10, 0x10, 0x0e, 0x01, 0x01, 0x1e},
    ['T' - FIRST] = {0x1f, 0x04, 0x04, 0x04, 0x04, 0x04, 0x04},
    ['U' - FIRST] = {0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x0e},
    ['V' - FIRST] = {0x11, 0x11, 0x11, 0x11, 0x0a, 0x0a, 0x04},
    ['W' - FIRST] = {0x11, 0x11, 0x11, 0x15, 0x15, 0x1b, 0x11},
    ['X' - FIRST] = {0x11, 0x11, 0x0a, 0x04, 0x0a, 0x11, 0x11},
    ['Y' - FIRST] = {0x11, 0x11, 0x0a, 0x04, 0x04, 0x04, 0x04},
    ['Z' - FIRST] = {0x1f, 0x01, 0x02, 0x04, 0x08, 0x10, 0x1f},
    ['[' - FIRST] = {0x0e, 0x08, 0x08, 0x08, 0x08, 0x08, 0x0e},
    ['\\' - FIRST] = {0x10, 0x10, 0x08, 0x04, 0x02, 0x01, 0x01},
    [']' - FIRST] = {0x0e, 0x02, 0x02, 0x02, 0x02, 0x02, 0x0e},
    ['^' - FIRST] = {0x04, 0x0a, 0x11, 0x00, 0x00, 0x00, 0x00},
    ['_' - FIRST] = {0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x1f},
    ['`' - FIRST] = {0x08, 0x04, 0x00, 0x00, 0x00, 0x00, 0x00},
    ['{' - FIRST] = {0x06, 0x08, 0x08, 0x10, 0x08, 0x08, 0x06},
    ['|' - FIRST] = {0x04, 0x04, 0x04, 0x04, 0x04, 0x04, 0x04},
    ['}' - FIRST] = {0x0c, 0x02, 0x02, 0x01, 0x02, 0x02, 0x0c},
    ['~' - FIRST] = {0x00, 0x00, 0x09, 0x15, 0x12, 0x00, 0x00},
};
// clang-format on

// In pixels of the sheet; text is scaled by TEXT.
enum {
    CELL = 128,
    GAP = 8,
    TEXT = 2,
    TEXT_W = TEXT * (GLYPH_W + 1),
    LINE_H = TEXT * GLYPH_H + GAP,
};

static const unsigned char paper[3] = {255, 255, 255}, ink[3] = {32, 32, 32},
                           wrong[3] = {255, 0, 255};

static void fill(struct gb_image *sheet, int x, int y, int w, int h,
                 const unsigned char colour[3]) {
    for (int row = y; row < y + h && row < sheet->h; row++)
        for (int column = x; column < x + w && column < sheet->w; column++)
            memcpy(sheet->pixels + 3 * ((size_t)row * (size_t)sheet->w + (size_t)column), colour,
                   3);
}

// As many characters as fit into `room` pixels.
static void draw_text(struct gb_image *sheet, int x, int y, int room, const char *text) {
    for (; *text && room >= TEXT * GLYPH_W; text++, x += TEXT_W, room -= TEXT_W) {
        int code = *text >= 'a' && *text <= 'z' ? *text - 'a' + 'A' : *text;
        if (code < FIRST || code >= FIRST + GLYPHS)
            code = '?';
        for (int row = 0; row < GLYPH_H; row++)
            for (int column = 0; column < GLYPH_W; column++)
                if (glyphs[code - FIRST][row] >> (GLYPH_W - 1 - column) & 1)
                    fill(sheet, x + TEXT * column, y + TEXT * row, TEXT, TEXT, ink);
    }
}

static int enlargement(const struct gb_tensor *images) {
    int longer = images->h > images->w ? images->h : images->w;
    return longer < CELL ? CELL / longer : 1;
}

static void draw_image(struct gb_image *sheet, int left, int top, const struct gb_tensor *images,
                       int index) {
    int zoom = enlargement(images);
    for (int y = 0; y < images->h; y++)
        for (int x = 0; x < images->w; x++) {
            const float *pixel = gb_at(images, index, y, x);
            unsigned char colour[3];
            for (int c = 0; c < 3; c++) {
                float value = pixel[images->c == 3 ? c : 0];
                float clipped = value < 0.0f ? 0.0f : value > 1.0f ? 1.0f : value;
                colour[c] = value == value ? (unsigned char)(clipped * 255.0f + 0.5f) : wrong[c];
            }
            fill(sheet, left + zoom * x, top + zoom * y, zoom, zoom, colour);
        }
}

// Positions on the sheet.
struct layout {
    int w, h;
    int captions_top, rows_top;
    int row_h;    // from one row to the next
    int images_y; // within a row: below its caption
};

static int column_w(const struct gb_picture_column *column) {
    return column->images.w * enlargement(&column->images);
}

static struct layout lay_out(const struct gb_picture *picture) {
    struct layout layout = {.w = GAP, .captions_top = GAP};
    int tallest = 0;
    for (int i = 0; i < picture->column_count; i++) {
        const struct gb_tensor *images = &picture->columns[i].images;
        int h = images->h * enlargement(images);
        layout.w += column_w(&picture->columns[i]) + GAP;
        tallest = h > tallest ? h : tallest;
    }
    if (picture->title)
        layout.captions_top += LINE_H;
    layout.rows_top = layout.captions_top + LINE_H;
    layout.images_y = picture->row_captions ? LINE_H : 0;
    layout.row_h = layout.images_y + tallest + GAP;
    layout.h = layout.rows_top + picture->row_count * layout.row_h;
    return layout;
}

static void draw(struct gb_image *sheet, const struct layout *layout,
                 const struct gb_picture *picture) {
    int text_room = layout->w - 2 * GAP;
    fill(sheet, 0, 0, sheet->w, sheet->h, paper);
    if (picture->title)
        draw_text(sheet, GAP, GAP, text_room, picture->title);
    for (int row = 0; picture->row_captions && row < picture->row_count; row++)
        if (picture->row_captions[row])
            draw_text(sheet, GAP, layout->rows_top + row * layout->row_h, text_room,
                      picture->row_captions[row]);
    int left = GAP;
    for (int i = 0; i < picture->column_count; i++) {
        const struct gb_picture_column *column = &picture->columns[i];
        draw_text(sheet, left, layout->captions_top, column_w(column), column->caption);
        for (int row = 0; row < picture->row_count && row < column->images.n; row++)
            draw_image(sheet, left, layout->rows_top + row * layout->row_h + layout->images_y,
                       &column->images, row);
        left += column_w(column) + GAP;
    }
}

int gb_picture_max_rows(const struct gb_picture_column *columns, int column_count) {
    static const char *const captions[1] = {0};
    const struct gb_picture empty = {
        .title = "", .columns = columns, .column_count = column_count, .row_captions = captions};
    const struct layout layout = lay_out(&empty);
    const int by_pixels = GB_IMAGE_MAX_PIXELS / layout.w;
    const int tallest = by_pixels < GB_IMAGE_MAX_SIDE ? by_pixels : GB_IMAGE_MAX_SIDE;
    return tallest > layout.h ? (tallest - layout.h) / layout.row_h : 0;
}

enum gb_status gb_picture_write(const char *path, const struct gb_picture *picture) {
    struct layout layout = lay_out(picture);
    struct gb_image sheet;
    GB_TRY(gb_image_create(&sheet, layout.w, layout.h, 3, 8, path));
    draw(&sheet, &layout, picture);
    enum gb_status status = gb_png_write(path, &sheet);
    gb_image_free(&sheet);
    return status;
}
