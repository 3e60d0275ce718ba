// SPDX-License-Identifier: MIT
#include "bench/report/plots.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/minmax.h"
#include "bench/report/figures.h"

// ---- A canvas of panels ----

// A script that grows while a picture is laid out. Lengths are points; y counts from the top.
struct canvas {
    FILE *script;
    char *text;
    size_t size;
    int width, height;
};

struct box {
    int left, top, width, height;
};

static bool open_canvas(struct canvas *canvas, int width, int height) {
    *canvas = (struct canvas){.width = width, .height = height};
    canvas->script = open_memstream(&canvas->text, &canvas->size);
    if (!canvas->script)
        return false;
    fprintf(canvas->script, "set multiplot\n"
                            "set border lc rgb '#808080'\n"
                            "set grid lt 1 lc rgb '#c0808080'\n"
                            "set tics nomirror font ',10' textcolor rgb 'black'\n"
                            "unset key\n");
    return true;
}

static enum gb_status close_canvas(struct canvas *canvas, struct gb_picture *picture) {
    fprintf(canvas->script, "unset multiplot\n");
    enum gb_status status =
        fclose(canvas->script) == 0
            ? gb_gnuplot_draw(picture, canvas->text, canvas->width, canvas->height)
            : gb_no_memory("cannot draw", picture->name);
    free(canvas->text);
    return status;
}

// In single quotes gnuplot takes every character as it is, a doubled quote as one.
static void put_text(FILE *script, const char *text) {
    fputc('\'', script);
    for (; *text; text++) {
        if (*text == '\'')
            fputc('\'', script);
        fputc((unsigned char)*text < ' ' ? ' ' : *text, script);
    }
    fputc('\'', script);
}

static double screen_x(const struct canvas *canvas, double x) {
    return x / canvas->width;
}
static double screen_y(const struct canvas *canvas, double y) {
    return 1 - y / canvas->height;
}

static void put_title(const struct canvas *canvas, const char *title) {
    fprintf(canvas->script, "set label ");
    put_text(canvas->script, title);
    fprintf(canvas->script, " at screen %g,%g left font ',14'\n", screen_x(canvas, 14),
            screen_y(canvas, 20));
}

// Begins the next panel; what is set at places of the canvas is drawn with the first one alone.
static void put_panel(const struct canvas *canvas, struct box box, const char *title) {
    fprintf(canvas->script,
            "set lmargin at screen %g\nset rmargin at screen %g\n"
            "set tmargin at screen %g\nset bmargin at screen %g\nset title ",
            screen_x(canvas, box.left), screen_x(canvas, box.left + box.width),
            screen_y(canvas, box.top), screen_y(canvas, box.top + box.height));
    put_text(canvas->script, title);
    fprintf(canvas->script, " font ',12' offset 0,-0.6\n");
}

static void end_panel(const struct canvas *canvas) {
    fprintf(canvas->script, "unset label\nunset object\nunset arrow\n");
}

// ---- Legends ----

enum { LEGEND_TOP = 42, LEGEND_LINE = 18 };

// Moves on by one entry with a text of `length` letters, to a new line where it does not fit.
// Widths of letters are the renderer's; eight points are enough for any sans-serif font at this
// size.
static int entry_width(int length) {
    return 34 + 8 * length;
}

static void place_entry(int length, int width, int *x, int *line) {
    int needed = entry_width(length);
    if (*x > 14 && *x + needed > width) {
        *x = 14;
        ++*line;
    }
    *x += needed;
}

static int legend_height(const struct gb_summary *s, int width) {
    int x = 14, line = 0;
    for (int i = 0; i < s->column_count; i++)
        place_entry((int)strlen(s->columns[i].label), width, &x, &line);
    return (line + 1) * LEGEND_LINE;
}

static void put_entry(const struct canvas *canvas, unsigned colour, const char *label, int *x,
                      int *line) {
    int length = (int)strlen(label);
    place_entry(length, canvas->width, x, line);
    double left = *x - entry_width(length), y = LEGEND_TOP + *line * LEGEND_LINE;
    fprintf(canvas->script,
            "set object rectangle center screen %g,%g size screen %g,%g fc rgb '#%06x' fs solid "
            "noborder\nset label ",
            screen_x(canvas, left + 6), screen_y(canvas, y), 12.0 / canvas->width,
            12.0 / canvas->height, colour);
    put_text(canvas->script, label);
    fprintf(canvas->script, " at screen %g,%g left font ',11'\n", screen_x(canvas, left + 18),
            screen_y(canvas, y));
}

static void put_backends(const struct canvas *canvas, const struct gb_summary *s) {
    int x = 14, line = 0;
    for (int i = 0; i < s->column_count; i++)
        put_entry(canvas, s->columns[i].colour, s->columns[i].label, &x, &line);
}

// ---- Panels in rows ----

struct grid {
    int panels, columns, left, top, panel_width, panel_height, right_gap, bottom_gap;
};

static int grid_width(const struct grid *grid) {
    return grid->left + grid->columns * (grid->panel_width + grid->right_gap);
}

static int grid_height(const struct grid *grid) {
    int rows = (grid->panels + grid->columns - 1) / grid->columns;
    return grid->top + rows * (grid->panel_height + grid->bottom_gap);
}

static struct box grid_box(const struct grid *grid, int panel) {
    int column = panel % grid->columns, row = panel / grid->columns;
    return (struct box){grid->left + column * (grid->panel_width + grid->right_gap),
                        grid->top + row * (grid->panel_height + grid->bottom_gap),
                        grid->panel_width, grid->panel_height};
}

static const char *model_text(const struct gb_summary *s, int model) {
    return *s->models[model] ? s->models[model] : "other problems";
}

// ---- Bars ----

// Whether on every backend, as far as it was timed, a group takes hardly any of a step.
static bool is_minor(const struct gb_summary *s, int model, int group) {
    bool timed = false;
    for (int setting = 0; setting < s->setting_count; setting++)
        for (int column = 0; column < s->column_count; column++) {
            double all = gb_summary_mean(s, setting, model, GB_ALL_KERNELS, column).seconds;
            double seconds = gb_summary_mean(s, setting, model, group, column).seconds;
            if (seconds >= GB_MINOR_SHARE * all)
                return false;
            timed |= seconds < GB_MINOR_SHARE * all;
        }
    return timed;
}

// "All kernels", and then the groups that a model has.
static int bar_groups(const struct gb_summary *s, int model, int groups[]) {
    int count = 0;
    for (int group = GB_ALL_KERNELS; group < s->group_count; group++)
        if (gb_summary_mean(s, 0, model, group, 0).problems && !is_minor(s, model, group))
            groups[count++] = group;
    return count;
}

static const char *group_text(const struct gb_summary *s, int group) {
    return group == GB_ALL_KERNELS ? "all kernels" : s->groups[group].name;
}

static void put_group_tics(FILE *script, const struct gb_summary *s, const int groups[], int count,
                           bool labelled) {
    fprintf(script, "set ytics scale 0 (");
    for (int i = 0; i < count; i++) {
        fprintf(script, "%s", i ? ", " : "");
        put_text(script, labelled ? group_text(s, groups[i]) : "");
        fprintf(script, " %g", i + 0.5);
    }
    fprintf(script, ")\n");
}

// A data block with the bar of each group whose kernels are borrowed, or are not: x, y, left,
// right, low, high. False if it is empty.
static bool put_bars(FILE *script, const struct gb_summary *s, int setting, int model,
                     const int groups[], int count, int column, bool borrowed) {
    bool any = false;
    double height = 0.84 / s->column_count;
    fprintf(script, "$bars%d << END\n", 2 * column + borrowed);
    for (int i = 0; i < count; i++) {
        struct gb_mean mean = gb_summary_mean(s, setting, model, groups[i], column);
        bool lent = mean.borrowed && groups[i] != GB_ALL_KERNELS;
        if (isnan(mean.speed) || lent != borrowed)
            continue;
        double low = i + 0.08 + column * height, high = low + 0.9 * height;
        fprintf(script, "%g %g 0 %g %g %g\n", mean.speed, (low + high) / 2, mean.speed, low, high);
        any = true;
    }
    fprintf(script, "END\n");
    return any;
}

static void put_bar_panel(FILE *script, const struct gb_summary *s, int setting, int model,
                          const int groups[], int count) {
    int blocks = 2 * s->column_count;
    bool any[blocks];
    for (int i = 0; i < blocks; i++)
        any[i] = put_bars(script, s, setting, model, groups, count, i / 2, i % 2);
    fprintf(script,
            "set xrange [0:1.19]\nset yrange [%d:0]\nset xtics 0,0.25,1 scale 0.5\n"
            "set grid xtics noytics\nset arrow from 1,0 to 1,%d nohead lc rgb '#808080'\nplot NaN",
            count, count);
    for (int i = 0; i < blocks; i++)
        if (any[i])
            fprintf(script,
                    ", $bars%d using 1:2:3:4:5:6 with boxxyerror fs %s lc rgb '#%06x'"
                    ", $bars%d using 1:2:(sprintf('%%.2f', $1)) with labels left offset 0.2,0 "
                    "font ',8'",
                    i, i % 2 ? "empty border" : "solid noborder", s->columns[i / 2].colour, i);
    fprintf(script, "\n");
}

enum gb_status gb_plot_bars(const struct gb_summary *s, int model, struct gb_picture *picture) {
    int groups[s->group_count + 1], count = bar_groups(s, model, groups);
    int columns = gb_min_int(s->setting_count, 4), label = 0;
    for (int i = 0; i < count; i++)
        label = gb_max_int(label, (int)strlen(group_text(s, groups[i])));
    struct grid grid = {.panels = s->setting_count,
                        .columns = columns,
                        .left = 28 + 8 * label,
                        .panel_width = gb_max_int(210, 420 / columns),
                        .panel_height = count * gb_max_int(18, 10 * s->column_count + 4),
                        .right_gap = 16,
                        .bottom_gap = 58};
    grid.top = LEGEND_TOP + legend_height(s, grid_width(&grid)) + 22;
    struct canvas canvas;
    if (!open_canvas(&canvas, grid_width(&grid), grid_height(&grid)))
        return gb_no_memory("cannot draw", picture->name);
    snprintf(picture->title, sizeof picture->title, "Speed relative to the best backend: %s",
             model_text(s, model));
    put_title(&canvas, picture->title);
    put_backends(&canvas, s);
    for (int i = 0; i < s->setting_count; i++) {
        put_panel(&canvas, grid_box(&grid, i), gb_setting_text(&s->settings[i]).text);
        fprintf(canvas.script, "set xlabel 'best = 1' font ',10' offset 0,0.5\n");
        put_group_tics(canvas.script, s, groups, count, i % grid.columns == 0);
        put_bar_panel(canvas.script, s, i, model, groups, count);
        end_panel(&canvas);
    }
    return close_canvas(&canvas, picture);
}

// ---- Roofline ----

// Kinds of kernels have markers of their own; a borrowed one is hollow.
static const struct marker {
    const char *operation, *label;
    int filled, hollow;
} markers[] = {{"conv", "convolution", 7, 6}, {"fc", "fully connected", 9, 8}, {"", "other", 5, 4}};
enum { MARKERS = sizeof markers / sizeof *markers };

static int marker_of(const char *operation) {
    int marker = 0;
    while (*markers[marker].operation && strcmp(markers[marker].operation, operation) != 0)
        marker++;
    return marker;
}

struct extent {
    double low, high;
};

static void extend(struct extent *extent, double value) {
    extent->low = fmin(extent->low, value);
    extent->high = fmax(extent->high, value);
}

static double intensity_of(const struct gb_row *row) {
    return row->flops / row->bytes;
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

static void find_extents(const struct gb_summary *s, int setting, struct extent *x,
                         struct extent *y) {
    *x = *y = (struct extent){INFINITY, 0};
    for (int line = 0; line < s->line_count; line++)
        for (int column = 0; column < s->column_count; column++) {
            const struct gb_cell *cell = point_of(s, setting, line, column);
            if (!cell)
                continue;
            extend(x, intensity_of(s->lines[line].row));
            extend(y, cell->gflops);
        }
    for (int i = 0; i < s->compute[setting].count; i++)
        extend(y, s->compute[setting].values[i]);
    x->low /= 8; // room for the slopes' labels
    x->high *= 2;
    y->low /= 1.5;
    y->high *= 2.2;
}

// Walls: the slopes of bandwidth up to the highest peak, and each peak from the steepest slope on.
static void put_roofline(FILE *script, const struct gb_summary *s, int setting, struct box box,
                         struct extent x, struct extent y) {
    const struct gb_roofs *compute = &s->compute[setting], *bandwidth = &s->bandwidth[setting];
    double peak = compute->count ? compute->values[compute->count - 1] : y.high;
    double steepest = bandwidth->count ? bandwidth->values[bandwidth->count - 1] : INFINITY;
    double rise = box.height / log(y.high / y.low), run = box.width / log(x.high / x.low);
    for (int i = 0; i < bandwidth->count; i++) {
        double slope = bandwidth->values[i], left = fmax(x.low, y.low / slope);
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
        double height = compute->values[i];
        fprintf(script,
                "set arrow from %g,%g to %g,%g nohead lc rgb '#808080'\n"
                "set label '%s GFLOP/s' at %g,%g right font ',9'\n",
                fmax(x.low, height / steepest), height, x.high, height,
                gb_figure_number(height).text, x.high * exp(-4 / run), height * exp(8 / rise));
    }
}

static bool put_points(FILE *script, const struct gb_summary *s, int setting, int column,
                       int marker, bool borrowed) {
    bool any = false;
    fprintf(script, "$points%d << END\n", 2 * marker + borrowed);
    for (int line = 0; line < s->line_count; line++) {
        const struct gb_row *row = s->lines[line].row;
        const struct gb_cell *cell = point_of(s, setting, line, column);
        if (!cell || marker_of(row->operation) != marker || cell->borrowed != borrowed)
            continue;
        fprintf(script, "%g %g\n", intensity_of(row), cell->gflops);
        any = true;
    }
    fprintf(script, "END\n");
    return any;
}

static void put_roofline_panel(FILE *script, const struct gb_summary *s, int setting, int column) {
    bool any[2 * MARKERS];
    for (int i = 0; i < 2 * MARKERS; i++)
        any[i] = put_points(script, s, setting, column, i / 2, i % 2);
    fprintf(script, "plot NaN");
    for (int i = 0; i < 2 * MARKERS; i++)
        if (any[i])
            fprintf(script, ", $points%d with points pt %d ps 0.7 lc rgb '#60%06x'", i,
                    i % 2 ? markers[i / 2].hollow : markers[i / 2].filled,
                    s->columns[column].colour);
    fprintf(script, "\n");
}

// What the markers mean, in a line below the title.
static void put_markers(const struct canvas *canvas) {
    static const char *const shapes[MARKERS] = {"circle", "triangle", "square"};
    fprintf(canvas->script, "set label '");
    for (int i = 0; i < MARKERS; i++)
        fprintf(canvas->script, "%s%s: %s", i ? ", " : "", shapes[i], markers[i].label);
    fprintf(canvas->script, "; hollow: borrowed' at screen %g,%g left font ',11'\n",
            screen_x(canvas, 14), screen_y(canvas, LEGEND_TOP));
}

enum gb_status gb_plot_roofline(const struct gb_summary *s, int setting,
                                struct gb_picture *picture) {
    struct extent x, y;
    find_extents(s, setting, &x, &y);
    if (x.high == 0)
        return GB_OK;
    const struct grid grid = {.panels = s->column_count,
                              .columns = s->column_count == 4 ? 2 : gb_min_int(s->column_count, 3),
                              .left = 70,
                              .top = 84,
                              .panel_width = 300,
                              .panel_height = 230,
                              .right_gap = 40,
                              .bottom_gap = 92};
    struct canvas canvas;
    if (!open_canvas(&canvas, gb_max_int(grid_width(&grid), 520), grid_height(&grid)))
        return gb_no_memory("cannot draw", picture->name);
    snprintf(picture->title, sizeof picture->title, "Roofline: %s",
             gb_setting_text(&s->settings[setting]).text);
    put_title(&canvas, picture->title);
    put_markers(&canvas);
    fprintf(canvas.script,
            "set logscale xy\nset format '%%g'\nset xrange [%g:%g]\nset yrange [%g:%g]\n"
            "set xlabel 'FLOPs per byte' font ',10' offset 0,0.4\n",
            x.low, x.high, y.low, y.high);
    for (int i = 0; i < s->column_count; i++) {
        struct box box = grid_box(&grid, i);
        put_panel(&canvas, box, s->columns[i].label);
        fprintf(canvas.script, "set ylabel '%s' font ',10' offset 1,0\n",
                i % grid.columns == 0 ? "GFLOP/s" : "");
        put_roofline(canvas.script, s, setting, box, x, y);
        put_roofline_panel(canvas.script, s, setting, i);
        end_panel(&canvas);
    }
    return close_canvas(&canvas, picture);
}

// ---- Thread scaling ----

// A panel's calls: the kernels of a model's step, or its whole steps.
struct calls {
    int model, group;
};

static bool among(const struct gb_summary *s, int line, struct calls calls) {
    int group = s->lines[line].group;
    return calls.group == GB_ALL_KERNELS ? s->groups[group].kernel : group == calls.group;
}

// Speed at `setting` relative to `base`, over the problems that have a time at both; NAN if none.
static double scaled_speed(const struct gb_summary *s, struct calls calls, int column, int base,
                           int setting) {
    double before = 0, after = 0;
    for (int line = 0; line < s->line_count; line++) {
        const struct gb_cell *a = gb_summary_cell(s, base, line, column);
        const struct gb_cell *b = gb_summary_cell(s, setting, line, column);
        int count = gb_summary_count(s, line, calls.model);
        if (!count || !among(s, line, calls) || !a->launches || !b->launches || a->error ||
            b->error)
            continue;
        before += count * a->seconds;
        after += count * b->seconds;
    }
    return after > 0 ? before / after : NAN;
}

// All panels, into `panels` where it is not NULL; returns how many.
static int scaling_panels(const struct gb_summary *s, struct calls *panels) {
    int count = 0;
    for (int model = 0; model < s->model_count; model++)
        for (int group = GB_ALL_KERNELS; group < s->group_count; group++) {
            bool wanted =
                group == GB_ALL_KERNELS || strncmp(s->groups[group].name, "step/", 5) == 0;
            if (!wanted || gb_summary_mean(s, 0, model, group, 0).problems == 0)
                continue;
            if (panels)
                panels[count] = (struct calls){model, group};
            count++;
        }
    return count;
}

// The upper end of every panel's scale.
static double highest_speed(const struct gb_summary *s, const struct calls panels[], int count,
                            int base, int end) {
    double highest = (double)s->settings[end - 1].threads / s->settings[base].threads;
    for (int panel = 0; panel < count; panel++)
        for (int column = 0; column < s->column_count; column++)
            for (int i = base; i < end; i++)
                highest = fmax(highest, scaled_speed(s, panels[panel], column, base, i));
    return highest;
}

static void put_scaling_panel(FILE *script, const struct gb_summary *s, struct calls calls,
                              int base, int end, double highest) {
    double first = s->settings[base].threads, last = s->settings[end - 1].threads;
    bool any[s->column_count];
    for (int column = 0; column < s->column_count; column++) {
        any[column] = false;
        fprintf(script, "$line%d << END\n", column);
        for (int i = base; i < end; i++) {
            double speed = scaled_speed(s, calls, column, base, i);
            if (isnan(speed))
                continue;
            any[column] = true;
            fprintf(script, "%d %g\n", s->settings[i].threads, speed);
        }
        fprintf(script, "END\n");
    }
    fprintf(script, "plot [%g:%g] [0:%g] x / %g lt 1 dt 2 lc rgb '#808080'", first - 0.1 * last,
            1.1 * last, 1.15 * highest, first);
    for (int column = 0; column < s->column_count; column++)
        if (any[column])
            fprintf(script, ", $line%d with linespoints pt %d ps 0.9 lw 1.6 lc rgb '#%06x'", column,
                    4 + column, s->columns[column].colour);
    fprintf(script, "\n");
}

static void put_thread_tics(FILE *script, const struct gb_summary *s, int base, int end) {
    fprintf(script, "set xtics (");
    for (int i = base; i < end; i++)
        fprintf(script, "%s%d", i > base ? ", " : "", s->settings[i].threads);
    fprintf(script, ")\n");
}

static enum gb_status draw_scaling(const struct gb_summary *s, int base, int end,
                                   const struct calls panels[], int count,
                                   struct gb_picture *picture) {
    struct grid grid = {.panels = count,
                        .columns = gb_min_int(count, 4),
                        .left = 76,
                        .panel_width = 220,
                        .panel_height = 180,
                        .right_gap = 44,
                        .bottom_gap = 92};
    int width = gb_max_int(grid_width(&grid), 420);
    grid.top = LEGEND_TOP + legend_height(s, width) + 22;
    struct canvas canvas;
    if (!open_canvas(&canvas, width, grid_height(&grid)))
        return gb_no_memory("cannot draw", picture->name);
    snprintf(picture->title, sizeof picture->title, "Speed on more threads, %s caches",
             s->settings[base].cache == GB_CACHE_WARM ? "warm" : "cold");
    put_title(&canvas, picture->title);
    put_backends(&canvas, s);
    put_thread_tics(canvas.script, s, base, end);
    fprintf(canvas.script, "set xlabel 'threads' font ',10' offset 0,0.4\n");
    double highest = highest_speed(s, panels, count, base, end);
    for (int i = 0; i < count; i++) {
        char title[128];
        snprintf(title, sizeof title, "%s%s", model_text(s, panels[i].model),
                 panels[i].group == GB_ALL_KERNELS ? ", kernels" : ", step");
        put_panel(&canvas, grid_box(&grid, i), title);
        fprintf(canvas.script, "set ylabel '%s' font ',10' offset 1,0\n",
                i % grid.columns == 0 ? "speedup" : "");
        put_scaling_panel(canvas.script, s, panels[i], base, end, highest);
        end_panel(&canvas);
    }
    return close_canvas(&canvas, picture);
}

enum gb_status gb_plot_scaling(const struct gb_summary *s, enum gb_cache cache,
                               struct gb_picture *picture) {
    int base = 0, end;
    while (base < s->setting_count && s->settings[base].cache != cache)
        base++;
    for (end = base; end < s->setting_count && s->settings[end].cache == cache;)
        end++;
    int count = scaling_panels(s, NULL);
    if (end - base < 2 || count == 0)
        return GB_OK;
    struct calls *panels = malloc((size_t)count * sizeof *panels);
    if (!panels)
        return gb_no_memory("cannot draw", picture->name);
    scaling_panels(s, panels);
    enum gb_status status = draw_scaling(s, base, end, panels, count, picture);
    free(panels);
    return status;
}

// ---- Learning curves ----

unsigned gb_run_colour(int run) {
    static const unsigned colours[] = {0x0072b2, 0xd55e00, 0x009e73, 0xcc79a7,
                                       0xe69f00, 0x56b4e9, 0x808080};
    return colours[run % (int)(sizeof colours / sizeof *colours)];
}

// The least and the largest value that a frame must hold.
struct range {
    double low, high;
};

// A run's data block. False if it is empty. Its values widen the range, but for the first tenth of
// them: a model's first steps are so far off that they would squeeze all others into a line.
static bool put_curve(FILE *script, const struct gb_training_record *record, const char *figure,
                      int index, struct range *range) {
    size_t i, count = json_array_size(record->log);
    json_t *row;
    bool any = false;
    fprintf(script, "$curve%d << END\n", index);
    json_array_foreach(record->log, i, row) {
        if (!json_is_number(json_object_get(row, figure)))
            continue;
        const double value = gb_json_number(row, figure);
        any = true;
        fprintf(script, "%lld %.9g\n", (long long)gb_json_integer(row, "step"), value);
        if (i >= count / 10) {
            range->low = fmin(range->low, value);
            range->high = fmax(range->high, value);
        }
    }
    fprintf(script, "END\n");
    return any;
}

static void put_curves(const struct canvas *canvas, const struct gb_training_record *records,
                       int count, const char *figure) {
    struct range range = {INFINITY, -INFINITY};
    bool any[count];
    int x = 14, line = 0;
    for (int i = 0; i < count; i++) {
        any[i] = put_curve(canvas->script, &records[i], figure, i, &range);
        if (any[i])
            put_entry(canvas, gb_run_colour(i), records[i].directory, &x, &line);
    }
    if (range.low <= range.high) {
        double margin = 0.08 * (range.high - range.low) + 1e-3 * fabs(range.high) + 1e-9;
        fprintf(canvas->script, "set yrange [%g:%g]\n", range.low - margin, range.high + margin);
    }
    fprintf(canvas->script, "set xrange [0:*]\nplot NaN");
    for (int i = 0; i < count; i++)
        if (any[i])
            fprintf(canvas->script, ", $curve%d with lines lw 1.6 lc rgb '#%06x'", i,
                    gb_run_colour(i));
    fprintf(canvas->script, "\n");
}

enum gb_status gb_plot_curves(const struct gb_training_record *records, int count,
                              const char *figure, struct gb_picture *picture) {
    enum { WIDTH = 760, PLOT = 320 };
    int x = 14, line = 0;
    for (int i = 0; i < count; i++)
        place_entry((int)strlen(records[i].directory), WIDTH, &x, &line);
    int top = LEGEND_TOP + (line + 1) * LEGEND_LINE + 8;
    struct canvas canvas;
    if (!open_canvas(&canvas, WIDTH, top + PLOT + 60))
        return gb_no_memory("cannot draw", picture->name);
    char axis[64];
    snprintf(axis, sizeof axis, "%s", figure);
    for (char *letter = axis; *letter; letter++)
        *letter = *letter == '_' ? ' ' : *letter;
    snprintf(picture->title, sizeof picture->title, "Training: %s", axis);
    put_title(&canvas, picture->title);
    put_panel(&canvas, (struct box){100, top, WIDTH - 140, PLOT}, "");
    fprintf(canvas.script, "set xlabel 'training step' font ',10'\nset ylabel ");
    put_text(canvas.script, axis);
    fprintf(canvas.script, " font ',10'\n");
    put_curves(&canvas, records, count, figure);
    return close_canvas(&canvas, picture);
}
