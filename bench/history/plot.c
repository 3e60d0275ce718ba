// SPDX-License-Identifier: MIT
#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/files.h"
#include "base/minmax.h"
#include "base/quantile.h"
#include "bench/history/history.h"
#include "bench/report/gnuplot.h"

static const char what[] = "cannot draw history";

// ---- What is drawn ----

static bool same_operation(const struct gb_row *a, const struct gb_row *b) {
    return strcmp(a->operation, b->operation) == 0 && strcmp(a->direction, b->direction) == 0;
}

// A panel's rows.
static bool same_setting(const struct gb_row *a, const struct gb_row *b) {
    return same_operation(a, b) && strcmp(a->backend, b->backend) == 0 &&
           a->threads == b->threads && a->cache == b->cache;
}

// Whether no row before it is the same by `same`.
static bool is_first(const struct gb_history *h, int row,
                     bool (*same)(const struct gb_row *, const struct gb_row *)) {
    for (int i = 0; i < row; i++)
        if (same(h->rows[i].row, h->rows[row].row))
            return false;
    return true;
}

static const struct gb_level_change *next_change(const struct gb_history *h, int row, int after) {
    for (int i = 0; i < h->changes.count; i++)
        if (h->changes.list[i].row == row && h->changes.list[i].commit > after)
            return &h->changes.list[i];
    return NULL;
}

// ---- A panel ----

enum { WIDTH = 560, HEIGHT = 170, LEFT = 70, TOP = 44, GAP = 74, RIGHT = 20 };

// The level up to the first change, which the panel shows as 1.
static double first_level(const struct gb_history *h, int row, double *scratch) {
    const struct gb_level_change *change = next_change(h, row, -1);
    const int end = change ? change->commit : h->commit_count;
    int count = 0;
    for (int i = 0; i < end; i++)
        if (!isnan(h->rows[row].values[i]))
            scratch[count++] = h->rows[row].values[i];
    return gb_quantile(scratch, count, 0.5);
}

static void put_points(FILE *script, const struct gb_history *h, int row, double *scratch) {
    const double level = first_level(h, row, scratch);
    fprintf(script, "$row%d << END\n", row);
    for (int i = 0; i < h->commit_count; i++)
        if (!isnan(h->rows[row].values[i]))
            fprintf(script, "%d %.6g\n", i, exp(h->rows[row].values[i] - level));
    fprintf(script, "END\n");
}

static bool has_points(const struct gb_history *h, int row) {
    for (int i = 0; i < h->commit_count; i++)
        if (!isnan(h->rows[row].values[i]))
            return true;
    return false;
}

// A dotted line at each change, red for slower and blue for faster.
static void put_changes(FILE *script, const struct gb_history *h, int panel) {
    for (int i = 0; i < h->changes.count; i++) {
        const struct gb_level_change *change = &h->changes.list[i];
        if (!same_setting(h->rows[change->row].row, h->rows[panel].row))
            continue;
        const char *colour = change->change == GB_SLOWER ? "#d55e00" : "#0072b2";
        fprintf(script,
                "set arrow from first %g, graph 0 to first %g, graph 1 nohead dt 3 lc rgb '%s'\n",
                change->commit - 0.5, change->commit - 0.5, colour);
        fprintf(script,
                "set label '%.7s' at first %g, graph 0.97 rotate by 90 right font ',8' tc "
                "rgb '%s'\n",
                h->commits[change->commit].name, change->commit - 0.9, colour);
    }
}

static void put_panel(FILE *script, const struct gb_history *h, int panel, double *scratch) {
    const struct gb_row *setting = h->rows[panel].row;
    fprintf(script, "set title ");
    char title[160];
    snprintf(title, sizeof title, "%s, %d thread%s, %s", setting->backend, setting->threads,
             setting->threads == 1 ? "" : "s", gb_cache_name(setting->cache));
    gb_gnuplot_text(script, title);
    fprintf(script, " font ',12' offset 0,-0.6\n");
    put_changes(script, h, panel);
    int lines = 0;
    for (int row = panel; row < h->row_count; row++)
        if (same_setting(h->rows[row].row, setting) && has_points(h, row))
            put_points(script, h, row, scratch);
    // Rows that have changed are drawn last, and dark.
    fprintf(script, "plot [-0.5:%g] 1 lc rgb '#808080' lw 0.5", h->commit_count - 0.5);
    for (int changed = 0; changed < 2; changed++)
        for (int row = panel; row < h->row_count; row++)
            if (same_setting(h->rows[row].row, setting) && has_points(h, row) &&
                (next_change(h, row, -1) != NULL) == changed)
                fprintf(script, ", $row%d with linespoints pt 7 ps 0.25 lw %s lc rgb '%s'", row,
                        changed ? "1.4" : "0.7",
                        changed ? (lines++ % 2 ? "#009e73" : "#000000") : "#9a9a9a");
    fprintf(script, "\nunset arrow\nunset label\n");
}

// ---- A picture ----

static int panels_of(const struct gb_history *h, int operation) {
    int panels = 0;
    for (int row = operation; row < h->row_count; row++)
        panels += same_operation(h->rows[row].row, h->rows[operation].row) &&
                  is_first(h, row, same_setting);
    return panels;
}

static void put_script(FILE *script, const struct gb_history *h, int operation, double *scratch) {
    const int panels = panels_of(h, operation), step = gb_max_int(1, h->commit_count / 10);
    const double height = TOP + panels * (HEIGHT + GAP), width = LEFT + WIDTH + RIGHT;
    char title[160];
    snprintf(title, sizeof title, "%s/%s: time by commit, relative to the first",
             h->rows[operation].row->operation, h->rows[operation].row->direction);
    fprintf(script,
            "set multiplot layout %d,1 margins %g,%g,%g,%g spacing 0,%g\n"
            "set border lc rgb '#808080'\nset grid lt 1 lc rgb '#c0808080'\n"
            "set tics nomirror font ',9' textcolor rgb 'black'\nunset key\nset label ",
            panels, LEFT / width, 1 - RIGHT / width, (GAP - 14) / height, 1 - (TOP + 10) / height,
            GAP / height);
    gb_gnuplot_text(script, title);
    fprintf(script, " at screen 0.02,%g left font ',14'\nset xtics rotate by 45 right (",
            1 - 16 / height);
    for (int i = 0; i < h->commit_count; i += step)
        fprintf(script, "%s'%.7s' %d", i ? ", " : "", h->commits[i].name, i);
    fprintf(script, ")\n");
    for (int row = operation; row < h->row_count; row++)
        if (same_operation(h->rows[row].row, h->rows[operation].row) &&
            is_first(h, row, same_setting))
            put_panel(script, h, row, scratch);
    fprintf(script, "unset multiplot\n");
}

static enum gb_status draw(const struct gb_history *h, int operation, double *scratch,
                           struct gb_picture *picture) {
    char *text = NULL;
    size_t size;
    FILE *script = open_memstream(&text, &size);
    if (!script)
        return gb_no_memory(what, "script");
    put_script(script, h, operation, scratch);
    enum gb_status status = fclose(script) == 0 && text
                                ? gb_gnuplot_draw(picture, text, LEFT + WIDTH + RIGHT,
                                                  TOP + panels_of(h, operation) * (HEIGHT + GAP))
                                : gb_no_memory(what, "script");
    free(text);
    return status;
}

static enum gb_status plot(const struct gb_history *h, int operation, const char *directory,
                           double *scratch) {
    const struct gb_row *row = h->rows[operation].row;
    struct gb_picture picture = {0};
    char path[GB_PATH], name[2 * GB_WORD + 2];
    snprintf(name, sizeof name, "%s-%s", row->operation, row->direction);
    for (char *letter = name; *letter; letter++)
        *letter = isalnum((unsigned char)*letter) ? *letter : '-';
    GB_TRY(gb_path_format(path, "%s/%s.svg", directory, name));
    enum gb_status status = draw(h, operation, scratch, &picture);
    if (status == GB_OK)
        status = gb_file_write(path, picture.svg, picture.svg_bytes);
    gb_picture_free(&picture);
    return status;
}

enum gb_status gb_history_plot(const struct gb_history *h, const char *directory) {
    GB_TRY(gb_make_directory(what, directory));
    double *scratch = calloc((size_t)h->commit_count, sizeof *scratch);
    enum gb_status status = scratch ? GB_OK : gb_no_memory(what, directory);
    for (int row = 0; row < h->row_count && status == GB_OK; row++)
        if (is_first(h, row, same_operation))
            status = plot(h, row, directory, scratch);
    free(scratch);
    return status;
}
