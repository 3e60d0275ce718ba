// SPDX-License-Identifier: MIT
// Linked instead of bench/report/gnuplot.c: gnuplot is another program, and starting it takes a
// thousand times as long as reading a file. Its script stands in for the picture.
#include "bench/report/gnuplot.h"

#include <stdlib.h>
#include <string.h>

enum gb_status gb_gnuplot_draw(struct gb_picture *picture, const char *script, int width,
                               int height) {
    (void)width, (void)height;
    picture->svg = strdup(script);
    picture->png = strdup(script);
    if (!picture->svg || !picture->png) {
        gb_picture_free(picture);
        return gb_fail(GB_OUT_OF_MEMORY, "cannot draw", "gnuplot", "out of memory");
    }
    picture->svg_bytes = picture->png_bytes = strlen(script);
    return GB_OK;
}
