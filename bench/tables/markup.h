// SPDX-License-Identifier: MIT
// A page written as Markdown or as HTML, from the same calls. Text is escaped; memory for the
// stream is the caller's to ask for when it is closed.
#ifndef GB_MARKUP_H
#define GB_MARKUP_H

#include <stdbool.h>
#include <stdio.h>

struct gb_page {
    FILE *file;
    bool html;
};

void gb_page_text(const struct gb_page *page, const char *text);
void gb_page_format(const struct gb_page *page, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void gb_page_code(const struct gb_page *page, const char *text);
void gb_page_heading(const struct gb_page *page, const char *text);
void gb_page_paragraph(const struct gb_page *page, const char *text);

// What only one of the forms has, as it is.
void gb_page_raw(const struct gb_page *page, const char *html, const char *markdown);

// A table: its heads, the first of them of the column of names, and then rows of fields, each begun
// and ended. The last column is of words, those between are of figures.
void gb_page_begin_table(const struct gb_page *page, const char *const *heads, int count);
void gb_page_begin_row(const struct gb_page *page, bool emphasised);
void gb_page_begin_field(const struct gb_page *page);
void gb_page_end_field(const struct gb_page *page);
void gb_page_field(const struct gb_page *page, const char *text);
void gb_page_end_row(const struct gb_page *page);
void gb_page_end_table(const struct gb_page *page);

// A list of items, each begun and ended.
void gb_page_begin_list(const struct gb_page *page);
void gb_page_begin_item(const struct gb_page *page);
void gb_page_end_item(const struct gb_page *page);
void gb_page_end_list(const struct gb_page *page);

#endif
