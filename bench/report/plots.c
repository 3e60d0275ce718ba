// SPDX-License-Identifier: MIT
#include "bench/report/plots.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/minmax.h"
#include "bench/report/figures.h"
#include "bench/report/html.h"

// ---- Scripts ----

// A gnuplot script of panels in rows. Lengths are points; y counts from the top.
struct canvas {
    FILE *script;
    char *text;
    size_t size;
    int width, height;
};

// A grid of panels: the size of each, and the gaps to its right and below it.
struct grid {
    int panels, columns, left, top, width, height, right_gap, bottom_gap;
};

enum { LEGEND_TOP = 42, LEGEND_LINE = 18, LEGEND_LEFT = 14 };

static void put_label(const struct canvas *canvas, const char *text, double x, double y, int size) {
    fprintf(canvas->script, "set label ");
    gb_gnuplot_text(canvas->script, text);
    fprintf(canvas->script, " at screen %g,%g left font ',%d'\n", x / canvas->width,
            1 - y / canvas->height, size);
}

static enum gb_status begin(struct canvas *canvas, const struct gb_picture *picture,
                            const struct grid *grid, int min_width) {
    const int rows = (grid->panels + grid->columns - 1) / grid->columns;
    const double width =
        gb_max_int(min_width, grid->left + grid->columns * (grid->width + grid->right_gap));
    const double height = grid->top + rows * (grid->height + grid->bottom_gap);
    const double right = grid->left + grid->columns * (grid->width + grid->right_gap) -
                         grid->right_gap; // of the last column
    *canvas = (struct canvas){.width = (int)width, .height = (int)height};
    canvas->script = open_memstream(&canvas->text, &canvas->size);
    if (!canvas->script)
        return gb_no_memory("cannot draw", picture->title);
    fprintf(canvas->script,
            "set multiplot layout %d,%d margins %g,%g,%g,%g spacing %g,%g\n"
            "set border lc rgb '#808080'\nset grid lt 1 lc rgb '#c0808080'\n"
            "set tics nomirror font ',10' textcolor rgb 'black'\nunset key\n",
            rows, grid->columns, grid->left / width, right / width, grid->bottom_gap / height,
            1 - grid->top / height, grid->right_gap / width, grid->bottom_gap / height);
    put_label(canvas, picture->title, LEGEND_LEFT, 20, 14);
    return GB_OK;
}

static void begin_panel(const struct canvas *canvas, const char *title, const char *x_label,
                        const char *y_label) {
    fprintf(canvas->script, "set title ");
    gb_gnuplot_text(canvas->script, title);
    fprintf(canvas->script, " font ',12' offset 0,-0.6\nset xlabel ");
    gb_gnuplot_text(canvas->script, x_label);
    fprintf(canvas->script, " font ',10' offset 0,0.4\nset ylabel ");
    gb_gnuplot_text(canvas->script, y_label);
    fprintf(canvas->script, " font ',10' offset 1,0\n");
}

// Labels and the like belong to one panel, or to the canvas: the first draws those.
static void end_panel(const struct canvas *canvas) {
    fprintf(canvas->script, "\nunset label\nunset object\nunset arrow\n");
}

static enum gb_status draw(struct canvas *canvas, struct gb_picture *picture) {
    fprintf(canvas->script, "unset multiplot\n");
    enum gb_status status =
        fclose(canvas->script) == 0 && canvas->text
            ? gb_gnuplot_draw(picture, canvas->text, canvas->width, canvas->height)
            : gb_no_memory("cannot draw", picture->title);
    free(canvas->text);
    return status;
}

// ---- Legends ----

// The position of the next entry; lines break at the width of the canvas.
struct legend {
    int width, x, line;
};

// Returns where the entry begins. The renderer has the widths of letters; eight points are enough
// for any sans-serif font at this size.
static int place_entry(struct legend *legend, const char *label) {
    const int needed = 34 + 8 * (int)strlen(label);
    if (legend->x > LEGEND_LEFT && legend->x + needed > legend->width) {
        legend->x = LEGEND_LEFT;
        legend->line++;
    }
    legend->x += needed;
    return legend->x - needed;
}

static void put_entry(const struct canvas *canvas, struct legend *legend, unsigned colour,
                      const char *label) {
    const double left = place_entry(legend, label), y = LEGEND_TOP + legend->line * LEGEND_LINE;
    fprintf(canvas->script,
            "set object rectangle center screen %g,%g size screen %g,%g fc rgb '#%06x' fs solid "
            "noborder\n",
            (left + 6) / canvas->width, 1 - y / canvas->height, 12.0 / canvas->width,
            12.0 / canvas->height, colour);
    put_label(canvas, label, left + 18, y, 11);
}

static int backends_height(const struct gb_summary *s, int width) {
    struct legend legend = {width, LEGEND_LEFT, 0};
    for (int i = 0; i < s->column_count; i++)
        place_entry(&legend, s->columns[i].label);
    return (legend.line + 1) * LEGEND_LINE;
}

static void put_backends(const struct canvas *canvas, const struct gb_summary *s) {
    struct legend legend = {canvas->width, LEGEND_LEFT, 0};
    for (int i = 0; i < s->column_count; i++)
        put_entry(canvas, &legend, s->columns[i].colour, s->columns[i].label);
}

static const char *model_text(const struct gb_summary *s, int model) {
    return *s->models[model] ? s->models[model] : "other problems";
}

// ---- Bars ----

static const char *group_text(const struct gb_summary *s, int group) {
    return group == GB_ALL_KERNELS ? GB_ALL_KERNELS_NAME : s->groups[group].name;
}

// Whether a model has problems of the group that take a noticeable share of a step on some backend.
static bool has_bars(const struct gb_summary *s, int model, int group) {
    bool timed = false;
    if (gb_summary_mean(s, 0, model, group, 0).problems == 0)
        return false;
    for (int setting = 0; setting < s->setting_count; setting++)
        for (int column = 0; column < s->column_count; column++) {
            double all = gb_summary_mean(s, setting, model, GB_ALL_KERNELS, column).seconds;
            double seconds = gb_summary_mean(s, setting, model, group, column).seconds;
            if (seconds >= GB_MINOR_SHARE * all)
                return true;
            timed |= seconds < GB_MINOR_SHARE * all;
        }
    return !timed;
}

// A data block (if there is a script) with a backend's bar in each group: x, y, left, right, low,
// high, and the ends of its whisker. False if it is empty, which gnuplot cannot plot. Bars of
// native kernels that stand in for missing ones are hollow.
static bool put_bars(FILE *script, const struct gb_summary *s, int setting, int model, int block) {
    const int column = block / 2;
    const bool hollow = block % 2;
    const double height = 0.84 / s->column_count;
    double low = 0.08 + column * height;
    bool any = false;
    if (script)
        fprintf(script, "$bars%d << END\n", block);
    for (int group = GB_ALL_KERNELS; group < s->group_count; group++) {
        if (!has_bars(s, model, group))
            continue;
        const struct gb_mean mean = gb_summary_mean(s, setting, model, group, column);
        const bool fits =
            !isnan(mean.speed) && (mean.fallback && group != GB_ALL_KERNELS) == hollow;
        if (fits && script)
            fprintf(script, "%g %g 0 %g %g %g %g %g\n", mean.speed, low + 0.45 * height, mean.speed,
                    low, low + 0.9 * height, mean.speed * (1 - mean.spread / 2),
                    mean.speed * (1 + mean.spread / 2));
        any |= fits;
        low++;
    }
    if (script)
        fprintf(script, "END\n");
    return any;
}

static void put_bar_panel(const struct canvas *canvas, const struct gb_summary *s, int setting,
                          int model, bool labelled) {
    int count = 0;
    fprintf(canvas->script, "set ytics scale 0 (");
    for (int group = GB_ALL_KERNELS; group < s->group_count; group++)
        if (has_bars(s, model, group)) {
            fprintf(canvas->script, "%s", count ? ", " : "");
            gb_gnuplot_text(canvas->script, labelled ? group_text(s, group) : "");
            fprintf(canvas->script, " %g", count++ + 0.5);
        }
    fprintf(canvas->script, ")\n");
    for (int i = 0; i < 2 * s->column_count; i++)
        put_bars(canvas->script, s, setting, model, i);
    fprintf(canvas->script,
            "set xrange [0:1.19]\nset yrange [%d:0]\nset xtics 0,0.25,1 scale 0.5\n"
            "set grid xtics noytics\nset arrow from 1,0 to 1,%d nohead lc rgb '#808080'\nplot NaN",
            count, count);
    for (int i = 0; i < 2 * s->column_count; i++)
        if (put_bars(NULL, s, setting, model, i))
            fprintf(canvas->script,
                    ", $bars%d using 1:2:3:4:5:6 with boxxyerror fs %s lc rgb '#%06x'"
                    ", $bars%d using 1:2:7:8 with xerrorbars pt 0 lw 1 lc rgb '#404040'"
                    ", $bars%d using 8:2:(sprintf('%%.2f', $1)) with labels left offset 0.2,0 "
                    "font ',9'",
                    i, i % 2 ? "empty border" : "solid noborder", s->columns[i / 2].colour, i, i);
}

enum gb_status gb_plot_bars(const struct gb_summary *s, int model, struct gb_picture *picture) {
    int groups = 0, label = 0, panels = 0;
    for (int i = 0; i < s->setting_count; i++)
        panels += gb_summary_has_model(s, i, model);
    const int columns = gb_max_int(1, gb_min_int(panels, 2));
    for (int group = GB_ALL_KERNELS; group < s->group_count; group++)
        if (has_bars(s, model, group)) {
            groups++;
            label = gb_max_int(label, (int)strlen(group_text(s, group)));
        }
    struct grid grid = {.panels = gb_max_int(1, panels),
                        .columns = columns,
                        .left = 28 + 8 * label,
                        .width = 760 / columns,
                        .height = groups * gb_max_int(18, 10 * s->column_count + 4),
                        .right_gap = 16,
                        .bottom_gap = 58};
    grid.top =
        22 + LEGEND_TOP + backends_height(s, grid.left + columns * (grid.width + grid.right_gap));
    snprintf(picture->title, sizeof picture->title, "Speed relative to the fastest backend: %s",
             model_text(s, model));
    struct canvas canvas;
    GB_TRY(begin(&canvas, picture, &grid, 0));
    put_backends(&canvas, s);
    for (int i = 0, panel = 0; i < s->setting_count; i++) {
        if (!gb_summary_has_model(s, i, model))
            continue;
        begin_panel(&canvas, gb_setting_text(&s->settings[i]).text, "fastest = 1", "");
        put_bar_panel(&canvas, s, i, model, panel++ % columns == 0);
        end_panel(&canvas);
    }
    return draw(&canvas, picture);
}

// ---- Roofline ----

// Kinds of kernels have markers of their own; a native one that stands in for another is hollow.
static const struct marker {
    const char *operation;
    int filled, hollow;
} markers[] = {{"conv", 7, 6}, {"fc", 9, 8}, {"", 5, 4}};
enum { MARKERS = sizeof markers / sizeof *markers };
static const char marker_text[] =
    "circle: convolution, triangle: fully connected, square: other; hollow: native fallback";

static int marker_of(const char *operation) {
    int marker = 0;
    while (*markers[marker].operation && strcmp(markers[marker].operation, operation) != 0)
        marker++;
    return marker;
}

struct range {
    double low, high;
};

static void extend(struct range *range, double value) {
    range->low = fmin(range->low, value);
    range->high = fmax(range->high, value);
}

// The cell of a kernel that has a place in the roofline, else NULL.
static const struct gb_cell *point_of(const struct gb_summary *s, int setting, int line,
                                      int column) {
    const struct gb_row *row = s->lines[line].row;
    const struct gb_cell *cell = gb_summary_cell(s, setting, line, column);
    return s->groups[s->lines[line].group].kernel && row->flops > 0 && row->bytes > 0 &&
                   cell->launches && !cell->error
               ? cell
               : NULL;
}

// The ranges of intensity and speed, with room for labels; empty if no kernel has a place.
static void find_ranges(const struct gb_summary *s, int setting, struct range *x, struct range *y) {
    *x = *y = (struct range){INFINITY, 0};
    for (int line = 0; line < s->line_count; line++)
        for (int column = 0; column < s->column_count; column++) {
            const struct gb_cell *cell = point_of(s, setting, line, column);
            if (!cell)
                continue;
            extend(x, s->lines[line].row->flops / s->lines[line].row->bytes);
            extend(y, cell->gflops);
        }
    for (int i = 0; i < s->settings[setting].compute.count; i++)
        extend(y, s->settings[setting].compute.values[i]);
    x->low /= 8;
    x->high *= 2;
    y->low /= 1.5;
    y->high *= 2.2;
}

// The slopes of bandwidth up to the highest peak, and each peak from the steepest slope on.
static void put_roofline(FILE *script, const struct gb_summary *s, int setting,
                         const struct grid *grid, struct range x, struct range y) {
    const struct gb_roofs *compute = &s->settings[setting].compute,
                          *bandwidth = &s->settings[setting].bandwidth;
    const double peak = compute->count ? compute->values[compute->count - 1] : y.high;
    const double steepest = bandwidth->count ? bandwidth->values[bandwidth->count - 1] : INFINITY;
    const double rise = grid->height / log(y.high / y.low), run = grid->width / log(x.high / x.low);
    for (int i = 0; i < bandwidth->count; i++) {
        const double slope = bandwidth->values[i], left = fmax(x.low, y.low / slope);
        if (left >= peak / slope)
            continue;
        fprintf(script,
                "set arrow from %g,%g to %g,%g nohead lc rgb '#808080'\n"
                "set label '%s GB/s' at %g,%g left rotate by %g font ',9'\n",
                left, left * slope, fmin(peak / slope, x.high), fmin(peak, x.high * slope),
                gb_figure_number(slope).text, left * exp(8 / run), left * slope * exp(15 / rise),
                atan2(rise, run) * 180 / M_PI);
    }
    for (int i = 0; i < compute->count; i++) {
        const double height = compute->values[i];
        fprintf(script,
                "set arrow from %g,%g to %g,%g nohead lc rgb '#808080'\n"
                "set label '%s GFLOP/s' at %g,%g right font ',9'\n",
                fmax(x.low, height / steepest), height, x.high, height,
                gb_figure_number(height).text, x.high * exp(-4 / run), height * exp(8 / rise));
    }
}

// The points of a backend, marker and filling, printed if there is a script; false if there are
// none.
static bool put_points(FILE *script, const struct gb_summary *s, int setting, int block) {
    bool any = false;
    for (int line = 0; line < s->line_count; line++) {
        const struct gb_row *row = s->lines[line].row;
        const struct gb_cell *cell = point_of(s, setting, line, block / (2 * MARKERS));
        if (!cell || marker_of(row->operation) != block / 2 % MARKERS ||
            cell->fallback != block % 2)
            continue;
        any = true;
        if (script)
            fprintf(script, "%g %g\n", row->flops / row->bytes, cell->gflops);
    }
    return any;
}

// The kernels' names in the order in which gnuplot draws their points, for name_points.
static json_t *point_names(const struct gb_summary *s, int setting) {
    json_t *names = json_array();
    for (int block = 0; block < s->column_count * MARKERS * 2; block++)
        for (int line = 0; line < s->line_count; line++) {
            const struct gb_row *row = s->lines[line].row;
            const struct gb_column *column = &s->columns[block / (2 * MARKERS)];
            const struct gb_cell *cell = point_of(s, setting, line, block / (2 * MARKERS));
            if (!cell || marker_of(row->operation) != block / 2 % MARKERS ||
                cell->fallback != block % 2)
                continue;
            char text[GB_PROBLEM + GB_LIBRARY + 64];
            snprintf(text, sizeof text, "%s, %s: %s GFLOP/s, %s", row->problem, column->label,
                     gb_figure_number(cell->gflops).text, gb_figure_seconds(cell->seconds).text);
            gb_json_append(&names, json_string(text));
        }
    return names;
}

static void put_all_points(FILE *script, const struct gb_summary *s, int setting) {
    const int blocks = s->column_count * MARKERS * 2;
    for (int block = 0; block < blocks; block++) {
        fprintf(script, "$points%d << END\n", block);
        put_points(script, s, setting, block);
        fprintf(script, "END\n");
    }
    fprintf(script, "plot NaN");
    for (int block = 0; block < blocks; block++) {
        const struct marker *marker = &markers[block / 2 % MARKERS];
        if (put_points(NULL, s, setting, block))
            fprintf(script, ", $points%d with points pt %d ps 0.7 lc rgb '#60%06x'", block,
                    block % 2 ? marker->hollow : marker->filled,
                    s->columns[block / (2 * MARKERS)].colour);
    }
}

// A point is an element <use xlink:href='#gpPt7' transform='translate(...)...'/>; the definitions
// of markers have others.
static const char *next_point(const char *svg) {
    while ((svg = strstr(svg, "<use "))) {
        const char *end = strchr(svg, '>'), *point = strstr(svg, "translate(");
        if (end && point && point < end)
            return svg;
        svg++;
    }
    return NULL;
}

// Names the points of a drawn picture's SVG, in the order in which they were drawn: the text that a
// reader gets who points at one. Nothing changes unless there are as many points as names. On
// failure (also where `names` is NULL) the picture is as it was.
static enum gb_status name_points(struct gb_picture *picture, const json_t *names) {
    size_t points = 0;
    if (!picture->svg)
        return GB_OK;
    for (const char *at = picture->svg; (at = next_point(at)); at++)
        points++;
    if (names && points != json_array_size(names))
        return GB_OK;
    char *named = NULL;
    size_t size = 0;
    FILE *file = names ? open_memstream(&named, &size) : NULL;
    if (!file)
        return gb_no_memory("cannot draw", picture->title);
    const char *at = picture->svg, *point;
    for (size_t i = 0; (point = next_point(at)); i++) {
        const char *end = strchr(point, '>') + 1;
        fwrite(at, 1, (size_t)(point - at), file);
        gb_html(file, "<g><title>%s</title>", json_string_value(json_array_get(names, i)));
        fwrite(point, 1, (size_t)(end - point), file);
        fputs("</g>", file);
        at = end;
    }
    fputs(at, file);
    if (fclose(file) != 0) {
        free(named);
        return gb_no_memory("cannot draw", picture->title);
    }
    free(picture->svg);
    picture->svg = named;
    picture->svg_bytes = size;
    return GB_OK;
}

enum gb_status gb_plot_roofline(const struct gb_summary *s, int setting,
                                struct gb_picture *picture) {
    struct range x, y;
    find_ranges(s, setting, &x, &y);
    if (x.high == 0)
        return GB_OK;
    struct grid grid = {1, 1, 70, 0, 800, 460, 40, 60};
    grid.top = LEGEND_TOP + backends_height(s, 910) + LEGEND_LINE + 4;
    snprintf(picture->title, sizeof picture->title, "Roofline: %s",
             gb_setting_text(&s->settings[setting]).text);
    struct canvas canvas;
    GB_TRY(begin(&canvas, picture, &grid, 0));
    put_backends(&canvas, s);
    put_label(&canvas, marker_text, LEGEND_LEFT, grid.top - LEGEND_LINE, 11);
    begin_panel(&canvas, "", "FLOPs per byte", "GFLOP/s");
    fprintf(canvas.script,
            "set logscale xy\nset format '%%g'\nset xrange [%g:%g]\nset yrange [%g:%g]\n", x.low,
            x.high, y.low, y.high);
    put_roofline(canvas.script, s, setting, &grid, x, y);
    put_all_points(canvas.script, s, setting);
    end_panel(&canvas);
    GB_TRY(draw(&canvas, picture));
    json_t *names = point_names(s, setting);
    enum gb_status status = name_points(picture, names);
    json_decref(names);
    return status;
}

// ---- Thread scaling ----

// The settings of one cache state, by threads.
struct span {
    int base, end;
};

// What a panel shows: the kernels of a model's step, or its whole steps.
static bool has_scaling(const struct gb_summary *s, int model, int group) {
    return (group == GB_ALL_KERNELS || strncmp(s->groups[group].name, "step/", 5) == 0) &&
           gb_summary_mean(s, 0, model, group, 0).problems > 0;
}

// Speed at `setting` relative to `base`, over the problems with a time at both; NAN if none.
static double speedup(const struct gb_summary *s, int model, int group, int column, int base,
                      int setting) {
    double before = 0, after = 0;
    for (int line = 0; line < s->line_count; line++) {
        const struct gb_cell *a = gb_summary_cell(s, base, line, column);
        const struct gb_cell *b = gb_summary_cell(s, setting, line, column);
        const int count = gb_summary_count(s, line, model), of = s->lines[line].group;
        if (!count || !(group == GB_ALL_KERNELS ? s->groups[of].kernel : group == of) ||
            !a->launches || !b->launches || a->error || b->error)
            continue;
        before += count * a->seconds;
        after += count * b->seconds;
    }
    return after > 0 ? before / after : NAN;
}

static void put_scaling_panel(FILE *script, const struct gb_summary *s, int model, int group,
                              struct span span, double highest) {
    const double first = s->settings[span.base].threads, last = s->settings[span.end - 1].threads;
    for (int column = 0; column < s->column_count; column++) {
        fprintf(script, "$line%d << END\n", column);
        for (int i = span.base; i < span.end; i++)
            fprintf(script, "%d %g\n", s->settings[i].threads,
                    speedup(s, model, group, column, span.base, i));
        fprintf(script, "END\n");
    }
    fprintf(script, "plot [%g:%g] [0:%g] x / %g lt 1 dt 2 lc rgb '#808080'", first - 0.1 * last,
            1.1 * last, 1.15 * highest, first);
    for (int column = 0; column < s->column_count; column++)
        if (!isnan(speedup(s, model, group, column, span.base, span.base)))
            fprintf(script, ", $line%d with linespoints pt %d ps 0.9 lw 1.6 lc rgb '#%06x'", column,
                    4 + column, s->columns[column].colour);
}

enum gb_status gb_plot_scaling(const struct gb_summary *s, enum gb_cache cache,
                               struct gb_picture *picture) {
    struct span span = {0, 0};
    while (span.base < s->setting_count && s->settings[span.base].cache != cache)
        span.base++;
    for (span.end = span.base; span.end < s->setting_count && s->settings[span.end].cache == cache;)
        span.end++;
    if (span.end - span.base < 2)
        return GB_OK;
    int panels = 0;
    double highest = (double)s->settings[span.end - 1].threads / s->settings[span.base].threads;
    for (int model = 0; model < s->model_count; model++)
        for (int group = GB_ALL_KERNELS; group < s->group_count; group++) {
            if (!has_scaling(s, model, group))
                continue;
            panels++;
            for (int column = 0; column < s->column_count; column++)
                for (int i = span.base; i < span.end; i++)
                    highest = fmax(highest, speedup(s, model, group, column, span.base, i));
        }
    if (panels == 0)
        return GB_OK;
    struct grid grid = {.panels = panels,
                        .columns = gb_min_int(panels, 3),
                        .left = 76,
                        .width = 250,
                        .height = 180,
                        .right_gap = 44,
                        .bottom_gap = 62};
    grid.top = 22 + LEGEND_TOP + backends_height(s, 420);
    snprintf(picture->title, sizeof picture->title, "Thread scaling, %s caches",
             gb_cache_name(cache));
    struct canvas canvas;
    GB_TRY(begin(&canvas, picture, &grid, 420));
    put_backends(&canvas, s);
    fprintf(canvas.script, "set xtics (");
    for (int i = span.base; i < span.end; i++)
        fprintf(canvas.script, "%s%d", i > span.base ? ", " : "", s->settings[i].threads);
    fprintf(canvas.script, ")\n");
    int panel = 0;
    for (int model = 0; model < s->model_count; model++)
        for (int group = GB_ALL_KERNELS; group < s->group_count; group++) {
            if (!has_scaling(s, model, group))
                continue;
            char title[128];
            snprintf(title, sizeof title, "%s%s", model_text(s, model),
                     group == GB_ALL_KERNELS ? ", kernels" : ", step");
            begin_panel(&canvas, title, "threads", panel++ % grid.columns == 0 ? "speedup" : "");
            put_scaling_panel(canvas.script, s, model, group, span, highest);
            end_panel(&canvas);
        }
    return draw(&canvas, picture);
}

// ---- Learning curves ----

unsigned gb_run_colour(int record) {
    static const unsigned colours[] = {0x0072b2, 0xd55e00, 0x009e73, 0xcc79a7,
                                       0xe69f00, 0x56b4e9, 0x808080};
    return colours[record % (int)(sizeof colours / sizeof *colours)];
}

static bool has_figure(const struct gb_training_record *record, const char *figure) {
    size_t i;
    json_t *row;
    json_array_foreach(record->log, i, row) {
        if (json_is_number(json_object_get(row, figure)))
            return true;
    }
    return false;
}

// A record's data block. Its values widen the range, except the first tenth of them: a model's
// first steps are so far off that they would flatten the rest.
static void put_curve(FILE *script, const struct gb_training_record *record, const char *figure,
                      int index, struct range *range) {
    const size_t count = json_array_size(record->log);
    size_t i;
    json_t *row;
    fprintf(script, "$curve%d << END\n", index);
    json_array_foreach(record->log, i, row) {
        const double value = gb_json_number(row, figure);
        if (!json_is_number(json_object_get(row, figure)))
            continue;
        fprintf(script, "%lld %.9g\n", (long long)gb_json_integer(row, "step"), value);
        if (i >= count / 10)
            extend(range, value);
    }
    fprintf(script, "END\n");
}

enum gb_status gb_plot_curves(const struct gb_training_record *records, int count,
                              const char *figure, struct gb_picture *picture) {
    struct grid grid = {1, 1, 100, 0, 780, 360, 40, 60};
    struct legend legend = {920, LEGEND_LEFT, 0};
    for (int i = 0; i < count; i++)
        if (has_figure(&records[i], figure))
            place_entry(&legend, records[i].directory);
    grid.top = LEGEND_TOP + (legend.line + 1) * LEGEND_LINE + 8;
    char axis[64];
    snprintf(axis, sizeof axis, "%s", figure);
    for (char *letter = axis; *letter; letter++)
        *letter = *letter == '_' ? ' ' : *letter;
    snprintf(picture->title, sizeof picture->title, "Training: %s", axis);
    struct canvas canvas;
    GB_TRY(begin(&canvas, picture, &grid, 0));
    begin_panel(&canvas, "", "training step", axis);
    struct range range = {INFINITY, -INFINITY};
    legend = (struct legend){canvas.width, LEGEND_LEFT, 0};
    for (int i = 0; i < count; i++)
        if (has_figure(&records[i], figure)) {
            put_curve(canvas.script, &records[i], figure, i, &range);
            put_entry(&canvas, &legend, gb_run_colour(i), records[i].directory);
        }
    if (range.low <= range.high) {
        const double margin = 0.08 * (range.high - range.low) + 1e-3 * fabs(range.high) + 1e-9;
        fprintf(canvas.script, "set yrange [%g:%g]\n", range.low - margin, range.high + margin);
    }
    fprintf(canvas.script, "set xrange [0:*]\nplot NaN");
    for (int i = 0; i < count; i++)
        if (has_figure(&records[i], figure))
            fprintf(canvas.script, ", $curve%d with lines lw 1.6 lc rgb '#%06x'", i,
                    gb_run_colour(i));
    end_panel(&canvas);
    return draw(&canvas, picture);
}
