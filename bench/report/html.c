// SPDX-License-Identifier: MIT
#define _GNU_SOURCE // memmem
#include "bench/report/html.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/files.h"
#include "base/minmax.h"

// ---- Text ----

void gb_html_char(FILE *file, char character) {
    static const char special[] = "&<>\"";
    static const char *const escaped[] = {"&amp;", "&lt;", "&gt;", "&quot;"};
    const char *found = character ? strchr(special, character) : NULL;
    if (found)
        fputs(escaped[found - special], file);
    else
        fputc(character, file);
}

void gb_html(FILE *file, const char *format, ...) {
    va_list values;
    va_start(values, format);
    while (*format) {
        const char *percent = strchr(format, '%');
        if (!percent) {
            fputs(format, file);
            break;
        }
        fwrite(format, 1, (size_t)(percent - format), file);
        char conversion[16];
        const size_t length = 2 + strcspn(percent + 1, "sdxf%");
        snprintf(conversion, sizeof conversion, "%.*s", (int)length, percent);
        switch (percent[length - 1]) {
        case 's':
            for (const char *text = va_arg(values, const char *); *text; text++)
                gb_html_char(file, *text);
            break;
        case 'd':
            fprintf(file, conversion, va_arg(values, int));
            break;
        case 'x':
            fprintf(file, conversion, va_arg(values, unsigned));
            break;
        case 'f':
            fprintf(file, conversion, va_arg(values, double));
            break;
        default:
            fputc('%', file);
        }
        format = percent + length;
    }
    va_end(values);
}

// ---- Pictures ----

void gb_html_svg(FILE *file, const char *svg, const char *name) {
    static const char *const before_ids[] = {" id=\"", " id='", "href=\"#", "href='#", "url(#"};
    const char *at = strstr(svg, "<svg"); // after the XML declaration
    while (at && *at) {
        const char *found = NULL;
        for (size_t i = 0; i < sizeof before_ids / sizeof *before_ids; i++)
            if (strncmp(at, before_ids[i], strlen(before_ids[i])) == 0)
                found = before_ids[i];
        if (found) {
            fprintf(file, "%s%s-", found, name);
            at += strlen(found);
        } else {
            fputc(*at++, file);
        }
    }
}

// Base64 (RFC 4648, section 4).
void gb_html_png(FILE *file, const char *description, const char *png, size_t count) {
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                 "abcdefghijklmnopqrstuvwxyz0123456789+/";
    const unsigned char *bytes = (const unsigned char *)png;
    gb_html(file, "<img alt=\"%s\" src=\"data:image/png;base64,", description);
    for (size_t i = 0; i < count; i += 3) {
        const size_t left = count - i;
        const unsigned three = (unsigned)bytes[i] << 16 |
                               (left > 1 ? (unsigned)bytes[i + 1] << 8 : 0) |
                               (left > 2 ? bytes[i + 2] : 0);
        fputc(digits[three >> 18], file);
        fputc(digits[three >> 12 & 63], file);
        fputc(left > 1 ? digits[three >> 6 & 63] : '=', file);
        fputc(left > 2 ? digits[three & 63] : '=', file);
    }
    fputs("\"/>", file);
}

// `magic` must be found in the first `within` bytes.
static enum gb_status read_picture(const char *what, const char *path, const char *kind,
                                   const char *magic, size_t within, char **bytes, size_t *count) {
    char *content;
    size_t size;
    *bytes = NULL;
    *count = 0;
    if (gb_is_missing(path))
        return GB_OK;
    GB_TRY(gb_file_read(what, path, &content, &size));
    if (!memmem(content, gb_min_size(size, within), magic, strlen(magic))) {
        free(content);
        return gb_fail(GB_BAD_INPUT, what, path, "not %s", kind);
    }
    *bytes = content;
    *count = size;
    return GB_OK;
}

enum gb_status gb_png_read(const char *what, const char *path, char **bytes, size_t *count) {
    static const char magic[] = "\x89PNG\r\n\x1a\n";
    return read_picture(what, path, "a PNG", magic, strlen(magic), bytes, count);
}

enum gb_status gb_svg_read(const char *what, const char *path, char **bytes, size_t *count) {
    return read_picture(what, path, "an SVG", "<svg", SIZE_MAX, bytes, count);
}
