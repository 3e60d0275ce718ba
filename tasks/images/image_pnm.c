// SPDX-License-Identifier: MIT
// Read by hand: libnetpbm ends the process on a bad file, or jumps by one variable for all threads.

#include "tasks/images/image_decoder.h"

struct pnm {
    const struct gb_image_file *file;
    size_t at; // the next byte
    bool plain, bitmap;
    int w, h, c, largest;
};

static bool recognises(const struct gb_image_file *file) {
    if (file->size < 2 || file->bytes[0] != 'P')
        return false;
    return file->bytes[1] >= '1' && file->bytes[1] <= '6';
}

static enum gb_status damaged(const struct pnm *pnm, const char *why) {
    return gb_image_damaged(pnm->file, &gb_pnm_decoder, why);
}

// The next byte; -1 behind the last.
static int next(const struct pnm *pnm) {
    return pnm->at < pnm->file->size ? pnm->file->bytes[pnm->at] : -1;
}

static bool is_space(int byte) {
    return byte == ' ' || (byte >= '\t' && byte <= '\r');
}

static void skip_space_and_comments(struct pnm *pnm) {
    while (is_space(next(pnm)) || next(pnm) == '#')
        if (pnm->file->bytes[pnm->at++] == '#')
            while (next(pnm) >= 0 && next(pnm) != '\n' && next(pnm) != '\r')
                pnm->at++;
}

static enum gb_status read_number(struct pnm *pnm, int *number) {
    enum { LARGEST = 1 << 24 }; // beyond every limit, and ten times as much fits an int
    skip_space_and_comments(pnm);
    *number = 0;
    const size_t start = pnm->at;
    for (; next(pnm) >= '0' && next(pnm) <= '9'; pnm->at++)
        if (*number < LARGEST)
            *number = *number * 10 + next(pnm) - '0';
    if (pnm->at > start)
        return GB_OK;
    return damaged(pnm, next(pnm) < 0 ? "the file ends early" : "no number where one belongs");
}

// Of a bitmap, 8 pixels in a byte.
static size_t row_bytes(const struct pnm *pnm) {
    return ((size_t)pnm->w + 7) / 8;
}

// One byte of space, or the end of a comment that follows the number at once, and the raw values
// begin. Programs that write lines as Windows does end them with two; those belong together if the
// values then fill the rest of the file.
static enum gb_status end_header(struct pnm *pnm) {
    if (next(pnm) == '#')
        while (next(pnm) >= 0 && next(pnm) != '\n' && next(pnm) != '\r')
            pnm->at++;
    if (!is_space(next(pnm)))
        return damaged(pnm, "no space ends the header");
    const bool carriage_return = next(pnm) == '\r';
    pnm->at++;
    const size_t values = (size_t)pnm->w * (size_t)pnm->h * (size_t)pnm->c,
                 bytes = pnm->bitmap                ? row_bytes(pnm) * (size_t)pnm->h
                         : pnm->largest > UINT8_MAX ? 2 * values
                                                    : values;
    if (carriage_return && next(pnm) == '\n' && pnm->file->size - pnm->at > bytes)
        pnm->at++;
    return GB_OK;
}

static enum gb_status read_header(struct pnm *pnm) {
    const int kind = pnm->file->bytes[1];
    pnm->at = 2;
    pnm->plain = kind <= '3';
    pnm->bitmap = kind == '1' || kind == '4';
    pnm->c = kind == '3' || kind == '6' ? 3 : 1;
    GB_TRY(read_number(pnm, &pnm->w));
    GB_TRY(read_number(pnm, &pnm->h));
    pnm->largest = 1;
    if (!pnm->bitmap)
        GB_TRY(read_number(pnm, &pnm->largest));
    if (pnm->largest < 1 || pnm->largest > UINT16_MAX)
        return damaged(pnm, "its largest value is not between 1 and 65535");
    return end_header(pnm);
}

static enum gb_status read_value(struct pnm *pnm, int *value) {
    if (pnm->plain)
        GB_TRY(read_number(pnm, value));
    else {
        const int bytes = pnm->largest > UINT8_MAX ? 2 : 1;
        *value = 0;
        for (int i = 0; i < bytes; i++) {
            if (next(pnm) < 0)
                return damaged(pnm, "the file ends early");
            *value = *value << 8 | next(pnm);
            pnm->at++;
        }
    }
    return *value <= pnm->largest ? GB_OK : damaged(pnm, "a value above the largest");
}

// 1 is black. Plain ones need no space between digits.
static enum gb_status read_bitmap(struct pnm *pnm, struct gb_image *image) {
    for (int y = 0; y < pnm->h; y++)
        for (int x = 0; x < pnm->w; x++) {
            int black;
            if (pnm->plain) {
                skip_space_and_comments(pnm);
                const int digit = next(pnm);
                black = digit < 0 ? -1 : digit == '0' ? 0 : digit == '1' ? 1 : 2;
                pnm->at++;
            } else {
                const struct pnm byte = {.file = pnm->file, .at = pnm->at + (size_t)x / 8};
                black = next(&byte) < 0 ? -1 : next(&byte) >> (7 - x % 8) & 1;
                pnm->at += x + 1 == pnm->w ? row_bytes(pnm) : 0;
            }
            if (black != 0 && black != 1)
                return damaged(pnm,
                               black < 0 ? "the file ends early" : "a value above the largest");
            image->pixels[(size_t)y * (size_t)pnm->w + (size_t)x] = black ? 0 : UINT8_MAX;
        }
    return GB_OK;
}

static enum gb_status decode(const struct gb_image_file *file, int channels,
                             struct gb_image *image) {
    (void)channels;
    struct pnm pnm = {.file = file};
    GB_TRY(read_header(&pnm));
    const int bits = pnm.largest > UINT8_MAX ? 16 : 8;
    const unsigned full = (1u << bits) - 1, largest = (unsigned)pnm.largest;
    GB_TRY(gb_image_create(image, pnm.w, pnm.h, pnm.c, bits, file->path));
    if (pnm.bitmap)
        return read_bitmap(&pnm, image);
    const size_t values = (size_t)pnm.w * (size_t)pnm.h * (size_t)pnm.c;
    for (size_t i = 0; i < values; i++) {
        int value;
        GB_TRY(read_value(&pnm, &value));
        const unsigned scaled = ((unsigned)value * full + largest / 2) / largest;
        if (bits == 8)
            image->pixels[i] = (unsigned char)scaled;
        else
            image->pixels16[i] = (uint16_t)scaled;
    }
    return GB_OK;
}

const struct gb_image_decoder gb_pnm_decoder = {"PNM", recognises, decode};
