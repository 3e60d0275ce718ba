// SPDX-License-Identifier: MIT
#include "bench/report/summary.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/minmax.h"
#include "base/quantile.h"
#include "bench/compare/comparison.h"

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

static void add_line(struct gb_summary *s, const struct gb_row *row) {
    char name[sizeof s->groups->name];
    const size_t length =
        (size_t)snprintf(name, sizeof name, "%s/%s", row->operation, row->direction);
    int group = 0;
    while (group < s->group_count && strcmp(s->groups[group].name, name) != 0)
        group++;
    if (group == s->group_count) {
        strcpy(s->groups[s->group_count++].name, name);
        s->groups[group].kernel = strcmp(row->operation, "layer") != 0 &&
                                  strcmp(row->operation, "step") != 0 &&
                                  strcmp(row->operation, "sample") != 0;
    }
    const bool prefixed = strncmp(row->problem, name, length) == 0 && row->problem[length] == '/';
    s->lines[s->line_count++] =
        (struct gb_line){row, row->problem + (prefixed ? length + 1 : 0), group};
}

// Versions of one library become neighbours.
static void add_column(struct gb_summary *s, const struct gb_row *row) {
    int at = s->column_count;
    for (int i = 0; i < s->column_count; i++)
        if (strcmp(s->columns[i].backend, row->backend) == 0)
            at = i + 1;
    struct gb_column *column = &s->columns[at];
    memmove(column + 1, column, (size_t)(s->column_count++ - at) * sizeof *column);
    *column = (struct gb_column){0};
    strcpy(column->backend, row->backend);
    strcpy(column->library, row->library);
}

static void add_axes(struct gb_summary *s, const struct gb_row *row) {
    if (find_column(s, row) < 0)
        add_column(s, row);
    if (gb_summary_find_setting(s, row->threads, row->cache) < 0)
        s->settings[s->setting_count++] =
            (struct gb_setting){.threads = row->threads, .cache = row->cache};
    if (find_line(s, row) < 0)
        add_line(s, row);
    for (int i = 0; i < row->share_count; i++)
        if (gb_summary_find_model(s, row->shares[i].model) < 0)
            strcpy(s->models[s->model_count++], row->shares[i].model);
}

static int by_cache_and_threads(const void *a, const void *b) {
    const struct gb_setting *x = a, *y = b;
    return x->cache != y->cache ? (int)x->cache - (int)y->cache : x->threads - y->threads;
}

// ---- Cells ----

// A row and the cell that it belongs to.
struct entry {
    const struct gb_row *row;
    struct gb_cell *cell;
};

static int by_cell_and_seconds(const void *a, const void *b) {
    const struct entry *x = a, *y = b;
    if (x->cell != y->cell)
        return x->cell < y->cell ? -1 : 1;
    const double u = x->row->median_seconds, v = y->row->median_seconds;
    return (u > v) - (u < v);
}

// From the launches of one cell, sorted by their time.
static void fill_cell(struct gb_cell *cell, const struct entry *entries, int count) {
    *cell = (struct gb_cell){.launches = count,
                             .seconds = NAN,
                             .spread = NAN,
                             .gflops = NAN,
                             .gbs = NAN,
                             .share_of_peak = NAN,
                             .speed = NAN};
    for (int i = 0; i < count; i++)
        if (entries[i].row->error) {
            cell->error = entries[i].row->error;
            return;
        }
    for (int i = 0; i < count; i++)
        cell->shared |= gb_row_is_shared(entries[i].row);
    const struct gb_row *low = entries[(count - 1) / 2].row, *high = entries[count / 2].row;
    cell->seconds = (low->median_seconds + high->median_seconds) / 2;
    cell->spread = (low->spread + high->spread) / 2;
    cell->gflops = (low->gflops + high->gflops) / 2;
    cell->gbs = (low->gbs + high->gbs) / 2;
    cell->share_of_peak = (low->share_of_peak + high->share_of_peak) / 2;
    cell->bound = low->bound;
}

static struct gb_cell *cells_of(const struct gb_summary *s, int setting, int line) {
    return s->cells + ((size_t)setting * s->line_count + line) * s->column_count;
}

static struct gb_cell *cells_of_row(const struct gb_summary *s, const struct gb_row *row) {
    return cells_of(s, gb_summary_find_setting(s, row->threads, row->cache), find_line(s, row));
}

// Copies the row's cell to the backends that fall back to its kernel.
static void fill_fallbacks(struct gb_summary *s, const struct gb_row *row) {
    struct gb_cell *cells = cells_of_row(s, row);
    const struct gb_cell *own = &cells[find_column(s, row)];
    for (int i = 0; i < s->column_count; i++)
        for (int j = 0; j < GB_BORROWERS && !cells[i].launches; j++)
            if (strcmp(row->borrowers[j], s->columns[i].backend) == 0) {
                cells[i] = *own;
                cells[i].fallback = true;
            }
}

static enum gb_status fill_cells(struct gb_summary *s, const struct gb_row *const *rows,
                                 int count) {
    s->cells = calloc((size_t)s->setting_count * s->line_count * s->column_count, sizeof *s->cells);
    struct entry *entries = malloc((size_t)count * sizeof *entries);
    if (!s->cells || !entries) {
        free(entries);
        return gb_no_memory("cannot summarise", "rows");
    }
    for (int i = 0; i < count; i++)
        entries[i] = (struct entry){rows[i], cells_of_row(s, rows[i]) + find_column(s, rows[i])};
    qsort(entries, (size_t)count, sizeof *entries, by_cell_and_seconds);
    for (int begin = 0, end; begin < count; begin = end) {
        for (end = begin + 1; end < count && entries[end].cell == entries[begin].cell;)
            end++;
        fill_cell(entries[begin].cell, entries + begin, end - begin);
    }
    free(entries);
    for (int i = 0; i < count; i++)
        fill_fallbacks(s, rows[i]);
    for (int i = 0; i < s->setting_count * s->line_count; i++) {
        struct gb_cell *cells = s->cells + (size_t)i * s->column_count;
        double best = INFINITY;
        for (int j = 0; j < s->column_count; j++)
            best = fmin(best, cells[j].launches ? cells[j].seconds : NAN);
        for (int j = 0; j < s->column_count; j++)
            cells[j].speed = best / cells[j].seconds;
    }
    return GB_OK;
}

// ---- Rooflines ----

// Each probe of the same peak gives a slightly different figure: values within 30 % of the next are
// represented by their median.
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
    double *values = malloc(2 * (size_t)count * sizeof *values);
    if (!values)
        return gb_no_memory("cannot summarise", "rows");
    double *compute = values, *bandwidth = values + count;
    for (struct gb_setting *at = s->settings; at < s->settings + s->setting_count; at++) {
        int computes = 0, bandwidths = 0;
        for (int i = 0; i < count; i++) {
            if (rows[i]->threads != at->threads || rows[i]->cache != at->cache)
                continue;
            if (rows[i]->peak_gflops > 0)
                compute[computes++] = rows[i]->peak_gflops;
            if (rows[i]->peak_gbs > 0)
                bandwidth[bandwidths++] = rows[i]->peak_gbs;
        }
        at->compute = join_roofs(compute, computes);
        at->bandwidth = join_roofs(bandwidth, bandwidths);
    }
    free(values);
    return GB_OK;
}

// ---- One summary ----

static enum gb_status make_summary(const struct gb_row *const *rows, int count,
                                   struct gb_summary *s) {
    size_t models = 1;
    bool outside_steps = false;
    for (int i = 0; i < count; i++) {
        models += (size_t)rows[i]->share_count;
        outside_steps |= rows[i]->share_count == 0;
    }
    s->first = rows[0];
    s->columns = calloc((size_t)count, sizeof *s->columns); // as many as there can be
    s->settings = calloc((size_t)count, sizeof *s->settings);
    s->groups = calloc((size_t)count, sizeof *s->groups);
    s->lines = calloc((size_t)count, sizeof *s->lines);
    s->models = calloc(models, sizeof *s->models);
    if (!s->columns || !s->settings || !s->groups || !s->lines || !s->models)
        return gb_no_memory("cannot summarise", "rows");
    for (int i = 0; i < count; i++)
        add_axes(s, rows[i]);
    s->model_count += outside_steps; // ""
    qsort(s->settings, (size_t)s->setting_count, sizeof *s->settings, by_cache_and_threads);
    GB_TRY(fill_cells(s, rows, count));
    return find_roofs(s, rows, count);
}

// ---- Labels and colours of columns ----

// The palette of Okabe and Ito, which is readable with any kind of colour vision.
static const struct {
    const char *backend;
    unsigned colour;
} known_colours[] = {{"avx512", 0x0072b2}, {"avx2", 0x56b4e9},    {"onednn", 0xd55e00},
                     {"blas", 0x009e73},   {"libxsmm", 0xcc79a7}, {"scalar", 0x808080}};
static const unsigned spare_colours[] = {0xe69f00, 0xf0e442, 0x000000};
enum { SPARE = sizeof spare_colours / sizeof *spare_colours };

// A second version of a library takes a spare colour.
static enum gb_status label_columns(struct gb_summaries *summaries) {
    int count = 0, spare = 0;
    for (int i = 0; i < summaries->count; i++)
        count += summaries->list[i].column_count;
    struct gb_column **columns = calloc((size_t)count, sizeof *columns);
    if (!columns)
        return gb_no_memory("cannot summarise", "rows");
    count = 0;
    for (int i = 0; i < summaries->count; i++)
        for (int j = 0; j < summaries->list[i].column_count; j++)
            columns[count++] = &summaries->list[i].columns[j];
    for (int i = 0; i < count; i++) {
        struct gb_column *column = columns[i];
        bool first = true, only = true; // of the versions of its library
        for (int j = 0; j < count; j++) {
            if (strcmp(column->backend, columns[j]->backend) != 0)
                continue;
            const bool same = strcmp(column->library, columns[j]->library) == 0;
            only &= same;
            first &= same || j > i;
            if (same && j < i)
                column->colour = columns[j]->colour;
        }
        for (size_t j = 0; j < sizeof known_colours / sizeof *known_colours; j++)
            if (first && strcmp(known_colours[j].backend, column->backend) == 0)
                column->colour = known_colours[j].colour;
        if (!column->colour)
            column->colour = spare_colours[spare++ % SPARE];
        snprintf(column->label, sizeof column->label, "%s",
                 only || !*column->library ? column->backend : column->library);
    }
    free(columns);
    return GB_OK;
}

// ---- Names ----

static bool is_name_taken(const struct gb_summaries *all, int index) {
    for (int i = 0; i < all->count; i++)
        if (i != index && strcmp(all->list[i].name, all->list[index].name) == 0)
            return true;
    return false;
}

static bool products_differ(const struct gb_summaries *all) {
    for (int i = 1; i < all->count; i++)
        if (strcmp(gb_summary_product(&all->list[i]), gb_summary_product(&all->list[0])) != 0)
            return true;
    return false;
}

// Names that are not unique get the machine's product where that differs, then the commit, then a
// number.
static void name_summaries(struct gb_summaries *all) {
    enum { PRODUCT, COMMIT, NUMBER, PASSES };
    for (int i = 0; i < all->count; i++) {
        const char *label = all->list[i].first->label;
        snprintf(all->list[i].name, sizeof all->list[i].name, "%.100s",
                 *label ? label : gb_summary_machine(&all->list[i]));
    }
    for (int pass = products_differ(all) ? PRODUCT : COMMIT; pass < PASSES; pass++) {
        bool taken = false;
        for (int i = 0; i < all->count; i++)
            taken |= is_name_taken(all, i);
        for (int i = 0; i < all->count && taken; i++) {
            struct gb_summary *s = &all->list[i];
            const size_t length = strlen(s->name);
            char *end = s->name + length;
            if (pass == PRODUCT && *gb_summary_product(s) && !*s->first->label)
                snprintf(end, sizeof s->name - length, ", %.64s", gb_summary_product(s));
            else if (pass == COMMIT)
                snprintf(end, sizeof s->name - length, ", commit %.48s",
                         gb_json_string_or_unknown(s->first->build, "commit"));
            else if (pass == NUMBER)
                snprintf(end, sizeof s->name - length, " (%d)", i + 1);
        }
    }
}

// ---- Other work on the machine ----

static bool is_same_origin(const struct gb_row *a, const struct gb_row *b) {
    return strcmp(a->label, b->label) == 0 &&
           !gb_first_difference(a->machine, b->machine, gb_reported_machine) &&
           !gb_first_difference(a->build, b->build, gb_reported_build);
}

static void add_control(struct gb_disturbance *of, const struct gb_row *control,
                        const struct gb_row *rows, size_t count) {
    double low = control->median_seconds, high = low;
    for (size_t i = 0; i < count; i++)
        if (gb_row_is_control(&rows[i]) && !rows[i].error && rows[i].threads == control->threads &&
            is_same_origin(&rows[i], control)) {
            low = fmin(low, rows[i].median_seconds);
            high = fmax(high, rows[i].median_seconds);
        }
    of->control = fmax(of->control, fmax(control->spread, high / low - 1));
}

static void find_disturbance(struct gb_summary *s, const struct gb_row *rows, size_t count) {
    struct gb_disturbance *of = &s->disturbance;
    *of = (struct gb_disturbance){.load = -1};
    for (size_t i = 0; i < count; i++) {
        if (!is_same_origin(&rows[i], s->first))
            continue;
        int known;
        of->load = fmax(of->load, rows[i].load_average);
        of->shared += gb_rows_shared(&rows[i], 1, &known);
        of->known += known;
        of->rows += !gb_row_is_control(&rows[i]);
        if (gb_row_is_control(&rows[i]) && !rows[i].error)
            add_control(of, &rows[i], rows, count);
    }
}

bool gb_summary_is_disturbed(const struct gb_summary *summary) {
    const struct gb_disturbance *of = &summary->disturbance;
    int threads = 1;
    for (int i = 0; i < summary->setting_count; i++)
        threads = gb_max_int(threads, summary->settings[i].threads);
    return of->shared > 0 || of->control >= GB_CONTROL_SPREAD ||
           (of->known == 0 && of->load >= threads + 1.0);
}

// ---- All of them ----

static enum gb_status make_summaries(const struct gb_row **rows, int count,
                                     struct gb_summaries *summaries) {
    summaries->list = calloc((size_t)count, sizeof *summaries->list);
    if (!summaries->list)
        return gb_no_memory("cannot summarise", "rows");
    while (count > 0) {
        // Rows of the first one's machine and build move to the front. Libraries may differ: two
        // versions of one become columns next to each other.
        int gathered = 0;
        for (int i = 0; i < count; i++) {
            const struct gb_row *row = rows[i];
            if (!is_same_origin(rows[0], row))
                continue;
            memmove(rows + gathered + 1, rows + gathered, (size_t)(i - gathered) * sizeof *rows);
            rows[gathered++] = row;
        }
        GB_TRY(make_summary(rows, gathered, &summaries->list[summaries->count++]));
        rows += gathered;
        count -= gathered;
    }
    name_summaries(summaries);
    return label_columns(summaries);
}

enum gb_status gb_summaries_make(const struct gb_row *rows, size_t count,
                                 struct gb_summaries *summaries) {
    *summaries = (struct gb_summaries){0};
    const struct gb_row **kept = malloc((count ? count : 1) * sizeof *kept);
    if (!kept)
        return gb_no_memory("cannot summarise", "rows");
    int kept_count = 0;
    for (size_t i = 0; i < count; i++)
        if (!gb_row_is_control(&rows[i]))
            kept[kept_count++] = &rows[i];
    enum gb_status status =
        kept_count ? make_summaries(kept, kept_count, summaries)
                   : gb_fail(GB_BAD_INPUT, "cannot summarise", "rows", "only control rows");
    free(kept);
    for (int i = 0; i < summaries->count && status == GB_OK; i++)
        find_disturbance(&summaries->list[i], rows, count);
    return status;
}

void gb_summaries_free(struct gb_summaries *summaries) {
    for (int i = 0; i < summaries->count; i++) {
        struct gb_summary *s = &summaries->list[i];
        free(s->columns);
        free(s->settings);
        free(s->groups);
        free(s->lines);
        free(s->models);
        free(s->cells);
    }
    free(summaries->list);
    *summaries = (struct gb_summaries){0};
}

// ---- Reading a summary ----

struct gb_setting_text gb_setting_text(const struct gb_setting *setting) {
    struct gb_setting_text text;
    snprintf(text.text, sizeof text.text, "%d thread%s, %s caches", setting->threads,
             setting->threads == 1 ? "" : "s", gb_cache_name(setting->cache));
    return text;
}

const char *gb_summary_machine(const struct gb_summary *summary) {
    const json_t *cpu = json_object_get(summary->first->machine, "cpu");
    const char *model = json_string_value(json_object_get(cpu, "model"));
    return model ? model : "unknown CPU";
}

const char *gb_summary_product(const struct gb_summary *summary) {
    return gb_json_text(json_object_get(summary->first->machine, "system"), "product");
}

bool gb_summary_has(const struct gb_summary *summary, const struct gb_row *row) {
    return is_same_origin(summary->first, row);
}

static int number_of_cpu(const struct gb_summary *summary, const char *key) {
    return (int)gb_json_integer(json_object_get(summary->first->machine, "cpu"), key);
}

int gb_summary_cores(const struct gb_summary *summary) {
    return number_of_cpu(summary, "cores");
}

int gb_summary_cpus(const struct gb_summary *summary) {
    return number_of_cpu(summary, "cpus");
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

unsigned gb_summary_bounds(const struct gb_summary *s, int setting, int line) {
    unsigned bounds = 0;
    for (int i = 0; i < s->column_count; i++) {
        const struct gb_cell *cell = &cells_of(s, setting, line)[i];
        if (cell->launches && !cell->error)
            bounds |= 1u << cell->bound;
    }
    return bounds;
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

bool gb_summary_has_model(const struct gb_summary *summary, int setting, int model) {
    for (int i = 0; i < summary->line_count; i++)
        if (gb_summary_count(summary, i, model) && gb_summary_measured(summary, setting, i))
            return true;
    return false;
}

// Without the speed; *log_seconds: mean logarithm of the time of a call, NAN unless all are timed.
static struct gb_mean mean_of(const struct gb_summary *summary, int setting, int model, int group,
                              int column, double *log_seconds) {
    struct gb_mean mean = {.speed = NAN, .share_of_peak = NAN, .seconds = NAN, .spread = NAN};
    double logs = 0, share = 0, seconds = 0, spread = 0;
    *log_seconds = NAN;
    for (int i = 0; i < summary->line_count; i++) {
        const int calls = gb_summary_count(summary, i, model), of = summary->lines[i].group;
        if (calls == 0 || (group == GB_ALL_KERNELS ? !summary->groups[of].kernel : of != group))
            continue;
        const struct gb_cell *cell = gb_summary_cell(summary, setting, i, column);
        mean.problems++;
        mean.calls += calls;
        mean.measured += gb_summary_measured(summary, setting, i);
        mean.bounds |= gb_summary_bounds(summary, setting, i);
        if (!cell->launches || cell->error)
            continue;
        mean.timed++;
        mean.fallback |= cell->fallback;
        mean.shared |= cell->shared;
        seconds += calls * cell->seconds;
        logs += calls * log(cell->seconds);
        share += calls * log(cell->share_of_peak);
        spread += calls * cell->spread;
    }
    if (mean.problems > 0 && mean.timed == mean.problems) {
        *log_seconds = logs / mean.calls;
        mean.seconds = seconds;
        mean.spread = spread / mean.calls;
        mean.share_of_peak = exp(share / mean.calls);
    }
    return mean;
}

struct gb_mean gb_summary_mean(const struct gb_summary *summary, int setting, int model, int group,
                               int column) {
    double own, other, best;
    struct gb_mean mean = mean_of(summary, setting, model, group, column, &own);
    best = own;
    for (int i = 0; i < summary->column_count && !isnan(own); i++) {
        mean_of(summary, setting, model, group, i, &other);
        best = fmin(best, other);
    }
    mean.speed = exp(best - own);
    return mean;
}
