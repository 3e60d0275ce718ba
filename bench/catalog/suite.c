// SPDX-License-Identifier: MIT
#include "bench/catalog/suite.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "bench/runner/forecast.h"

static const struct gb_suite suites[] = {
    {"quick", 0, true, 64e9, "warm", false, true, 7},
    {"standard", 0.6, true, 512e9, "warm", false, true, 9},
    {"full", 1, false, INFINITY, "both", true, false, 9},
};
enum { SUITES = sizeof suites / sizeof *suites };

enum gb_status gb_suite_find(const char *name, const struct gb_suite **suite) {
    for (int i = 0; i < SUITES; i++)
        if (strcmp(suites[i].name, name) == 0) {
            *suite = &suites[i];
            return GB_OK;
        }
    return gb_fail(GB_BAD_INPUT, "bad value", "--suite",
                   "unknown suite \"%s\"; suites: quick, standard, full", name);
}

// ---- Weights ----

enum kind { KERNEL, LAYER, PASS };

// A distinct problem: its rows are neighbours in the catalogue.
struct problem {
    const struct gb_benchmark *row; // the first
    int first, count;
    enum kind kind;
    // Its share of a step's time, estimated from FLOPs and bytes and summed over the models that
    // have it; the same for layers in a step and for steps, each among their kind.
    double weight;
    bool kept;
};

struct problems {
    struct problem *list;
    int count;
};

static enum gb_status no_memory(void) {
    return gb_no_memory("cannot list benchmarks", "suite");
}

static enum kind kind_of(const struct gb_benchmark *row) {
    return row->pass                                                                      ? LAYER
           : strcmp(row->operation, "step") == 0 || strcmp(row->operation, "sample") == 0 ? PASS
                                                                                          : KERNEL;
}

static double calls_of(const struct problem *problem, const char *model) {
    for (int i = 0; i < problem->row->share_count; i++)
        if (strcmp(problem->row->shares[i].model, model) == 0)
            return problem->row->shares[i].count;
    return 0;
}

// Seconds of one pass of the model in problems of this kind.
static double total_of(const struct problems *problems, enum kind kind, const char *model) {
    double seconds = 0;
    for (int i = 0; i < problems->count; i++)
        if (problems->list[i].kind == kind)
            seconds += calls_of(&problems->list[i], model) * gb_forecast_run(problems->list[i].row);
    return seconds;
}

static enum gb_status list_problems(const struct gb_catalog *catalog, struct problems *problems) {
    *problems = (struct problems){calloc((size_t)catalog->count, sizeof *problems->list), 0};
    if (!problems->list)
        return no_memory();
    for (int i = 0; i < catalog->count; i++) {
        const struct gb_benchmark *row = &catalog->list[i];
        if (i > 0 && strcmp(row->problem, row[-1].problem) == 0)
            problems->list[problems->count - 1].count++;
        else
            problems->list[problems->count++] =
                (struct problem){.row = row, .first = i, .count = 1, .kind = kind_of(row)};
    }
    return GB_OK;
}

static void weigh(struct problems *problems, const struct gb_model_case *models) {
    for (const struct gb_model_case *m = models; m->name; m++)
        for (enum kind kind = KERNEL; kind <= PASS; kind++) {
            const double total = total_of(problems, kind, m->name);
            for (int i = 0; i < problems->count && total > 0; i++) {
                struct problem *p = &problems->list[i];
                if (p->kind == kind)
                    p->weight += calls_of(p, m->name) * gb_forecast_run(p->row) / total;
            }
        }
}

static int by_weight(const void *left, const void *right) {
    const struct problem *a = *(struct problem *const *)left, *b = *(struct problem *const *)right;
    return a->weight != b->weight ? (a->weight < b->weight) - (a->weight > b->weight)
                                  : (a->first > b->first) - (a->first < b->first);
}

// Pointers to the problems, the heaviest first; NULL without memory.
static struct problem **sort(const struct problems *problems) {
    struct problem **sorted = calloc((size_t)problems->count, sizeof *sorted);
    for (int i = 0; i < problems->count && sorted; i++)
        sorted[i] = &problems->list[i];
    if (sorted)
        qsort(sorted, (size_t)problems->count, sizeof(struct problem *), by_weight);
    return sorted;
}

static void remove_others(const struct problems *problems, struct gb_catalog *catalog) {
    catalog->count = 0;
    for (int i = 0; i < problems->count; i++) {
        const struct problem *p = &problems->list[i];
        if (!p->kept)
            continue;
        memmove(&catalog->list[catalog->count], &catalog->list[p->first],
                (size_t)p->count * sizeof *catalog->list);
        catalog->count += p->count;
    }
}

// ---- Suites ----

static bool in_same_group(const struct problem *a, const struct problem *b) {
    return a->kind == b->kind && strcmp(a->row->operation, b->row->operation) == 0 &&
           strcmp(a->row->direction, b->row->direction) == 0;
}

static void keep_kernels(struct problem *const *sorted, int count, double share) {
    for (int i = 0; i < count; i++) {
        if (sorted[i]->kind != KERNEL)
            continue;
        double heavier = 0, all = 0;
        for (int j = 0; j < count; j++)
            if (in_same_group(sorted[i], sorted[j])) {
                all += sorted[j]->weight;
                heavier += j < i ? sorted[j]->weight : 0;
            }
        bool first = true;
        for (int j = 0; j < i; j++)
            first = first && !in_same_group(sorted[i], sorted[j]);
        sorted[i]->kept = first || heavier < share * all;
    }
}

static bool is_first_case(const struct gb_model_case *models, const char *name) {
    const size_t length = strcspn(name, "-") + 1;
    for (const struct gb_model_case *m = models; m->name; m++)
        if (strncmp(m->name, name, length) == 0)
            return strcmp(m->name, name) == 0;
    return false;
}

static bool is_of_paper(const struct gb_benchmark *pass) {
    const char *model = pass->share_count ? pass->shares[0].model : "";
    return strncmp(model, "cglow-", 6) == 0 || strncmp(model, "cnf-", 4) == 0;
}

static void keep_native(struct gb_catalog *catalog, double pass_flops) {
    int count = 0;
    for (int i = 0; i < catalog->count; i++) {
        const struct gb_benchmark *row = &catalog->list[i];
        if (kind_of(row) != PASS || !row->backend->fallback ||
            (row->flops <= pass_flops && is_of_paper(row)))
            catalog->list[count++] = *row;
    }
    catalog->count = count;
}

enum gb_status gb_suite_select(const struct gb_suite *suite, const struct gb_model_case *models,
                               struct gb_catalog *catalog) {
    struct problems problems;
    GB_TRY(list_problems(catalog, &problems));
    weigh(&problems, models);
    struct problem **sorted = sort(&problems);
    if (sorted) {
        keep_kernels(sorted, problems.count, suite->kernel_share);
        for (int i = 0; i < problems.count; i++) {
            struct problem *p = &problems.list[i];
            // A layer is timed in the first model that has it.
            if (p->kind != KERNEL)
                p->kept = !suite->first_cases || p->row->share_count == 0 ||
                          is_first_case(models, p->row->shares[0].model);
            if (p->kind == LAYER)
                p->kept = p->kept && p->row->pass->flops <= suite->pass_flops;
        }
        remove_others(&problems, catalog);
        if (suite->best_native)
            keep_native(catalog, suite->pass_flops);
    }
    free(problems.list);
    free(sorted);
    return sorted ? GB_OK : no_memory();
}

enum gb_status gb_catalog_trim(struct gb_catalog *catalog, const struct gb_model_case *models,
                               double seconds,
                               double (*cost)(const struct gb_benchmark *row, void *argument),
                               void *argument) {
    struct problems problems;
    GB_TRY(list_problems(catalog, &problems));
    weigh(&problems, models);
    struct problem **sorted = sort(&problems);
    double used = 0;
    for (int i = 0; i < problems.count && sorted; i++) {
        double rows = 0;
        for (int j = 0; j < sorted[i]->count; j++)
            rows += cost(&sorted[i]->row[j], argument);
        sorted[i]->kept = i == 0 || used + rows <= seconds;
        used += sorted[i]->kept ? rows : 0;
    }
    if (sorted)
        remove_others(&problems, catalog);
    free(problems.list);
    free(sorted);
    return sorted ? GB_OK : no_memory();
}
