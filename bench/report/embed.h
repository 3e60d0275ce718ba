// SPDX-License-Identifier: MIT
// Pictures inside an HTML page, which then needs no other file.
#ifndef GB_EMBED_H
#define GB_EMBED_H

#include <stdio.h>

#include "bench/report/gnuplot.h"

// The picture's SVG as an element of the page. gnuplot gives the elements of all its pictures the
// same names; here they begin with the picture's own, which must differ from the others' on the
// page.
void gb_embed_svg(FILE *file, const struct gb_picture *picture);

// A PNG file's bytes, to be freed; NULL where there is no such file. `what` is what an error says
// cannot be done. GB_BAD_INPUT where it is no PNG or cannot be read.
enum gb_status gb_png_read(const char *what, const char *path, unsigned char **bytes,
                           size_t *count);

// Likewise a file of gnuplot's as the picture's SVG.
enum gb_status gb_svg_read(const char *what, const char *path, struct gb_picture *picture);

// Base 64 (RFC 4648, section 4), as for a "data:" address.
void gb_embed_base64(FILE *file, const unsigned char *bytes, size_t count);

#endif
