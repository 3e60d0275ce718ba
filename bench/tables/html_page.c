// SPDX-License-Identifier: MIT
#define _GNU_SOURCE // strchrnul
#include "bench/tables/tables.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/files.h"
#include "bench/report/html.h"

extern const char gb_results_css[]; // results.css

// What the lines so far have opened.
enum block { NONE, LIST, TABLE_HEAD, TABLE_BODY };
struct state {
    enum block block;
    unsigned text; // columns of the table that hold text, by bits
};

static void end_block(FILE *file, struct state *state) {
    static const char *const ends[] = {"", "</ul>\n", "</table></div>\n", "</table></div>\n"};
    fputs(ends[state->block], file);
    state->block = NONE;
}

// The columns of "|---|---:|" that are not aligned to the right.
static unsigned text_columns(const char *rule) {
    unsigned columns = 0;
    for (int i = 0; *rule == '|' && i < 32; i++) {
        const size_t dashes = strspn(++rule, "-");
        columns |= dashes > 0 && rule[dashes] == '|' ? 1u << i : 0;
        rule += dashes + (rule[dashes] == ':');
    }
    return columns;
}

// Text up to `end`, in which backquotes mark code.
static void put_text(FILE *file, const char *text, const char *end) {
    bool code = false;
    for (; text < end; text++)
        if (*text == '`') {
            code = !code;
            fputs(code ? "<code>" : "</code>", file);
        } else {
            text += *text == '\\' && !code && text + 1 < end;
            gb_html_char(file, *text);
        }
}

// "| first | second |".
static void put_row(FILE *file, const char *line, const char *end, const char *cell,
                    unsigned text) {
    fputs("<tr>", file);
    for (const char *begin = line + 1; begin < end; text >>= 1) {
        const char *bar = begin;
        while (bar < end && *bar != '|')
            bar += *bar == '\\' ? 2 : 1;
        fprintf(file, text & 1 ? "<%s class=\"text\">" : "<%s>", cell);
        put_text(file, begin + 1, bar > begin + 1 ? bar - 1 : begin + 1);
        fprintf(file, "</%s>", cell);
        begin = bar + 1;
    }
    fputs("</tr>\n", file);
}

// "![name](path)".
static enum gb_status put_picture(FILE *file, const char *line, const char *directory) {
    static const char what[] = "cannot write page";
    char name[64], relative[256], path[GB_PATH], *bytes;
    size_t count;
    if (sscanf(line, "![%63[^]]](%255[^)])", name, relative) != 2)
        return gb_fail(GB_BAD_INPUT, what, line, "not a picture");
    GB_TRY(gb_path_join(directory, relative, path));
    const bool svg = strstr(relative, ".svg");
    GB_TRY((svg ? gb_svg_read : gb_png_read)(what, path, &bytes, &count));
    fputs("<p>", file);
    if (bytes && svg)
        gb_html_svg(file, bytes, name);
    else if (bytes)
        gb_html_png(file, name, bytes, count);
    fputs("</p>\n", file);
    free(bytes);
    return GB_OK;
}

static bool begins(const char *line, const char *with) {
    return strncmp(line, with, strlen(with)) == 0;
}

static enum gb_status put_line(FILE *file, const char *line, const char *end, const char *directory,
                               struct state *state) {
    if (begins(line, "- ")) {
        fputs(state->block == LIST ? "<li>" : "<ul>\n<li>", file);
        state->block = LIST;
        put_text(file, line + 2, end);
        fputs("</li>\n", file);
    } else if (begins(line, "|---")) {
        state->block = TABLE_BODY;
    } else if (*line == '|') {
        const bool head = state->block == NONE;
        if (head) {
            fputs("<div class=\"scroll\"><table>\n", file);
            *state = (struct state){TABLE_HEAD, text_columns(*end ? end + 1 : end)};
        }
        put_row(file, line, end, head ? "th" : "td", state->text);
    } else {
        end_block(file, state);
        const int level = (int)strspn(line, "#");
        if (begins(line, "!["))
            return put_picture(file, line, directory);
        if (level > 0) {
            fprintf(file, "<h%d>", level);
            put_text(file, line + level + 1, end);
            fprintf(file, "</h%d>\n", level);
        } else if (line < end && !begins(line, "<!--")) {
            fputs("<p>", file);
            put_text(file, line, end);
            fputs("</p>\n", file);
        }
    }
    return GB_OK;
}

enum gb_status gb_html_page(const char *markdown, const char *directory, FILE *file) {
    struct state state = {0};
    fprintf(file,
            "<!DOCTYPE html>\n<html lang=\"en\">\n<head><meta charset=\"utf-8\"/>"
            "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>"
            "<title>glowbench: results</title>\n<style>%s</style></head>\n<body>\n",
            gb_results_css);
    for (const char *line = markdown; *line;) {
        const char *end = strchrnul(line, '\n');
        GB_TRY(put_line(file, line, end, directory, &state));
        line = *end ? end + 1 : end;
    }
    end_block(file, &state);
    fputs("</body>\n</html>\n", file);
    return GB_OK;
}
