// SPDX-License-Identifier: MIT
#include "bench/report/summary.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/grow.h"
#include "base/quantile.h"
#include "bench/compare/comparable.h"

// ---- Machines and builds ----

// Libraries may differ: two versions of one stand side by side as columns.
static bool comparable(const struct gb_row *a, const struct gb_row *b) {
    return !gb_first_difference(a->machine, b->machine, gb_reported_machine) &&
           !gb_first_difference(a->build, b->build, gb_reported_build);
}

// ---- The axes ----

static int find_column(const struct gb_summary *s, const struct gb_row *row) {
    for (int i = 0; i < s->column_count; i++)
        if (strcmp(s->columns[i].backend, row->backend) == 0 &&
            strcmp(s->columns[i].library, row->library) == 0)
            return i;
    return -1;
}

int gb_summary_find_setting(const struct gb_summary *s, int threads, enum gb_cache cache) {
    for (int i = 0; i < s->setting_count; i++)
        if (s->settings[i].threads == threads && s->settings[i].cache == cache)
            return i;
    return -1;
}

static int find_setting(const struct gb_summary *s, const struct gb_row *row) {
    return gb_summary_find_setting(s, row->threads, row->cache);
}

static int find_group(const struct gb_summary *s, const char *name) {
    for (int i = 0; i < s->group_count; i++)
        if (strcmp(s->groups[i].name, name) == 0)
            return i;
    return -1;
}

// Rows of a problem mostly follow each other.
static int find_line(const struct gb_summary *s, const struct gb_row *row) {
    for (int i = s->line_count - 1; i >= 0; i--)
        if (strcmp(s->lines[i].row->problem, row->problem) == 0)
            return i;
    return -1;
}

int gb_summary_find_model(const struct gb_summary *s, const char *name) {
    for (int i = 0; i < s->model_count; i++)
        if (strcmp(s->models[i], name) == 0)
            return i;
    return -1;
}

static bool is_kernel(const char *operation) {
    static const char *const composed[] = {"layer", "step", "sample"};
    for (size_t i = 0; i < sizeof composed / sizeof *composed; i++)
        if (strcmp(operation, composed[i]) == 0)
            return false;
    return true;
}

static bool add_line(struct gb_summary *s, const struct gb_row *row) {
    char name[sizeof s->groups->name];
    snprintf(name, sizeof name, "%s/%s", row->operation, row->direction);
    int group = find_group(s, name);
    if (group < 0) {
        struct gb_group *groups = gb_grow(s->groups, (size_t)s->group_count, sizeof *groups);
        if (!groups)
            return false;
        s->groups = groups;
        group = s->group_count++;
        strcpy(groups[group].name, name);
        groups[group].kernel = is_kernel(row->operation);
    }
    struct gb_line *lines = gb_grow(s->lines, (size_t)s->line_count, sizeof *lines);
    if (!lines)
        return false;
    s->lines = lines;
    size_t prefix = strlen(name);
    bool prefixed = strncmp(row->problem, name, prefix) == 0 && row->problem[prefix] == '/';
    lines[s->line_count++] =
        (struct gb_line){row, row->problem + (prefixed ? prefix + 1 : 0), group};
    return true;
}

static bool add_model(struct gb_summary *s, const char *name) {
    char(*models)[GB_MODEL] = gb_grow(s->models, (size_t)s->model_count, sizeof *models);
    if (!models)
        return false;
    s->models = models;
    strcpy(models[s->model_count++], name);
    return true;
}

static bool add_models(struct gb_summary *s, const struct gb_row *row) {
    for (int i = 0; i < row->share_count; i++)
        if (gb_summary_find_model(s, row->shares[i].model) < 0 &&
            !add_model(s, row->shares[i].model))
            return false;
    return true;
}

// Versions of one library stand next to each other.
static bool add_column(struct gb_summary *s, const struct gb_row *row) {
    struct gb_column *columns = gb_grow(s->columns, (size_t)s->column_count, sizeof *columns);
    if (!columns)
        return false;
    s->columns = columns;
    int at = s->column_count;
    for (int i = 0; i < s->column_count; i++)
        if (strcmp(columns[i].backend, row->backend) == 0)
            at = i + 1;
    memmove(columns + at + 1, columns + at, (size_t)(s->column_count++ - at) * sizeof *columns);
    columns[at] = (struct gb_column){0};
    strcpy(columns[at].backend, row->backend);
    strcpy(columns[at].library, row->library);
    return true;
}

static bool add_axes(struct gb_summary *s, const struct gb_row *row) {
    if (find_column(s, row) < 0 && !add_column(s, row))
        return false;
    if (find_setting(s, row) < 0) {
        struct gb_setting *settings =
            gb_grow(s->settings, (size_t)s->setting_count, sizeof *settings);
        if (!settings)
            return false;
        s->settings = settings;
        settings[s->setting_count++] = (struct gb_setting){row->threads, row->cache};
    }
    return (find_line(s, row) >= 0 || add_line(s, row)) && add_models(s, row);
}

static int by_cache_and_threads(const void *a, const void *b) {
    const struct gb_setting *x = a, *y = b;
    return x->cache != y->cache ? (int)x->cache - (int)y->cache : x->threads - y->threads;
}

static bool has_unshared_line(const struct gb_summary *s) {
    for (int i = 0; i < s->line_count; i++)
        if (s->lines[i].row->share_count == 0)
            return true;
    return false;
}

// ---- Cells ----

// A row and the cell that it belongs to.
struct place {
    const struct gb_row *row;
    struct gb_cell *cell;
};

static int by_cell_and_seconds(const void *a, const void *b) {
    const struct place *x = a, *y = b;
    if (x->cell != y->cell)
        return x->cell < y->cell ? -1 : 1;
    double u = x->row->median_seconds, v = y->row->median_seconds;
    return (u > v) - (u < v);
}

// The launches of one cell, sorted by their time.
static void fill_cell(struct gb_cell *cell, const struct place *places, int count) {
    *cell = (struct gb_cell){.launches = count,
                             .seconds = NAN,
                             .spread = NAN,
                             .gflops = NAN,
                             .gbs = NAN,
                             .share_of_peak = NAN,
                             .speed = NAN};
    for (int i = 0; i < count; i++)
        if (places[i].row->error) {
            cell->error = places[i].row->error;
            return;
        }
    const struct gb_row *low = places[(count - 1) / 2].row, *high = places[count / 2].row;
    cell->seconds = (low->median_seconds + high->median_seconds) / 2;
    cell->spread = (low->spread + high->spread) / 2;
    cell->gflops = (low->gflops + high->gflops) / 2;
    cell->gbs = (low->gbs + high->gbs) / 2;
    cell->share_of_peak = (low->share_of_peak + high->share_of_peak) / 2;
    cell->wall = low->wall;
}

static struct gb_cell *cells_of(const struct gb_summary *s, int setting, int line) {
    return s->cells + ((size_t)setting * s->line_count + line) * s->column_count;
}

static bool borrows(const char *backend, const struct gb_row *row) {
    for (int i = 0; i < GB_BORROWERS; i++)
        if (strcmp(row->borrowers[i], backend) == 0)
            return true;
    return false;
}

// Fills the cells of those that borrow the row's kernel.
static void lend(struct gb_summary *s, const struct gb_row *row) {
    struct gb_cell *cells = cells_of(s, find_setting(s, row), find_line(s, row));
    const struct gb_cell *own = &cells[find_column(s, row)];
    for (int i = 0; i < s->column_count; i++)
        if (!cells[i].launches && borrows(s->columns[i].backend, row)) {
            cells[i] = *own;
            cells[i].borrowed = true;
        }
}

static void compare_columns(struct gb_cell *cells, int count) {
    double best = INFINITY;
    for (int i = 0; i < count; i++)
        best = fmin(best, cells[i].launches ? cells[i].seconds : NAN);
    for (int i = 0; i < count; i++)
        cells[i].speed = best / cells[i].seconds;
}

static enum gb_status fill_cells(struct gb_summary *s, const struct gb_row *const *rows,
                                 int count) {
    s->cells = calloc((size_t)s->setting_count * s->line_count * s->column_count, sizeof *s->cells);
    struct place *places = malloc((size_t)count * sizeof *places);
    if (!s->cells || !places) {
        free(places);
        return gb_no_memory("cannot sum up", "rows");
    }
    for (int i = 0; i < count; i++)
        places[i] =
            (struct place){rows[i], cells_of(s, find_setting(s, rows[i]), find_line(s, rows[i])) +
                                        find_column(s, rows[i])};
    qsort(places, (size_t)count, sizeof *places, by_cell_and_seconds);
    for (int begin = 0, end; begin < count; begin = end) {
        for (end = begin + 1; end < count && places[end].cell == places[begin].cell;)
            end++;
        fill_cell(places[begin].cell, places + begin, end - begin);
    }
    free(places);
    for (int i = 0; i < count; i++)
        lend(s, rows[i]);
    for (int setting = 0; setting < s->setting_count; setting++)
        for (int line = 0; line < s->line_count; line++)
            compare_columns(cells_of(s, setting, line), s->column_count);
    return GB_OK;
}

// ---- Walls ----

// Each probe of the same wall comes to a slightly other figure: those within 30 % of the next one
// are taken together, by their median.
static struct gb_roofs join_roofs(double *values, int count) {
    struct gb_roofs roofs = {0};
    enum { ROOFS = sizeof roofs.values / sizeof *roofs.values };
    gb_sort(values, count);
    for (int begin = 0, end; begin < count && roofs.count < ROOFS; begin = end) {
        for (end = begin + 1; end < count && values[end] < 1.3 * values[end - 1];)
            end++;
        roofs.values[roofs.count++] = values[(begin + end) / 2];
    }
    return roofs;
}

static enum gb_status find_roofs(struct gb_summary *s, const struct gb_row *const *rows,
                                 int count) {
    s->compute = calloc((size_t)s->setting_count, sizeof *s->compute);
    s->bandwidth = calloc((size_t)s->setting_count, sizeof *s->bandwidth);
    double *compute = malloc((size_t)count * sizeof *compute);
    double *bandwidth = malloc((size_t)count * sizeof *bandwidth);
    bool enough = s->compute && s->bandwidth && compute && bandwidth;
    for (int setting = 0; enough && setting < s->setting_count; setting++) {
        int computes = 0, bandwidths = 0;
        for (int i = 0; i < count; i++) {
            if (find_setting(s, rows[i]) != setting)
                continue;
            if (rows[i]->peak_gflops > 0)
                compute[computes++] = rows[i]->peak_gflops;
            if (rows[i]->peak_gbs > 0)
                bandwidth[bandwidths++] = rows[i]->peak_gbs;
        }
        s->compute[setting] = join_roofs(compute, computes);
        s->bandwidth[setting] = join_roofs(bandwidth, bandwidths);
    }
    free(compute);
    free(bandwidth);
    return enough ? GB_OK : gb_no_memory("cannot sum up", "rows");
}

// ---- One summary ----

static enum gb_status make_summary(const struct gb_row *const *rows, int count,
                                   struct gb_summary *s) {
    s->first = rows[0];
    for (int i = 0; i < count; i++)
        if (!add_axes(s, rows[i]))
            return gb_no_memory("cannot sum up", "rows");
    if (has_unshared_line(s) && !add_model(s, ""))
        return gb_no_memory("cannot sum up", "rows");
    qsort(s->settings, (size_t)s->setting_count, sizeof *s->settings, by_cache_and_threads);
    GB_TRY(fill_cells(s, rows, count));
    return find_roofs(s, rows, count);
}

static void free_summary(struct gb_summary *s) {
    free(s->columns);
    free(s->settings);
    free(s->groups);
    free(s->lines);
    free(s->models);
    free(s->cells);
    free(s->compute);
    free(s->bandwidth);
}

// ---- Names and colours of columns ----

// Okabe and Ito's palette, which people with any kind of colour vision tell apart.
static const struct {
    const char *backend;
    unsigned colour;
} known_colours[] = {{"avx512", 0x0072b2},
                     {"avx2", 0x56b4e9},
                     {"onednn", 0xd55e00},
                     {"blas", 0x009e73},
                     {"scalar", 0x808080}};
static const unsigned spare_colours[] = {0xe69f00, 0xcc79a7, 0xf0e442};
enum {
    KNOWN = sizeof known_colours / sizeof *known_colours,
    SPARE = sizeof spare_colours / sizeof *spare_colours,
};

static unsigned known_colour(const char *backend) {
    for (int i = 0; i < KNOWN; i++)
        if (strcmp(known_colours[i].backend, backend) == 0)
            return known_colours[i].colour;
    return 0;
}

// A second version of a library takes a spare colour.
static void name_columns(struct gb_column **columns, int count) {
    int spare = 0;
    for (int i = 0; i < count; i++) {
        const struct gb_column *same = NULL;
        bool first = true, only = true;
        for (int j = 0; j < count; j++) {
            if (j == i || strcmp(columns[i]->backend, columns[j]->backend) != 0)
                continue;
            if (strcmp(columns[i]->library, columns[j]->library) != 0) {
                only = false;
                first &= j > i;
            } else if (j < i) {
                same = columns[j];
            }
        }
        unsigned colour = first ? known_colour(columns[i]->backend) : 0;
        if (same)
            colour = same->colour;
        columns[i]->colour = colour ? colour : spare_colours[spare++ % SPARE];
        snprintf(columns[i]->label, sizeof columns[i]->label, "%s",
                 only || !*columns[i]->library ? columns[i]->backend : columns[i]->library);
    }
}

static enum gb_status name_all_columns(struct gb_summaries *summaries) {
    int count = 0;
    struct gb_column **columns = NULL;
    for (int i = 0; i < summaries->count; i++)
        for (int j = 0; j < summaries->list[i].column_count; j++) {
            struct gb_column **grown = gb_grow(columns, (size_t)count, sizeof *columns);
            if (!grown) {
                free(columns);
                return gb_no_memory("cannot sum up", "rows");
            }
            columns = grown;
            columns[count++] = &summaries->list[i].columns[j];
        }
    name_columns(columns, count);
    free(columns);
    return GB_OK;
}

// ---- All of them ----

// Moves rows of the first row's machine and build to the front; returns how many they are.
static int gather(const struct gb_row **rows, int count) {
    int gathered = 0;
    for (int i = 0; i < count; i++) {
        const struct gb_row *row = rows[i];
        if (!comparable(rows[0], row))
            continue;
        memmove(rows + gathered + 1, rows + gathered, (size_t)(i - gathered) * sizeof *rows);
        rows[gathered++] = row;
    }
    return gathered;
}

static enum gb_status make_summaries(const struct gb_row **rows, int count,
                                     struct gb_summaries *summaries) {
    while (count > 0) {
        struct gb_summary *list = gb_grow(summaries->list, (size_t)summaries->count, sizeof *list);
        if (!list)
            return gb_no_memory("cannot sum up", "rows");
        summaries->list = list;
        struct gb_summary *summary = &list[summaries->count++];
        int gathered = gather(rows, count);
        GB_TRY(make_summary(rows, gathered, summary));
        rows += gathered;
        count -= gathered;
    }
    return name_all_columns(summaries);
}

enum gb_status gb_summaries_make(const struct gb_row *rows, size_t count,
                                 struct gb_summaries *summaries) {
    *summaries = (struct gb_summaries){0};
    const struct gb_row **kept = malloc((count ? count : 1) * sizeof *kept);
    if (!kept)
        return gb_no_memory("cannot sum up", "rows");
    int kept_count = 0;
    for (size_t i = 0; i < count; i++)
        if (!gb_row_is_control(&rows[i]))
            kept[kept_count++] = &rows[i];
    enum gb_status status =
        kept_count ? make_summaries(kept, kept_count, summaries)
                   : gb_fail(GB_BAD_INPUT, "cannot sum up", "rows", "there is no row of a backend");
    free(kept);
    if (status != GB_OK)
        gb_summaries_free(summaries);
    return status;
}

void gb_summaries_free(struct gb_summaries *summaries) {
    for (int i = 0; i < summaries->count; i++)
        free_summary(&summaries->list[i]);
    free(summaries->list);
    *summaries = (struct gb_summaries){0};
}

struct gb_setting_text gb_setting_text(const struct gb_setting *setting) {
    struct gb_setting_text text;
    snprintf(text.text, sizeof text.text, "%d thread%s, %s caches", setting->threads,
             setting->threads == 1 ? "" : "s", setting->cache == GB_CACHE_WARM ? "warm" : "cold");
    return text;
}

const char *gb_summary_machine(const struct gb_summary *summary) {
    const json_t *cpu = json_object_get(summary->first->machine, "cpu");
    const char *model = json_string_value(json_object_get(cpu, "model"));
    return model ? model : "unknown CPU";
}

const struct gb_cell *gb_summary_cell(const struct gb_summary *summary, int setting, int line,
                                      int column) {
    return cells_of(summary, setting, line) + column;
}

bool gb_summary_measured(const struct gb_summary *s, int setting, int line) {
    for (int i = 0; i < s->column_count; i++)
        if (cells_of(s, setting, line)[i].launches)
            return true;
    return false;
}

unsigned gb_summary_roofline(const struct gb_summary *s, int setting, int line) {
    unsigned roofline = 0;
    for (int i = 0; i < s->column_count; i++) {
        const struct gb_cell *cell = &cells_of(s, setting, line)[i];
        if (cell->launches && !cell->error)
            roofline |= 1u << cell->wall;
    }
    return roofline;
}

int gb_summary_count(const struct gb_summary *summary, int line, int model) {
    const struct gb_row *row = summary->lines[line].row;
    if (summary->models[model][0] == '\0')
        return row->share_count == 0;
    for (int i = 0; i < row->share_count; i++)
        if (strcmp(row->shares[i].model, summary->models[model]) == 0)
            return row->shares[i].count;
    return 0;
}

struct gb_mean gb_summary_mean(const struct gb_summary *summary, int setting, int model, int group,
                               int column) {
    struct gb_mean mean = {.speed = NAN, .share_of_peak = NAN, .seconds = NAN};
    double speed = 0, share = 0, seconds = 0;
    for (int i = 0; i < summary->line_count; i++) {
        int calls = gb_summary_count(summary, i, model), of = summary->lines[i].group;
        if (calls == 0 || (group == GB_ALL_KERNELS ? !summary->groups[of].kernel : of != group))
            continue;
        const struct gb_cell *cell = gb_summary_cell(summary, setting, i, column);
        mean.problems++;
        mean.calls += calls;
        mean.measured += gb_summary_measured(summary, setting, i);
        mean.roofline |= gb_summary_roofline(summary, setting, i);
        if (!cell->launches || cell->error)
            continue;
        mean.timed++;
        mean.borrowed |= cell->borrowed;
        seconds += calls * cell->seconds;
        speed += calls * log(cell->speed);
        share += calls * log(cell->share_of_peak);
    }
    if (mean.problems > 0 && mean.timed == mean.problems) {
        mean.seconds = seconds;
        mean.speed = exp(speed / mean.calls);
        mean.share_of_peak = exp(share / mean.calls);
    }
    return mean;
}
