// SPDX-License-Identifier: MIT
#include "bench/report/embed.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static bool begins(const char *text, const char *with) {
    return strncmp(text, with, strlen(with)) == 0;
}

void gb_embed_svg(FILE *file, const struct gb_picture *picture) {
    static const char *const before_names[] = {" id=\"", " id='", "href=\"#", "href='#", "url(#"};
    const char *at = strstr(picture->svg, "<svg");
    while (at && *at) {
        const char *found = NULL;
        for (size_t i = 0; i < sizeof before_names / sizeof *before_names; i++)
            if (begins(at, before_names[i]))
                found = before_names[i];
        if (found) {
            fprintf(file, "%s%s-", found, picture->name);
            at += strlen(found);
        } else {
            fputc(*at++, file);
        }
    }
}

static enum gb_status read_bytes(const char *what, const char *path, FILE *file, char **bytes,
                                 size_t *count) {
    const long size = fseek(file, 0, SEEK_END) == 0 ? ftell(file) : -1;
    if (size <= 0)
        return gb_fail(GB_BAD_INPUT, what, path, "the file is empty");
    *bytes = calloc((size_t)size + 1, 1);
    if (!*bytes)
        return gb_no_memory(what, path);
    *count = (size_t)size;
    rewind(file);
    return fread(*bytes, 1, *count, file) == *count
               ? GB_OK
               : gb_fail(GB_BAD_INPUT, what, path, "%s", strerror(errno));
}

typedef bool (*recognise_fn)(const char *bytes, size_t count);

// The file's bytes with a 0 behind them; NULL where there is no such file.
static enum gb_status read_picture(const char *what, const char *path, const char *kind,
                                   recognise_fn is_one, char **bytes, size_t *count) {
    *bytes = NULL;
    *count = 0;
    FILE *file = fopen(path, "rb");
    if (!file)
        return errno == ENOENT ? GB_OK : gb_fail(GB_BAD_INPUT, what, path, "%s", strerror(errno));
    enum gb_status status = read_bytes(what, path, file, bytes, count);
    fclose(file);
    if (status == GB_OK && !is_one(*bytes, *count))
        status = gb_fail(GB_BAD_INPUT, what, path, "not %s", kind);
    if (status != GB_OK) {
        free(*bytes);
        *bytes = NULL;
    }
    return status;
}

static bool is_png(const char *bytes, size_t count) {
    return count >= 8 && memcmp(bytes, "\x89PNG\r\n\x1a\n", 8) == 0;
}

enum gb_status gb_png_read(const char *what, const char *path, unsigned char **bytes,
                           size_t *count) {
    char *png;
    const enum gb_status status = read_picture(what, path, "a PNG", is_png, &png, count);
    *bytes = (unsigned char *)png;
    return status;
}

static bool is_svg(const char *bytes, size_t count) {
    return count > 0 && strstr(bytes, "<svg");
}

enum gb_status gb_svg_read(const char *what, const char *path, struct gb_picture *picture) {
    return read_picture(what, path, "an SVG", is_svg, &picture->svg, &picture->svg_bytes);
}

void gb_embed_base64(FILE *file, const unsigned char *bytes, size_t count) {
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                 "abcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < count; i += 3) {
        size_t left = count - i;
        unsigned three = (unsigned)bytes[i] << 16 | (left > 1 ? (unsigned)bytes[i + 1] << 8 : 0) |
                         (left > 2 ? bytes[i + 2] : 0);
        fputc(digits[three >> 18], file);
        fputc(digits[three >> 12 & 63], file);
        fputc(left > 1 ? digits[three >> 6 & 63] : '=', file);
        fputc(left > 2 ? digits[three & 63] : '=', file);
    }
}
