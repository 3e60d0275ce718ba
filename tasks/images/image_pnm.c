// SPDX-License-Identifier: MIT
// Read by hand: libnetpbm ends the process on a bad file, or jumps by one variable for all threads.

#include "tasks/images/image_decoder.h"

struct pnm {
    const struct gb_image_file *file;
    size_t at; // the next byte
    bool plain;
    int w, h, c, largest;
};

static bool recognises(const struct gb_image_file *file) {
    if (file->size < 2 || file->bytes[0] != 'P')
        return false;
    const int kind = file->bytes[1];
    return kind == '2' || kind == '3' || kind == '5' || kind == '6';
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
                 bytes = pnm->largest > UINT8_MAX ? 2 * values : values;
    if (carriage_return && next(pnm) == '\n' && pnm->file->size - pnm->at > bytes)
        pnm->at++;
    return GB_OK;
}

static enum gb_status read_header(struct pnm *pnm) {
    const int kind = pnm->file->bytes[1];
    pnm->at = 2;
    pnm->plain = kind == '2' || kind == '3';
    pnm->c = kind == '2' || kind == '5' ? 1 : 3;
    GB_TRY(read_number(pnm, &pnm->w));
    GB_TRY(read_number(pnm, &pnm->h));
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

static enum gb_status decode(const struct gb_image_file *file, int channels,
                             struct gb_image *image) {
    (void)channels;
    struct pnm pnm = {.file = file};
    GB_TRY(read_header(&pnm));
    const int bits = pnm.largest > UINT8_MAX ? 16 : 8;
    const unsigned full = (1u << bits) - 1, largest = (unsigned)pnm.largest;
    GB_TRY(gb_image_create(image, pnm.w, pnm.h, pnm.c, bits, file->path));
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
