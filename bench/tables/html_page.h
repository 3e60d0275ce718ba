// SPDX-License-Identifier: MIT
#ifndef GB_HTML_PAGE_H
#define GB_HTML_PAGE_H

#include <stdio.h>

#include "base/status.h"

// Writes the Markdown of gb_pages_write as one HTML page that needs no other file: its pictures,
// whose paths are relative to `directory`, become part of it. Of Markdown it takes what that page
// has, each block on a line of its own: headings, paragraphs, list items, table rows, pictures and
// comments; within text, `code` and backslashes. GB_BAD_INPUT where a picture cannot be read.
enum gb_status gb_html_page(const char *markdown, const char *directory, FILE *file);

#endif
