// SPDX-License-Identifier: MIT
// Draws with gnuplot, a program that must be installed (package gnuplot-nox).
#ifndef GB_GNUPLOT_H
#define GB_GNUPLOT_H

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/status.h"

// A picture in two forms, freed by gb_picture_free; empty (NULL) until it is drawn.
struct gb_picture {
    char name[96]; // part of file names and ids: lower-case letters, digits and "-"
    char title[160];
    char *svg, *png;
    size_t svg_bytes, png_bytes;
};

// Runs gnuplot on the script once for each form, on a canvas of width x height points (the PNG has
// twice as many pixels each way). GB_UNSUPPORTED if gnuplot is not installed, GB_IO_ERROR with its
// message if it fails; the picture is then empty.
enum gb_status gb_gnuplot_draw(struct gb_picture *picture, const char *script, int width,
                               int height);

// Writes a text into a script, quoted. In single quotes gnuplot takes every character literally; a
// quote is doubled.
static inline void gb_gnuplot_text(FILE *script, const char *text) {
    fputc('\'', script);
    for (; *text; text++) {
        if (*text == '\'')
            fputc('\'', script);
        fputc((unsigned char)*text < ' ' ? ' ' : *text, script);
    }
    fputc('\'', script);
}

static inline void gb_picture_free(struct gb_picture *picture) {
    free(picture->svg);
    free(picture->png);
    picture->svg = picture->png = NULL;
    picture->svg_bytes = picture->png_bytes = 0;
}

#endif
