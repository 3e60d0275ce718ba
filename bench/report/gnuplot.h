// SPDX-License-Identifier: MIT
// Draws by gnuplot, a program that must be installed (package gnuplot-nox).
#ifndef GB_GNUPLOT_H
#define GB_GNUPLOT_H

#include <stddef.h>

#include "base/status.h"

// A picture in both forms, to be freed by gb_picture_free.
struct gb_picture {
    char name[96]; // for a file: small letters, digits and "-"
    char title[160];
    char *svg, *png;
    size_t svg_bytes, png_bytes;
};

// Fills in the picture's forms: runs gnuplot on the script for each of them, on a canvas of width x
// height points (the PNG has twice as many pixels either way). GB_UNSUPPORTED where there is no
// gnuplot, GB_IO_ERROR with its complaint where it fails; then the picture has neither form.
enum gb_status gb_gnuplot_draw(struct gb_picture *picture, const char *script, int width,
                               int height);

void gb_picture_free(struct gb_picture *picture);

#endif
