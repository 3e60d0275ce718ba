// SPDX-License-Identifier: MIT
#include "bench/runner/row.h"

#include <errno.h>
#include <math.h>
#include <stddef.h>
#include <stdio_ext.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/files.h"
#include "base/grow.h"
#include "base/json.h"
#include "base/quantile.h"
#include "base/utf8.h"

static const char *const caches[] = {"warm", "cold", "step", NULL};
static const char *const bounds[] = {"compute", "bandwidth", NULL};

const char *gb_cache_name(enum gb_cache cache) {
    return caches[cache];
}

// ---- The fields of a line, in order ----

enum type {
    TEXT,    // char[size]
    OPTION,  // char[size], left out if empty
    WORD,    // an enumeration, by name
    COUNT,   // int, min .. MOST
    WORDS,   // char[][GB_WORD], an array without the empty ones
    REAL,    // double
    MAYBE,   // double; null for NAN
    COUNTER, // double, left out if NAN
    SHARES,  // shares and share_count
    SECONDS, // seconds and repetitions
    NOTE,    // char *, null for NULL
    CPUS,    // cpus and cpu_count
    OBJECT,  // json_t *
};

enum { MOST = 1000000 }; // of a count, so that sums fit an int

struct field {
    const char *key;
    enum type type;
    size_t offset, size;
    const char *const *words;
    int min;
};

#define MEMBER(key, type, member)                                                                  \
    key, type, offsetof(struct gb_row, member), sizeof((struct gb_row *)0)->member

static const struct field fields[] = {
    {MEMBER("problem", TEXT, problem), NULL, 0},
    {MEMBER("operation", TEXT, operation), NULL, 0},
    {MEMBER("direction", TEXT, direction), NULL, 0},
    {MEMBER("algorithm", OPTION, algorithm), NULL, 0},
    {MEMBER("precision", OPTION, precision), NULL, 0},
    {MEMBER("mixes", SHARES, shares), NULL, 0},
    {MEMBER("backend", TEXT, backend), NULL, 0},
    {MEMBER("library", TEXT, library), NULL, 0},
    {MEMBER("borrowers", WORDS, borrowers), NULL, 0},
    {MEMBER("threads", COUNT, threads), NULL, 1},
    {MEMBER("cache", WORD, cache), caches, 0},
    {MEMBER("launch", COUNT, launch), NULL, 0},
    {MEMBER("label", OPTION, label), NULL, 0},
    {MEMBER("seconds", SECONDS, seconds), NULL, 0},
    {MEMBER("median_seconds", MAYBE, median_seconds), NULL, 0},
    {MEMBER("spread", MAYBE, spread), NULL, 0},
    {MEMBER("flops", REAL, flops), NULL, 0},
    {MEMBER("bytes", REAL, bytes), NULL, 0},
    {MEMBER("gflops", MAYBE, gflops), NULL, 0},
    {MEMBER("gbs", MAYBE, gbs), NULL, 0},
    {MEMBER("wall", WORD, bound), bounds, 0},
    {MEMBER("peak_gflops", MAYBE, peak_gflops), NULL, 0},
    {MEMBER("peak_gbs", MAYBE, peak_gbs), NULL, 0},
    {MEMBER("share_of_peak", MAYBE, share_of_peak), NULL, 0},
    {MEMBER("reorder_seconds", MAYBE, reorder_seconds), NULL, 0},
    {MEMBER("repetition_seconds", COUNTER, counters.seconds), NULL, 0},
    {MEMBER("cpu_seconds", COUNTER, counters.cpu_seconds), NULL, 0},
    {MEMBER("voluntary_switches", COUNTER, counters.voluntary_switches), NULL, 0},
    {MEMBER("involuntary_switches", COUNTER, counters.involuntary_switches), NULL, 0},
    {MEMBER("migrations", COUNTER, counters.migrations), NULL, 0},
    {MEMBER("page_faults", COUNTER, counters.page_faults), NULL, 0},
    {MEMBER("joules", COUNTER, counters.joules), NULL, 0},
    {MEMBER("cycles", COUNTER, counters.cycles), NULL, 0},
    {MEMBER("instructions", COUNTER, counters.instructions), NULL, 0},
    {MEMBER("cache_misses", COUNTER, counters.cache_misses), NULL, 0},
    {MEMBER("aslr", COUNTER, aslr), NULL, 0},
    {MEMBER("huge_page_bytes", COUNTER, huge_page_bytes), NULL, 0},
    {MEMBER("error", NOTE, error), NULL, 0},
    {MEMBER("cpus", CPUS, cpus), NULL, 0},
    {MEMBER("load_average", REAL, load_average), NULL, 0},
    {MEMBER("finished", TEXT, finished), NULL, 0},
    {MEMBER("machine", OBJECT, machine), NULL, 0},
    {MEMBER("build", OBJECT, build), NULL, 0},
};
enum { FIELDS = sizeof fields / sizeof *fields };

// ---- Figures ----

enum gb_status gb_row_evaluate(struct gb_row *row) {
    row->median_seconds = row->spread = NAN;
    if (row->seconds) {
        const int count = row->repetitions;
        double *seconds = malloc((size_t)count * sizeof *seconds);
        if (!seconds)
            return gb_no_memory("cannot evaluate", row->problem);
        memcpy(seconds, row->seconds, (size_t)count * sizeof *seconds); // keeps their order
        row->median_seconds = gb_quantile(seconds, count, 0.5);
        row->spread = (gb_quantile(seconds, count, 0.75) - gb_quantile(seconds, count, 0.25)) /
                      row->median_seconds;
        free(seconds);
    }
    row->gflops = 1e-9 * row->flops / row->median_seconds;
    row->gbs = 1e-9 * row->bytes / row->median_seconds;
    const double compute = row->flops / row->peak_gflops, traffic = row->bytes / row->peak_gbs;
    row->bound = compute > traffic ? GB_BOUND_COMPUTE : GB_BOUND_MEMORY;
    row->share_of_peak = 1e-9 * fmax(compute, traffic) / row->median_seconds;
    return GB_OK;
}

// ---- Writing ----

// A new reference; NULL without memory.
static json_t *value_json(const struct gb_row *row, const struct field *field) {
    const void *at = (const char *)row + field->offset;
    json_t *json = NULL;
    char *text = NULL;
    switch (field->type) {
    case TEXT:
    case OPTION:
        return json_string(at);
    case WORD:
        return json_string(field->words[*(const unsigned *)at]);
    case COUNT:
        return json_integer(*(const int *)at);
    case WORDS:
        json = json_array();
        for (const char *word = at; word < (const char *)at + field->size && *word; word += GB_WORD)
            gb_json_append(&json, json_string(word));
        return json;
    case REAL:
    case MAYBE:
    case COUNTER:
        return isnan(*(const double *)at) ? json_null() : json_real(*(const double *)at);
    case SHARES:
        json = json_object();
        for (int i = 0; i < row->share_count; i++)
            gb_json_put(&json, row->shares[i].model, json_integer(row->shares[i].count));
        return json;
    case SECONDS:
        json = row->seconds ? json_array() : json_null();
        for (int i = 0; row->seconds && i < row->repetitions; i++)
            gb_json_append(&json, json_real(row->seconds[i]));
        return json;
    case NOTE:
        if (!row->error)
            return json_null();
        text = strdup(row->error);
        if (text)
            gb_make_utf8(text); // a message may contain a file name
        json = text ? json_string(text) : NULL;
        free(text);
        return json;
    case CPUS:
        json = json_array();
        for (int i = 0; i < row->cpu_count; i++)
            gb_json_append(&json, json_integer(row->cpus[i]));
        return json;
    case OBJECT:
        return json_incref(*(json_t *const *)at);
    }
    return NULL;
}

static bool is_absent(const struct gb_row *row, const struct field *field) {
    const void *at = (const char *)row + field->offset;
    return (field->type == OPTION && !*(const char *)at) ||
           (field->type == COUNTER && isnan(*(const double *)at));
}

enum gb_status gb_row_write(FILE *file, const char *path, const struct gb_row *row) {
    static const char what[] = "cannot write row";
    json_t *object = json_pack("{s:i}", "schema", GB_ROW_SCHEMA);
    int failed = 0;
    for (int i = 0; i < FIELDS; i++)
        if (!is_absent(row, &fields[i]))
            failed |= json_object_set_new(object, fields[i].key, value_json(row, &fields[i]));
    char *line = failed ? NULL : json_dumps(object, JSON_COMPACT);
    json_decref(object);
    if (!line)
        return gb_no_memory(what, path);
    struct stat before;
    const bool regular = fstat(fileno(file), &before) == 0 && S_ISREG(before.st_mode);
    const bool written = fprintf(file, "%s\n", line) > 0 && fflush(file) == 0;
    const int error = errno;
    free(line);
    if (written)
        return GB_OK;
    // Neither half a row now nor a second one when the file is closed.
    __fpurge(file);
    if (regular && ftruncate(fileno(file), before.st_size) != 0)
        return gb_fail(GB_IO_ERROR, what, path, "%s; its last line is incomplete", strerror(error));
    return gb_fail(GB_IO_ERROR, what, path, "%s", strerror(error));
}

// ---- Reading ----

// Whether the value is an integer of at least `min` that an int can hold.
static bool take_int(int *to, const json_t *value, int min) {
    *to = (int)json_integer_value(value);
    return json_is_integer(value) && json_integer_value(value) == *to && *to >= min;
}

static bool take_text(char *to, size_t size, const json_t *value) {
    const char *text = json_string_value(value);
    if (!text || strlen(text) >= size)
        return false;
    strcpy(to, text);
    return true;
}

static bool take_shares(struct gb_row *row, const json_t *mixes) {
    const size_t count = json_object_size(mixes);
    row->shares = calloc(count ? count : 1, sizeof *row->shares);
    if (!json_is_object(mixes) || !row->shares)
        return false;
    const char *model;
    json_t *calls;
    json_object_foreach((json_t *)mixes, model, calls) {
        struct gb_model_share *share = &row->shares[row->share_count++];
        if (!take_int(&share->count, calls, 1) || strlen(model) >= sizeof share->model)
            return false;
        strcpy(share->model, model);
    }
    return true;
}

static bool take_seconds(struct gb_row *row, const json_t *seconds) {
    if (json_is_null(seconds))
        return true;
    const size_t count = json_array_size(seconds);
    row->seconds = calloc(count ? count : 1, sizeof *row->seconds);
    if (count == 0 || !row->seconds)
        return false;
    for (size_t i = 0; i < count; i++) {
        row->seconds[i] = json_number_value(json_array_get(seconds, i));
        if (!(row->seconds[i] > 0))
            return false;
    }
    row->repetitions = (int)count;
    return true;
}

static bool take_cpus(struct gb_row *row, const json_t *cpus) {
    const size_t count = json_array_size(cpus);
    row->cpus = calloc(count ? count : 1, sizeof *row->cpus);
    if (!json_is_array(cpus) || !row->cpus)
        return false;
    for (size_t i = 0; i < count; i++)
        if (!take_int(&row->cpus[i], json_array_get(cpus, i), 0))
            return false;
    row->cpu_count = (int)count;
    return true;
}

static bool take_words(char *to, size_t bytes, const json_t *array) {
    const size_t count = json_array_size(array);
    bool fits = json_is_array(array) && count <= bytes / GB_WORD;
    for (size_t i = 0; i < count && fits; i++)
        fits = take_text(to + i * GB_WORD, GB_WORD, json_array_get(array, i));
    return fits;
}

static bool take_word(unsigned *to, const char *const *words, const json_t *value) {
    const char *text = json_string_value(value);
    for (*to = 0; text && words[*to]; ++*to)
        if (strcmp(text, words[*to]) == 0)
            return true;
    return false;
}

static bool take_value(struct gb_row *row, const struct field *field, json_t *value) {
    void *at = (char *)row + field->offset;
    switch (field->type) {
    case TEXT:
    case OPTION:
        return take_text(at, field->size, value);
    case WORD:
        return take_word(at, field->words, value);
    case COUNT:
        return take_int(at, value, field->min) && *(const int *)at <= MOST;
    case WORDS:
        return take_words(at, field->size, value);
    case COUNTER:
        *(double *)at = json_number_value(value);
        return json_is_number(value) && *(double *)at >= 0;
    case REAL:
    case MAYBE:
        *(double *)at = json_is_null(value) ? (double)NAN : json_number_value(value);
        return json_is_number(value) || (field->type == MAYBE && json_is_null(value));
    case SHARES:
        return take_shares(row, value);
    case SECONDS:
        return take_seconds(row, value);
    case NOTE:
        *(char **)at = json_is_string(value) ? strdup(json_string_value(value)) : NULL;
        return json_is_null(value) || *(char **)at;
    case CPUS:
        return take_cpus(row, value);
    case OBJECT:
        *(json_t **)at = json_incref(value);
        return json_is_object(value);
    }
    return false;
}

// Recomputes what follows from times, work and peaks, rather than trust the file. NULL, or the key
// of an impossible figure, or of a median that is not that of the times to the digits of a line.
static const char *take_figures(struct gb_row *row) {
    const double median = row->median_seconds;
    if (!(row->flops >= 0))
        return "flops";
    if (!(row->bytes >= 0))
        return "bytes";
    if (row->peak_gflops <= 0) // NAN: not measured
        return "peak_gflops";
    if (row->peak_gbs <= 0)
        return "peak_gbs";
    if (gb_row_evaluate(row) != GB_OK)
        return "seconds";
    return row->seconds && !(fabs(median - row->median_seconds) <= 1e-6 * median) ? "median_seconds"
                                                                                  : NULL;
}

// Fills a zeroed row; NULL, or the key whose value is missing or invalid.
static const char *take_row(struct gb_row *row, const json_t *object) {
    if (gb_json_integer(object, "schema") != GB_ROW_SCHEMA)
        return "schema";
    row->counters = gb_counters_unknown;
    row->aslr = row->huge_page_bytes = NAN;
    for (int i = 0; i < FIELDS; i++) {
        json_t *value = json_object_get(object, fields[i].key);
        if (!value && (fields[i].type == OPTION || fields[i].type == COUNTER))
            continue;
        if (!value || !take_value(row, &fields[i], value))
            return fields[i].key;
    }
    // A row has either times or an error.
    if (!row->error != !!row->seconds)
        return "seconds";
    return take_figures(row);
}

int gb_row_order(const struct gb_row *a, const struct gb_row *b) {
    int order = strcmp(a->problem, b->problem);
    if (order == 0)
        order = strcmp(a->backend, b->backend);
    if (order == 0)
        order = a->threads - b->threads;
    return order ? order : (int)a->cache - (int)b->cache;
}

void gb_row_free(struct gb_row *row) {
    free(row->shares);
    free(row->seconds);
    free(row->error);
    free(row->cpus);
    json_decref(row->machine);
    json_decref(row->build);
    *row = (struct gb_row){0};
}

enum gb_status gb_rows_add_file(struct gb_rows *rows, const char *path) {
    struct gb_rows more;
    GB_TRY(gb_rows_read(path, &more));
    struct gb_row *list = realloc(rows->list, (rows->count + more.count) * sizeof *list);
    if (!list) {
        gb_rows_free(&more);
        return gb_no_memory("cannot read rows", path);
    }
    memcpy(list + rows->count, more.list, more.count * sizeof *list);
    *rows = (struct gb_rows){list, rows->count + more.count};
    free(more.list);
    return GB_OK;
}

void gb_rows_free(struct gb_rows *rows) {
    for (size_t i = 0; i < rows->count; i++)
        gb_row_free(&rows->list[i]);
    free(rows->list);
    *rows = (struct gb_rows){0};
}

static const char reading[] = "cannot read rows";

enum gb_status gb_rows_add(struct gb_rows *rows, struct gb_row *row) {
    struct gb_row *list = gb_grow(rows->list, rows->count, sizeof *list);
    if (!list)
        return gb_no_memory("cannot keep rows", row->problem);
    rows->list = list;
    rows->list[rows->count++] = *row;
    *row = (struct gb_row){0};
    return GB_OK;
}

static enum gb_status read_line(const char *path, size_t number, const char *line, size_t length,
                                struct gb_rows *rows) {
    json_error_t error;
    json_t *object = gb_json_parse(line, length, &error);
    if (!object)
        return gb_fail(GB_BAD_INPUT, reading, path, "line %zu: %s", number, error.text);
    struct gb_row row = {0};
    const json_int_t schema = gb_json_integer(object, "schema");
    const char *key = take_row(&row, object);
    json_decref(object);
    if (schema > 0 && schema != GB_ROW_SCHEMA)
        return gb_fail(GB_BAD_INPUT, reading, path,
                       "line %zu is of version %lld ('schema'), this program reads version %d",
                       number, (long long)schema, GB_ROW_SCHEMA);
    enum gb_status status = key ? gb_fail(GB_BAD_INPUT, reading, path,
                                          "line %zu: '%s' is missing or invalid", number, key)
                                : gb_rows_add(rows, &row);
    if (status != GB_OK)
        gb_row_free(&row);
    return status;
}

// All complete lines. *cut is the number of the last line if it is incomplete, else 0. A row
// without a newline, as editors may leave it, is complete where `open_end`.
static enum gb_status read_lines(const char *path, bool open_end, struct gb_rows *rows,
                                 size_t *valid_bytes, size_t *cut) {
    char *line = NULL;
    size_t size = 0;
    ssize_t length;
    enum gb_status status = GB_OK;
    FILE *file;
    GB_TRY(gb_text_open(reading, path, &file));
    const long start = ftell(file); // after a byte-order mark; -1 in a pipe
    *valid_bytes = start > 0 ? (size_t)start : 0;
    for (size_t number = 1; status == GB_OK && !*cut && (length = getline(&line, &size, file)) > 0;
         number++) {
        const bool blank = strspn(line, " \t\r\n") == (size_t)length;
        if (line[length - 1] == '\n') {
            status = blank ? GB_OK : read_line(path, number, line, (size_t)length, rows);
            *valid_bytes += (size_t)length;
        } else if (!open_end || read_line(path, number, line, (size_t)length, rows) != GB_OK) {
            *cut = number;
        }
    }
    if (status == GB_OK && ferror(file))
        status = gb_fail(GB_IO_ERROR, reading, path, "%s", strerror(errno));
    free(line);
    fclose(file);
    return status;
}

enum gb_status gb_rows_read(const char *path, struct gb_rows *rows) {
    size_t valid_bytes = 0, cut = 0;
    *rows = (struct gb_rows){0};
    enum gb_status status = read_lines(path, true, rows, &valid_bytes, &cut);
    if (status == GB_OK && cut)
        status = gb_fail(GB_BAD_INPUT, reading, path, "line %zu is cut short", cut);
    else if (status == GB_OK && rows->count == 0)
        status = gb_fail(GB_BAD_INPUT, reading, path, "no rows");
    if (status != GB_OK)
        gb_rows_free(rows);
    return status;
}

enum gb_status gb_rows_recover(const char *path, struct gb_rows *rows, size_t *valid_bytes) {
    size_t cut = *valid_bytes = 0;
    *rows = (struct gb_rows){0};
    if (access(path, F_OK) != 0 && errno == ENOENT)
        return GB_OK;
    enum gb_status status = read_lines(path, false, rows, valid_bytes, &cut);
    if (status != GB_OK)
        gb_rows_free(rows);
    return status;
}
