// SPDX-License-Identifier: MIT
// HTML text, and pictures inside a page, which then needs no other file. Write errors stay with the
// stream.
#ifndef GB_HTML_H
#define GB_HTML_H

#include <stddef.h>
#include <stdio.h>

#include "base/status.h"

// printf with the conversions %s, %d, %x and %f, in which the text of a %s is escaped.
void gb_html(FILE *file, const char *format, ...) __attribute__((format(printf, 2, 3)));

// One character of text, escaped.
void gb_html_char(FILE *file, char character);

// gnuplot's SVG (0-terminated) as an element of the page. gnuplot gives the elements of all its
// pictures the same ids; here they begin with `name`, which must be unique on the page.
void gb_html_svg(FILE *file, const char *svg, const char *name);

// A PNG file's bytes as an <img> element.
void gb_html_png(FILE *file, const char *description, const char *png, size_t count);

// Reads a picture's file, 0-terminated, into *bytes, which the caller frees; NULL if there is no
// such file. GB_BAD_INPUT, "`what`: path: ...", if it cannot be read or is not a PNG (an SVG).
enum gb_status gb_png_read(const char *what, const char *path, char **bytes, size_t *count);
enum gb_status gb_svg_read(const char *what, const char *path, char **bytes, size_t *count);

#endif
