// SPDX-License-Identifier: MIT
#include "bench/catalog/catalog.h"

#include <assert.h>
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/grow.h"
#include "bench/catalog/kernel_benchmarks.h"
#include "bench/catalog/model_benchmarks.h"

// A distinct problem of the models.
struct entry {
    enum gb_catalog_kind kind;
    struct gb_model_share *shares; // one for each model that has it
    int share_count;
    struct gb_benchmark benchmark; // except backend, threads and shares
};

struct entries {
    struct entry *list;
    int count;
    const struct gb_model_case *models;
    enum gb_type precision;       // of them
    struct gb_benchmark **passes; // that layers in the list are timed in
    int pass_count;
};

static enum gb_status no_memory(void) {
    return gb_no_memory("cannot list benchmarks", "catalogue");
}

// ---- The distinct problems ----

static struct entry *find(const struct entries *entries, const char *text) {
    for (int i = 0; i < entries->count; i++)
        if (strcmp(entries->list[i].benchmark.problem, text) == 0)
            return &entries->list[i];
    return NULL;
}

// A new entry has only its kind; NULL without memory.
static struct entry *append(struct entries *entries, enum gb_catalog_kind kind) {
    struct entry *list = gb_grow(entries->list, (size_t)entries->count, sizeof *list);
    if (!list)
        return NULL;
    entries->list = list;
    list[entries->count].kind = kind;
    return &list[entries->count++];
}

// Models are added one after the other.
static bool is_last_share(const struct entry *entry, const struct gb_model_case *model) {
    int last = entry->share_count - 1;
    return last >= 0 && strcmp(entry->shares[last].model, model->name) == 0;
}

// Adds calls of the model's. *added: the problem's entry, which may be new.
static enum gb_status add(struct entries *entries, const struct gb_model_case *model,
                          enum gb_catalog_kind kind, const char *text, long calls,
                          struct entry **added) {
    struct entry *entry = find(entries, text);
    if (!entry && !(entry = append(entries, kind)))
        return no_memory();
    if (!is_last_share(entry, model)) {
        struct gb_model_share *shares =
            gb_grow(entry->shares, (size_t)entry->share_count, sizeof *entry->shares);
        if (!shares)
            return no_memory();
        entry->shares = shares;
        struct gb_model_share *share = &shares[entry->share_count++];
        snprintf(share->model, sizeof share->model, "%s", model->name);
    }
    entry->shares[entry->share_count - 1].count += (int)calls;
    *added = entry;
    return GB_OK;
}

static void print_kernel(const struct gb_traced *traced, enum gb_direction direction,
                         char text[static GB_PROBLEM]) {
    char shape[GB_PROBLEM_TEXT];
    gb_problem_print(traced->operation, &traced->problem, shape);
    snprintf(text, GB_PROBLEM, "%s/%s/%s", traced->operation->name, gb_direction_name(direction),
             shape);
}

static enum gb_status add_kernel(struct entries *entries, const struct gb_model_case *model,
                                 const struct gb_traced *traced, enum gb_direction direction) {
    char text[GB_PROBLEM];
    struct entry *entry;
    print_kernel(traced, direction, text);
    GB_TRY(add(entries, model, GB_CATALOG_KERNELS, text, traced->calls, &entry));
    return entry->benchmark.setup ? GB_OK : gb_kernel_benchmark(text, &entry->benchmark);
}

// A training step's kernels, weight gradients with and without Adam; of a sampling pass those that
// the step does not have. Its networks run on one image, but they are the step's.
static enum gb_status add_traced(struct entries *entries, const struct gb_model_case *model,
                                 enum gb_pass_kind kind, const struct gb_traced *r) {
    if (kind == GB_PASS_SAMPLE) {
        char text[GB_PROBLEM];
        print_kernel(r, r->direction, text);
        const struct entry *entry = find(entries, text);
        if ((r->direction != GB_INVERSE && r->direction != GB_SAMPLE) ||
            (entry && is_last_share(entry, model)))
            return GB_OK;
    }
    enum gb_direction stored = gb_stored_direction(r->operation, r->direction);
    if (stored != r->direction)
        GB_TRY(add_kernel(entries, model, r, stored));
    return add_kernel(entries, model, r, r->direction);
}

static enum gb_status add_profiled_pass(struct entries *entries, const struct gb_model_case *model,
                                        const struct gb_pass_use *use,
                                        const struct gb_recorded_pass *pass,
                                        const struct gb_benchmark **added) {
    struct gb_pass_use profiled = *use;
    profiled.profiled = true;
    struct gb_benchmark **passes =
        gb_grow(entries->passes, (size_t)entries->pass_count, sizeof(struct gb_benchmark *));
    if (!passes)
        return no_memory();
    entries->passes = passes;
    struct gb_benchmark *benchmark = calloc(1, sizeof *benchmark);
    if (!benchmark)
        return no_memory();
    *added = passes[entries->pass_count++] = benchmark;
    return gb_recorded_pass_benchmark(model, &profiled, pass, benchmark);
}

// A training step's layers forward and backward, and a sampling pass's inverses. A layer that
// several models have is timed in the first of them.
static enum gb_status add_layers(struct entries *entries, const struct gb_model_case *model,
                                 const struct gb_pass_use *use,
                                 const struct gb_recorded_pass *pass) {
    const struct gb_benchmark *timed_in = NULL;
    for (int i = 0; i < pass->layer_count; i++) {
        const struct gb_profiled *layer = &pass->layers[i];
        const bool inverse = layer->direction == GB_INVERSE;
        if (layer->layer.minor || inverse != (use->kind == GB_PASS_SAMPLE))
            continue;
        if (!timed_in)
            GB_TRY(add_profiled_pass(entries, model, use, pass, &timed_in));
        struct gb_benchmark benchmark;
        struct entry *entry;
        gb_layer_benchmark(layer, timed_in, &benchmark);
        GB_TRY(
            add(entries, model, GB_CATALOG_LAYERS, benchmark.problem, layer->time.calls, &entry));
        if (!entry->benchmark.pass)
            entry->benchmark = benchmark;
    }
    return GB_OK;
}

static enum gb_status add_pass(struct entries *entries, const struct gb_model_case *model,
                               const struct gb_pass_use *use, const struct gb_recorded_pass *pass) {
    char text[GB_PROBLEM];
    struct entry *entry;
    gb_pass_print(model, use, text);
    GB_TRY(add(entries, model, use->kind == GB_PASS_TRAIN ? GB_CATALOG_STEPS : GB_CATALOG_SAMPLES,
               text, 1, &entry));
    return gb_recorded_pass_benchmark(model, use, pass, &entry->benchmark);
}

// Records a pass once, for those of its kernels, its layers and itself that are among `kinds`.
static enum gb_status add_recording(struct entries *entries, const struct gb_model_case *model,
                                    enum gb_pass_kind kind, int batch, unsigned kinds) {
    if (!kinds)
        return GB_OK;
    const struct gb_pass_use use = {
        .kind = kind, .batch = batch, .threads = 1, .precision = entries->precision};
    struct gb_recorded_pass pass;
    enum gb_status status = gb_model_record(model, &use, &pass);
    const int kernels = kinds & GB_CATALOG_KERNELS ? pass.kernel_count : 0;
    for (int i = 0; i < kernels && status == GB_OK; i++)
        status = add_traced(entries, model, kind, &pass.kernels[i]);
    if (status == GB_OK && kinds & GB_CATALOG_LAYERS)
        status = add_layers(entries, model, &use, &pass);
    if (status == GB_OK && kinds & (GB_CATALOG_STEPS | GB_CATALOG_SAMPLES))
        status = add_pass(entries, model, &use, &pass);
    gb_recorded_pass_close(&pass);
    return status;
}

static enum gb_status add_model(struct entries *entries, const struct gb_model_case *model,
                                unsigned kinds) {
    const unsigned parts = kinds & (GB_CATALOG_KERNELS | GB_CATALOG_LAYERS);
    GB_TRY(add_recording(entries, model, GB_PASS_TRAIN, model->batch,
                         parts | (kinds & GB_CATALOG_STEPS)));
    GB_TRY(add_recording(entries, model, GB_PASS_SAMPLE, model->batch, parts));
    return add_recording(entries, model, GB_PASS_SAMPLE, model->samples,
                         kinds & GB_CATALOG_SAMPLES);
}

static void entries_free(struct entries *entries) {
    for (int i = 0; i < entries->count; i++) {
        free(entries->list[i].shares);
        free(entries->list[i].benchmark.description);
    }
    for (int i = 0; i < entries->pass_count; i++) {
        free(entries->passes[i]->description);
        free(entries->passes[i]);
    }
    free(entries->passes);
    free(entries->list);
    *entries = (struct entries){0};
}

// ---- What the filter selects ----

static enum gb_catalog_kind kind_of(const char *text) {
    static const struct {
        const char *begin;
        enum gb_catalog_kind kind;
    } words[] = {{"layer/", GB_CATALOG_LAYERS},
                 {"step/", GB_CATALOG_STEPS},
                 {"sample/", GB_CATALOG_SAMPLES}};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strncmp(text, words[i].begin, strlen(words[i].begin)) == 0)
            return words[i].kind;
    return GB_CATALOG_KERNELS;
}

static bool ends_in_bf16(const char *filter) {
    static const char suffix[] = "_bf16";
    const size_t length = filter ? strlen(filter) : 0;
    return length >= strlen(suffix) && strcmp(filter + length - strlen(suffix), suffix) == 0;
}

static void remove_entry(struct entries *entries, int i) {
    free(entries->list[i].shares);
    free(entries->list[i].benchmark.description);
    entries->list[i] = entries->list[--entries->count];
}

static void keep_only(struct entries *entries, const char *text) {
    for (int i = entries->count - 1; i >= 0; i--)
        if (strcmp(entries->list[i].benchmark.problem, text) != 0)
            remove_entry(entries, i);
}

static enum gb_status keep_matching(struct entries *entries, const char *filter, unsigned kinds) {
    regex_t expression;
    int error = regcomp(&expression, filter, REG_EXTENDED | REG_NOSUB);
    if (error) {
        char why[128];
        regerror(error, &expression, why, sizeof why);
        return gb_fail(GB_BAD_INPUT, "bad filter", filter, "%s", why);
    }
    for (int i = entries->count - 1; i >= 0; i--)
        if (!(entries->list[i].kind & kinds) ||
            regexec(&expression, entries->list[i].benchmark.problem, 0, NULL, 0) != 0)
            remove_entry(entries, i);
    regfree(&expression);
    return GB_OK;
}

static int in_order(const void *left, const void *right) {
    const struct entry *a = left, *b = right;
    return a->kind != b->kind ? (a->kind > b->kind) - (a->kind < b->kind)
                              : strcmp(a->benchmark.problem, b->benchmark.problem);
}

// The problem of no model that the filter may be, which has no shares.
static enum gb_status add_named(struct entries *entries, const char *filter,
                                const struct gb_benchmark *named) {
    struct entry *entry = append(entries, kind_of(filter));
    if (!entry)
        return no_memory();
    entry->benchmark = *named;
    return GB_OK;
}

// The problems that the request asks for.
static enum gb_status select_entries(const struct gb_catalog_request *request,
                                     struct entries *entries) {
    const char *filter = request->filter;
    const enum gb_catalog_kind kind = filter ? kind_of(filter) : GB_CATALOG_ALL;
    struct gb_benchmark named = {0};
    const bool whole =
        filter &&
        (kind == GB_CATALOG_KERNELS ? gb_kernel_benchmark(filter, &named)
                                    : gb_pass_benchmark(entries->models, filter, &named)) == GB_OK;
    // A filter that begins as a layer's text may be a whole one.
    const bool layers = filter && kind == GB_CATALOG_LAYERS;
    const unsigned kinds = whole ? kind : request->kinds | (layers ? GB_CATALOG_LAYERS : 0);
    enum gb_status status = GB_OK;
    for (const struct gb_model_case *m = entries->models; m->name && status == GB_OK; m++)
        status = add_model(entries, m, kinds);
    if (status == GB_OK && (whole || (layers && find(entries, filter))))
        keep_only(entries, filter);
    else if (status == GB_OK && filter)
        status = keep_matching(entries, filter, request->kinds);
    if (status == GB_OK && whole && entries->count == 0)
        status = add_named(entries, filter, &named);
    else
        free(named.description);
    GB_TRY(status);
    if (entries->count == 0)
        return gb_fail(GB_BAD_INPUT, "nothing to run", filter ? filter : "no filter",
                       "no benchmark matches; see glowbench bench --list");
    qsort(entries->list, (size_t)entries->count, sizeof *entries->list, in_order);
    return GB_OK;
}

// ---- The list ----

// A row of the entry, whose rows begin at `first`; a borrowed kernel's is its fallback's.
static void list_row(const struct entry *entry, const struct gb_backend *backend, int threads,
                     int first, struct gb_catalog *catalog) {
    bool kernel = entry->kind == GB_CATALOG_KERNELS;
    const struct gb_backend *owner = kernel ? gb_kernel_owner(&entry->benchmark, backend) : backend;
    struct gb_benchmark *row = catalog->list + first, *end = catalog->list + catalog->count;
    while (row < end && (row->backend != owner || row->threads != threads))
        row++;
    if (row == end) {
        catalog->count++;
        *row = entry->benchmark;
        row->shares = entry->shares;
        row->share_count = entry->share_count;
        row->backend = owner;
        row->threads = threads;
        if (kernel)
            gb_kernel_place(row, owner);
    }
    if (owner != backend) {
        assert(row->borrower_count < GB_BORROWERS);
        row->borrowers[row->borrower_count++] = backend;
    }
}

static enum gb_status list(const struct gb_catalog_request *request, const struct entries *entries,
                           struct gb_catalog *catalog) {
    int backends = 0;
    while (request->backends[backends])
        backends++;
    size_t rows = (size_t)entries->count * (size_t)backends * (size_t)request->thread_count;
    catalog->list = calloc(rows, sizeof *catalog->list);
    if (!catalog->list)
        return no_memory();
    for (int i = 0; i < entries->count; i++) {
        int first = catalog->count;
        for (int b = 0; b < backends; b++)
            for (int t = 0; t < request->thread_count; t++)
                list_row(&entries->list[i], request->backends[b], request->threads[t], first,
                         catalog);
    }
    return GB_OK;
}

enum gb_status gb_catalog_make(const struct gb_catalog_request *request,
                               struct gb_catalog *catalog) {
    *catalog = (struct gb_catalog){0};
    struct entries *entries = calloc(1, sizeof *entries);
    if (!entries)
        return no_memory();
    entries->models = request->models;
    entries->precision = ends_in_bf16(request->filter) ? GB_BF16 : request->precision;
    catalog->memory = entries;
    enum gb_status status = request->models ? GB_OK : gb_model_cases(&entries->models);
    if (status == GB_OK)
        status = select_entries(request, entries);
    if (status == GB_OK)
        status = list(request, entries, catalog);
    if (status != GB_OK)
        gb_catalog_free(catalog);
    return status;
}

void gb_catalog_free(struct gb_catalog *catalog) {
    if (catalog->memory)
        entries_free(catalog->memory);
    free(catalog->memory);
    free(catalog->list);
    *catalog = (struct gb_catalog){0};
}
