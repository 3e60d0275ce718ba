// SPDX-License-Identifier: MIT
#include "bench/tables/markup.h"

#include <stdarg.h>
#include <string.h>

#include "base/files.h"

void gb_page_text(const struct gb_page *page, const char *text) {
    for (; *text; text++)
        if (page->html && *text == '<')
            fputs("&lt;", page->file);
        else if (page->html && *text == '&')
            fputs("&amp;", page->file);
        else if (!page->html && strchr("|*<\\", *text))
            fprintf(page->file, "\\%c", *text);
        else
            fputc(*text, page->file);
}

void gb_page_format(const struct gb_page *page, const char *format, ...) {
    char text[GB_PATH];
    va_list values;
    va_start(values, format);
    vsnprintf(text, sizeof text, format, values);
    va_end(values);
    gb_page_text(page, text);
}

void gb_page_raw(const struct gb_page *page, const char *html, const char *markdown) {
    fputs(page->html ? html : markdown, page->file);
}

void gb_page_code(const struct gb_page *page, const char *text) {
    gb_page_raw(page, "<code>", "`");
    page->html ? gb_page_text(page, text) : (void)fputs(text, page->file);
    gb_page_raw(page, "</code>", "`");
}

void gb_page_heading(const struct gb_page *page, const char *text) {
    gb_page_raw(page, "<h2>", "\n## ");
    gb_page_text(page, text);
    gb_page_raw(page, "</h2>\n", "\n\n");
}

void gb_page_paragraph(const struct gb_page *page, const char *text) {
    gb_page_raw(page, "<p>", "");
    gb_page_text(page, text);
    gb_page_raw(page, "</p>\n", "\n\n");
}

// ---- Tables ----

void gb_page_begin_table(const struct gb_page *page, const char *const *heads, int count) {
    gb_page_raw(page, "<div class=\"scroll\"><table>\n<tr>", "|");
    for (int i = 0; i < count; i++) {
        gb_page_raw(page, "<th>", " ");
        gb_page_text(page, heads[i]);
        gb_page_raw(page, "</th>", " |");
    }
    gb_page_raw(page, "</tr>\n", "\n|");
    for (int i = 0; i < count; i++)
        gb_page_raw(page, "", i == 0 || i == count - 1 ? "---|" : "---:|");
    gb_page_raw(page, "", "\n");
}

void gb_page_begin_row(const struct gb_page *page, bool emphasised) {
    gb_page_raw(page, emphasised ? "<tr class=\"here\">" : "<tr>", "|");
}

void gb_page_begin_field(const struct gb_page *page) {
    gb_page_raw(page, "<td>", " ");
}

void gb_page_end_field(const struct gb_page *page) {
    gb_page_raw(page, "</td>", " |");
}

void gb_page_field(const struct gb_page *page, const char *text) {
    gb_page_begin_field(page);
    gb_page_text(page, text);
    gb_page_end_field(page);
}

void gb_page_end_row(const struct gb_page *page) {
    gb_page_raw(page, "</tr>\n", "\n");
}

void gb_page_end_table(const struct gb_page *page) {
    gb_page_raw(page, "</table></div>\n", "\n");
}

// ---- Lists ----

void gb_page_begin_list(const struct gb_page *page) {
    gb_page_raw(page, "<ul>\n", "");
}

void gb_page_begin_item(const struct gb_page *page) {
    gb_page_raw(page, "<li>", "- ");
}

void gb_page_end_item(const struct gb_page *page) {
    gb_page_raw(page, "</li>\n", "\n");
}

void gb_page_end_list(const struct gb_page *page) {
    gb_page_raw(page, "</ul>\n", "\n");
}
