// SPDX-License-Identifier: MIT
#include "bench/score/machines.h"

#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/console.h"
#include "base/json.h"
#include "base/minmax.h"
#include "bench/report/figures.h"

static const char fastest[] = "fastest";

// ---- Machines ----

static double ghz_of(const struct gb_summary *summary) {
    const char *at = strstr(gb_summary_machine(summary), "@ ");
    char *end = NULL;
    const double ghz = at ? strtod(at + 2, &end) : 0;
    return end && ghz > 0 && strncmp(end, "GHz", 3) == 0 ? ghz : NAN;
}

// The machine of this name, else the only one whose name begins so.
static enum gb_status find(const struct gb_machines *machines, const char *option, const char *name,
                           size_t length, int *index) {
    int found = 0;
    char names[512] = "";
    for (int i = 0; i < machines->count; i++) {
        const char *other = machines->list[i].summary->name;
        const size_t used = strlen(names);
        snprintf(names + used, sizeof names - used, "%s%s", i ? ", " : "", other);
        if (strncmp(other, name, length) != 0)
            continue;
        found++;
        *index = i;
        if (!other[length])
            return GB_OK;
    }
    return found == 1 ? GB_OK
                      : gb_fail(GB_BAD_INPUT, "bad value", option, "\"%.*s\" is %s; machines: %s",
                                (int)length, name, found ? "ambiguous" : "unknown", names);
}

static enum gb_status take_cost(struct gb_machines *machines, const char *text) {
    const char *equals = strrchr(text, '=');
    char *end = NULL;
    const double cost = equals ? strtod(equals + 1, &end) : 0;
    int index;
    if (!equals || !(cost > 0) || !isfinite(cost) || *end)
        return gb_fail(GB_BAD_INPUT, "bad value", "--cost-per-hour",
                       "\"%s\" is not NAME=X with a number above 0", text);
    GB_TRY(find(machines, "--cost-per-hour", text, (size_t)(equals - text), &index));
    machines->list[index].cost_per_hour = cost;
    return GB_OK;
}

enum gb_status gb_machines_make(const struct gb_summaries *summaries, const struct gb_rows *rows,
                                const struct gb_machine_options *options,
                                struct gb_machines *machines) {
    *machines =
        (struct gb_machines){.list = calloc((size_t)summaries->count + 1, sizeof *machines->list)};
    if (!machines->list)
        return gb_no_memory("cannot score", "rows");
    for (int i = 0; i < summaries->count; i++) {
        const struct gb_summary *summary = &summaries->list[i];
        struct gb_machine *machine = &machines->list[machines->count++];
        *machine = (struct gb_machine){
            .summary = summary, .threads = 1, .ghz = ghz_of(summary), .cost_per_hour = NAN};
        for (int j = 0; j < summary->setting_count; j++)
            machine->threads = gb_max_int(machine->threads, summary->settings[j].threads);
        GB_TRY(gb_scores_make(summary, rows, &machine->scores));
    }
    const char *baseline = options->baseline;
    if (baseline)
        GB_TRY(find(machines, "--baseline", baseline, strlen(baseline), &machines->baseline));
    for (int i = 0; i < options->cost_count; i++)
        GB_TRY(take_cost(machines, options->costs[i]));
    return GB_OK;
}

void gb_machines_free(struct gb_machines *machines) {
    for (int i = 0; i < machines->count; i++)
        free(machines->list[i].scores.list);
    free(machines->list);
    *machines = (struct gb_machines){0};
}

// ---- Tables of text ----

__attribute__((format(printf, 2, 3))) static void add_cell(json_t *row, const char *format, ...) {
    char text[768];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    json_array_append_new(row, json_string(text));
}

static json_t *begin_table(json_t *tables, const char *title, const char *note) {
    json_t *rows = json_array();
    json_array_append_new(tables,
                          json_pack("{ss ss so}", "title", title, "note", note, "rows", rows));
    return rows;
}

static json_t *add_row(json_t *rows) {
    json_t *row = json_array();
    json_array_append_new(rows, row);
    return row;
}

static void add_heads(json_t *rows, const struct gb_machines *machines, const char *const *first) {
    json_t *row = add_row(rows);
    for (; *first; first++)
        add_cell(row, "%s", *first);
    for (int i = 0; i < machines->count; i++)
        add_cell(row, "%s", machines->list[i].summary->name);
}

// ---- What differs ----

// A value of a machine or build as text.
struct value {
    char text[512];
};

static struct value text_of(const json_t *value) {
    struct value text = {"unknown"};
    if (json_is_string(value)) {
        snprintf(text.text, sizeof text.text, "%s", json_string_value(value));
    } else if (value) {
        char *dump = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);
        snprintf(text.text, sizeof text.text, "%s", dump ? dump : "unknown");
        free(dump);
    }
    return text;
}

// "32 + 1024 + 36864 KiB", by level.
static struct value caches_text(const json_t *machine) {
    struct value text = {""};
    size_t i;
    json_t *cache;
    json_array_foreach(json_object_get(machine, "caches"), i, cache) {
        const size_t used = strlen(text.text);
        snprintf(text.text + used, sizeof text.text - used, "%sL%d %d x %d KiB", i ? ", " : "",
                 (int)gb_json_integer(cache, "level"), (int)gb_json_integer(cache, "instances"),
                 (int)gb_json_integer(cache, "bytes") / 1024);
    }
    return text;
}

struct fact {
    const char *name, *part, *object, *key; // part: "machine", "build"; object: NULL: the part
};

static const struct fact facts[] = {
    {"commit", "build", NULL, "commit"},
    {"build type", "build", NULL, "type"},
    {"compiler", "build", NULL, "compiler"},
    {"flags", "build", NULL, "flags"},
    {"ISA flags", "build", NULL, "isa_flags"},
    {"distribution", "machine", "system", "distribution"},
    {"kernel", "machine", "system", "kernel"},
    {"product", "machine", "system", "product"},
    {"microcode", "machine", "cpu", "microcode"},
    {"CPU", "machine", "cpu", "model"},
    {"cores", "machine", "cpu", "cores"},
    {"CPUs", "machine", "cpu", "cpus"},
    {"caches", "machine", NULL, "caches"},
};
enum { FACTS = sizeof facts / sizeof *facts };

static struct value value_of(const struct gb_summary *summary, const struct fact *fact) {
    const json_t *part =
        strcmp(fact->part, "build") == 0 ? summary->first->build : summary->first->machine;
    if (strcmp(fact->key, "caches") == 0)
        return caches_text(part);
    return text_of(
        json_object_get(fact->object ? json_object_get(part, fact->object) : part, fact->key));
}

static void add_difference(json_t *rows, const char *name, const struct value *values, int count) {
    bool differ = false;
    for (int i = 1; i < count; i++)
        differ |= strcmp(values[i].text, values[0].text) != 0;
    if (!differ)
        return;
    json_t *row = add_row(rows);
    add_cell(row, "%s", name);
    for (int i = 0; i < count; i++)
        add_cell(row, "%s", values[i].text);
}

// Libraries that are linked, and those of backends, by their names.
static void add_libraries(json_t *rows, const struct gb_machines *machines, struct value *values) {
    json_t *names = json_object(), *version;
    const char *name;
    for (int i = 0; i < machines->count; i++) {
        const struct gb_summary *s = machines->list[i].summary;
        json_object_update(names, json_object_get(s->first->build, "libraries"));
    }
    json_object_foreach(names, name, version) {
        for (int i = 0; i < machines->count; i++) {
            const json_t *build = machines->list[i].summary->first->build;
            values[i] = text_of(json_object_get(json_object_get(build, "libraries"), name));
        }
        add_difference(rows, name, values, machines->count);
    }
    json_object_clear(names);
    for (int i = 0; i < machines->count; i++)
        for (int j = 0; j < machines->list[i].summary->column_count; j++) {
            const struct gb_column *column = &machines->list[i].summary->columns[j];
            if (*column->library)
                json_object_set_new(names, column->backend, json_true());
        }
    json_object_foreach(names, name, version) {
        for (int i = 0; i < machines->count; i++) {
            const struct gb_summary *s = machines->list[i].summary;
            values[i] = (struct value){"not timed"};
            for (int j = 0; j < s->column_count; j++)
                if (strcmp(s->columns[j].backend, name) == 0)
                    snprintf(values[i].text, sizeof values[i].text, "%s", s->columns[j].library);
        }
        add_difference(rows, name, values, machines->count);
    }
    json_decref(names);
}

static void add_differences(json_t *tables, const struct gb_machines *machines) {
    static const char *const heads[] = {"", NULL};
    struct value *values = calloc((size_t)machines->count, sizeof *values);
    json_t *rows = begin_table(tables, "What differs", "");
    add_heads(rows, machines, heads);
    for (int i = 0; i < FACTS && values; i++) {
        for (int j = 0; j < machines->count; j++)
            values[j] = value_of(machines->list[j].summary, &facts[i]);
        add_difference(rows, facts[i].name, values, machines->count);
    }
    if (values)
        add_libraries(rows, machines, values);
    free(values);
}

// ---- Scores ----

// A line of the table: a score on a backend, or on the fastest of each machine.
struct line {
    const char *name, *unit, *backend;
    enum gb_type precision;
    bool all_threads;
};

// "c-Glow training", or "c-Glow training bf16".
static struct value name_text(const char *name, enum gb_type precision) {
    struct value text;
    snprintf(text.text, sizeof text.text, "%s%s", name, precision == GB_BF16 ? " bf16" : "");
    return text;
}

typedef void each_fn(json_t *rows, const struct gb_machines *machines, const struct line *line);

// Of two versions of a backend's library the faster one's.
static const struct gb_score *score_of(const struct gb_machine *machine, const struct line *line) {
    const int threads = line->all_threads ? machine->threads : 1;
    const struct gb_score *best = NULL;
    for (int i = 0; i < machine->scores.count; i++) {
        const struct gb_score *score = &machine->scores.list[i];
        if (score->threads != threads || strcmp(score->name, line->name) != 0 ||
            score->precision != line->precision || isnan(score->value) ||
            (line->backend != fastest && strcmp(score->backend->backend, line->backend) != 0))
            continue;
        if (!best || score->value > best->value)
            best = score;
    }
    return best;
}

static double ratio(const struct gb_score *score, const struct gb_score *base, double by,
                    double base_by) {
    return score && base && score->problem_set == base->problem_set
               ? score->value / by / (base->value / base_by)
               : NAN;
}

static void add_line(json_t *rows, const struct gb_machines *machines, const struct line *line) {
    const struct gb_score *base = score_of(&machines->list[machines->baseline], line);
    json_t *row = add_row(rows);
    add_cell(row, "%s, %s", name_text(line->name, line->precision).text, line->unit);
    add_cell(row, "%s", line->all_threads ? "all" : "1");
    add_cell(row, "%s", line->backend);
    for (int i = 0; i < machines->count; i++) {
        const struct gb_score *score = score_of(&machines->list[i], line);
        if (!score)
            add_cell(row, "-");
        else if (machines->count == 1)
            add_cell(row, "%s", gb_figure_number(score->value).text);
        else
            add_cell(row, "%s %s%s", gb_figure_number(score->value).text,
                     gb_figure_ratio(ratio(score, base, 1, 1)).text,
                     isnan(ratio(score, base, 1, 1)) ? "" : "x");
    }
}

// Calls `each` once for every line of a score that some machine has: the fastest, then by backend.
static void each_backend(json_t *rows, const struct gb_machines *machines, const struct line *of,
                         bool backends, each_fn *each) {
    json_t *known = json_object();
    each(rows, machines, of);
    for (int i = 0; i < machines->count && backends; i++)
        for (int j = 0; j < machines->list[i].scores.count; j++) {
            const char *backend = machines->list[i].scores.list[j].backend->backend;
            const struct line line = {of->name, of->unit, backend, of->precision, of->all_threads};
            if (json_object_get(known, backend) || !score_of(&machines->list[i], &line))
                continue;
            json_object_set_new(known, backend, json_true());
            each(rows, machines, &line);
        }
    json_decref(known);
}

static void each_line(json_t *rows, const struct gb_machines *machines, bool all_threads,
                      bool backends, each_fn *each) {
    json_t *known = json_object();
    for (int i = 0; i < machines->count; i++)
        for (int j = 0; j < machines->list[i].scores.count; j++) {
            const struct gb_score *score = &machines->list[i].scores.list[j];
            const struct line line = {score->name, score->unit, fastest, score->precision,
                                      all_threads};
            const struct value name = name_text(line.name, line.precision);
            if (json_object_get(known, name.text) || !score_of(&machines->list[i], &line))
                continue;
            json_object_set_new(known, name.text, json_true());
            each_backend(rows, machines, &line, backends, each);
        }
    json_decref(known);
}

static void add_scores(json_t *tables, const struct gb_machines *machines) {
    static const char *const heads[] = {"score", "threads", "backend", NULL};
    char note[384];
    snprintf(note, sizeof note,
             "Higher is better; x: times %s. All: as many threads as each machine's rows have. "
             "Shown, not judged: no test says whether a difference is more than noise.",
             machines->list[machines->baseline].summary->name);
    json_t *rows = begin_table(tables, "Scores side by side", note);
    add_heads(rows, machines, heads);
    bool several = false;
    for (int i = 0; i < machines->count; i++)
        several |= machines->list[i].threads > 1;
    if (several)
        each_line(rows, machines, true, true, add_line);
    each_line(rows, machines, false, true, add_line);
}

// ---- Scores per core, GHz, watt, dollar ----

struct measure {
    const char *name;
    double (*of)(const struct gb_machine *machine, const struct gb_score *score); // NAN unknown
};

static double cores_of(const struct gb_machine *machine, const struct gb_score *score) {
    (void)score;
    const int cores = gb_summary_cores(machine->summary);
    return cores > 0 ? gb_min_int(cores, machine->threads) : (double)NAN;
}

static double machine_ghz(const struct gb_machine *machine, const struct gb_score *score) {
    (void)score;
    return machine->ghz;
}

static double watts_of(const struct gb_machine *machine, const struct gb_score *score) {
    (void)machine;
    return score->watts;
}

static double hours_per_dollar(const struct gb_machine *machine, const struct gb_score *score) {
    (void)score;
    return machine->cost_per_hour / 3600; // a score is per second
}

static const struct measure measures[] = {
    {"core", cores_of}, {"GHz", machine_ghz}, {"watt", watts_of}, {"dollar", hours_per_dollar}};
enum { MEASURES = sizeof measures / sizeof *measures };

// NAN where the machine lacks the score as well.
static double measure_of(const struct measure *measure, const struct gb_machine *machine,
                         const struct line *line) {
    const struct gb_score *score = score_of(machine, line);
    return score ? measure->of(machine, score) : (double)NAN;
}

// With two digits or more: a rate per watt may be far below 1.
static struct value small_number(double number) {
    struct value text;
    if (number < 0.995)
        snprintf(text.text, sizeof text.text, "%.2g", number);
    else
        snprintf(text.text, sizeof text.text, "%s", gb_figure_number(number).text);
    return text;
}

static void add_measures(json_t *rows, const struct gb_machines *machines,
                         const struct line *line) {
    const struct gb_machine *base = &machines->list[machines->baseline];
    const struct gb_score *base_score = score_of(base, line);
    for (int m = 0; m < MEASURES; m++) {
        bool known = false;
        for (int i = 0; i < machines->count; i++)
            known |= !isnan(measure_of(&measures[m], &machines->list[i], line));
        if (!known)
            continue;
        json_t *row = add_row(rows);
        const bool dollar = strcmp(measures[m].name, "dollar") == 0;
        const size_t unit = strcspn(line->unit, "/"); // per dollar it is images, not images per s
        add_cell(row, "%s, %.*s", name_text(line->name, line->precision).text,
                 dollar ? (int)unit : 64, line->unit);
        add_cell(row, "%s", measures[m].name);
        for (int i = 0; i < machines->count; i++) {
            const struct gb_machine *machine = &machines->list[i];
            const struct gb_score *score = score_of(machine, line);
            const double by = measure_of(&measures[m], machine, line);
            const double relative =
                ratio(score, base_score, by, measure_of(&measures[m], base, line));
            if (!score || isnan(by))
                add_cell(row, "-");
            else if (machines->count == 1)
                add_cell(row, "%s", small_number(score->value / by).text);
            else
                add_cell(row, "%s %s%s", small_number(score->value / by).text,
                         gb_figure_ratio(relative).text, isnan(relative) ? "" : "x");
        }
    }
}

static void add_shares(json_t *tables, const struct gb_machines *machines) {
    static const char *const heads[] = {"score of the fastest, all threads", "per", NULL};
    json_t *rows = begin_table(tables, "Per core, GHz, watt and dollar",
                               "GHz: nominal, if the CPU's name gives it. Watt: of all CPU "
                               "packages and their memory, if it was measured. Dollar: by "
                               "--cost-per-hour.");
    add_heads(rows, machines, heads);
    each_line(rows, machines, true, false, add_measures);
}

// Whether a table has more than its heads.
static bool has_rows(const json_t *table) {
    return json_array_size(json_object_get(table, "rows")) > 1;
}

json_t *gb_machines_tables(const struct gb_machines *machines) {
    json_t *all = json_array(), *tables = json_array(), *table;
    size_t i;
    bool measured = false;
    for (int m = 0; m < machines->count; m++) {
        const struct gb_machine *machine = &machines->list[m];
        measured |= !isnan(machine->cost_per_hour);
        for (int i = 0; i < machine->scores.count; i++)
            measured |= !isnan(machine->scores.list[i].watts);
    }
    if (machines->count > 1) {
        add_differences(all, machines);
        add_scores(all, machines);
    }
    if (machines->count > 1 || measured)
        add_shares(all, machines);
    json_array_foreach(all, i, table)
        if (has_rows(table))
            json_array_append(tables, table);
    json_decref(all);
    return tables;
}

// ---- Writing tables ----

static const char *cell_of(const json_t *row, size_t column) {
    const char *text = json_string_value(json_array_get(row, column));
    return text ? text : "";
}

void gb_tables_markdown(FILE *file, const json_t *tables) {
    size_t i, j;
    json_t *table, *row;
    json_array_foreach(tables, i, table) {
        fprintf(file, "### %s\n\n", gb_json_text(table, "title"));
        if (*gb_json_text(table, "note"))
            fprintf(file, "%s\n\n", gb_json_text(table, "note"));
        json_array_foreach(json_object_get(table, "rows"), j, row) {
            for (size_t c = 0; c < json_array_size(row); c++) {
                fputs(c ? " | " : "| ", file);
                for (const char *at = cell_of(row, c); *at; at++)
                    fprintf(file, *at == '|' ? "\\%c" : "%c", *at);
            }
            fputs(" |\n", file);
            for (size_t c = 0; j == 0 && c < json_array_size(row); c++)
                fputs(c ? "---|" : "|---|", file);
            fputs(j == 0 ? "\n" : "", file);
        }
        fputc('\n', file);
    }
}

// Long values of one machine below the other.
static void print_list(FILE *file, const json_t *rows) {
    size_t i;
    json_t *row;
    json_array_foreach(rows, i, row) {
        if (i == 0)
            continue;
        fprintf(file, "%s\n", cell_of(row, 0));
        for (size_t c = 1; c < json_array_size(row); c++)
            fprintf(file, "  %c  %s\n", (char)('A' + (c - 1) % 26), cell_of(row, c));
    }
}

// Columns `begin` to `end` after the `first` ones, which name the rows.
static void print_range(FILE *file, const json_t *rows, size_t first, size_t begin, size_t end,
                        const int *widths) {
    size_t i;
    json_t *row;
    json_array_foreach(rows, i, row) {
        for (size_t c = 0; c < end; c++) {
            const char letter[] = {(char)('A' + (c - first) % 26), '\0'};
            const char *text = i == 0 && c >= first ? letter : cell_of(row, c);
            if (c < first || c >= begin)
                fprintf(file, c < first ? "%s%-*s" : "%s%*s", c ? "  " : "", widths[c], text);
        }
        fputc('\n', file);
    }
}

// As many machines in a line as fit, the others below.
static void print_columns(FILE *file, const json_t *rows, int machines) {
    enum { MAX = 64 };
    int widths[MAX] = {0}, names = 0;
    const size_t all = json_array_size(json_array_get(rows, 0));
    const size_t first = all - (size_t)machines, columns = all < MAX ? all : MAX;
    size_t i;
    json_t *row;
    for (size_t c = 0; c < columns; c++) {
        json_array_foreach(rows, i, row)
            if (i > 0 || c < first)
                widths[c] = gb_max_int(widths[c], (int)strlen(cell_of(row, c)));
        names += c < first ? widths[c] + 2 : 0;
    }
    for (size_t begin = first, end; begin < columns; begin = end) {
        int used = names - 2;
        for (end = begin; end < columns; end++) {
            used += 2 + widths[end];
            if (used > gb_console_columns() && end > begin)
                break;
        }
        if (begin > first)
            fputc('\n', file);
        print_range(file, rows, first, begin, end, widths);
    }
}

void gb_tables_print(FILE *file, const json_t *tables, const struct gb_machines *machines) {
    size_t i;
    json_t *table;
    if (json_array_size(tables) == 0)
        return;
    fputc('\n', file);
    for (int m = 0; m < machines->count; m++)
        fprintf(file, "%c: %s%s\n", 'A' + m % 26, machines->list[m].summary->name,
                m == machines->baseline && machines->count > 1 ? " (baseline)" : "");
    json_array_foreach(tables, i, table) {
        const json_t *rows = json_object_get(table, "rows");
        fprintf(file, "\n== %s\n", gb_json_text(table, "title"));
        if (strcmp(gb_json_text(table, "title"), "What differs") == 0)
            print_list(file, rows);
        else
            print_columns(file, rows, machines->count);
        if (*gb_json_text(table, "note"))
            gb_print_wrapped(file, gb_json_text(table, "note"), 0, gb_console_columns());
    }
}

// ---- A sentence ----

// The best score of the same name and threads on another backend.
static const struct gb_score *runner_up(const struct gb_machine *machine,
                                        const struct gb_score *best) {
    const struct gb_score *second = NULL;
    for (int i = 0; i < machine->scores.count; i++) {
        const struct gb_score *score = &machine->scores.list[i];
        if (score != best && score->threads == best->threads &&
            score->precision == best->precision && !isnan(score->value) &&
            strcmp(score->name, best->name) == 0 && (!second || score->value > second->value))
            second = score;
    }
    return second;
}

struct gb_sentence gb_machine_sentence(const struct gb_machine *machine) {
    struct gb_sentence sentence = {""};
    for (int i = 0; i < machine->scores.count; i++) {
        const struct gb_score *score = &machine->scores.list[i];
        const struct line line = {score->name, score->unit, fastest, score->precision, true};
        const struct gb_score *second = runner_up(machine, score);
        if (score != score_of(machine, &line))
            continue;
        const size_t used = strlen(sentence.text);
        char *end = sentence.text + used;
        const size_t room = sizeof sentence.text - used;
        if (second)
            snprintf(end, room, "%s%s: %s %s with %s, %s times %s", used ? "; " : "",
                     name_text(score->name, score->precision).text,
                     gb_figure_number(score->value).text, score->unit, score->backend->label,
                     gb_figure_ratio(score->value / second->value).text, second->backend->label);
        else
            snprintf(end, room, "%s%s: %s %s with %s", used ? "; " : "",
                     name_text(score->name, score->precision).text,
                     gb_figure_number(score->value).text, score->unit, score->backend->label);
    }
    return sentence;
}
