// SPDX-License-Identifier: MIT
#include "bench/score/score.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/minmax.h"
#include "bench/compare/comparison.h"

// What a run's work is counted in.
enum work { IMAGES, FLOPS, CALLS };

static const struct kind {
    const char *name, *unit;
    enum work work;
    enum gb_cache cache;
    const char *problems[5]; // how their names begin
} kinds[GB_SCORES] = {
    {"c-Glow training", "images/s", IMAGES, GB_CACHE_WARM, {"step/train/cglow-"}},
    {"c-Glow sampling", "images/s", IMAGES, GB_CACHE_WARM, {"sample/inverse/cglow-"}},
    {"CNF training", "images/s", IMAGES, GB_CACHE_WARM, {"step/train/cnf-"}},
    {"CNF sampling", "images/s", IMAGES, GB_CACHE_WARM, {"sample/inverse/cnf-"}},
    {"convolutions", "GFLOP/s", FLOPS, GB_CACHE_WARM, {"conv/"}},
    {"invertible layers",
     "calls/s",
     CALLS,
     GB_CACHE_STEP,
     {"layer/coupling_", "layer/feature_coupling_", "layer/rotation_", "layer/steps_"}},
};

// Of a problem's name, "step/train/cglow-horses-64b2_bf16": where its format begins, or its end.
static const char *format_of(const char *problem) {
    const char *format = strstr(problem, "_bf16");
    return format ? format : problem + strlen(problem);
}

static bool belongs(const struct kind *kind, enum gb_type precision, const char *problem) {
    if (!*format_of(problem) != (precision == GB_F32))
        return false;
    for (const char *const *p = kind->problems; *p; p++)
        if (strncmp(problem, *p, strlen(*p)) == 0)
            return true;
    return false;
}

// The images of a pass are the number that its name ends with.
static double work_of(const struct kind *kind, const struct gb_row *row) {
    const char *end = format_of(row->problem);
    while (end > row->problem && end[-1] >= '0' && end[-1] <= '9')
        end--;
    return kind->work == IMAGES ? atof(end) : kind->work == FLOPS ? 1e-9 * row->flops : 1;
}

// ---- A row's samples ----

// The rows of one machine and build, and which of them count: those of a column at a thread count.
struct selection {
    const struct gb_summary *summary;
    const struct gb_rows *rows;
    const struct gb_column *column;
    int threads;
};

static bool is_selected(const struct selection *s, const struct gb_row *row, const char *problem,
                        enum gb_cache cache) {
    if (row->threads != s->threads || row->cache != cache || row->error ||
        strcmp(row->problem, problem) != 0)
        return false;
    bool own = strcmp(row->backend, s->column->backend) == 0 &&
               strcmp(row->library, s->column->library) == 0;
    for (int i = 0; i < GB_BORROWERS; i++)
        own = own || strcmp(row->borrowers[i], s->column->backend) == 0;
    return own && gb_summary_has(s->summary, row);
}

// Adds the logarithms of a problem's rates to `sums`: of each launch or, of a single one, of each
// repetition; and of its power to `watts`. Returns how many there are; `sums` has GB_SAMPLE_MAX.
static int add_rates(const struct selection *s, const struct kind *kind, const char *problem,
                     double sums[static GB_SAMPLE_MAX], double *watts) {
    const struct gb_row *only = NULL;
    int launches = 0;
    double joules = 0, seconds = 0;
    for (size_t i = 0; i < s->rows->count; i++) {
        const struct gb_row *row = &s->rows->list[i];
        if (launches == GB_SAMPLE_MAX || !is_selected(s, row, problem, kind->cache))
            continue;
        sums[launches++] += log(work_of(kind, row) / row->median_seconds);
        joules += row->counters.joules;
        seconds += row->counters.seconds;
        only = row;
    }
    *watts += log(joules / seconds);
    if (launches != 1)
        return launches;
    sums[0] += log(only->median_seconds / only->seconds[0]);
    const int repetitions = gb_min_int(only->repetitions, GB_SAMPLE_MAX);
    for (int i = 1; i < repetitions; i++)
        sums[i] += log(work_of(kind, only) / only->seconds[i]);
    return repetitions;
}

// ---- A score ----

static void estimate(struct gb_score *score, double sums[static GB_SAMPLE_MAX]) {
    for (int i = 0; i < score->samples; i++)
        sums[i] /= score->problems;
    const struct gb_interval interval =
        gb_signed_rank_interval(sums, score->samples, GB_SCORE_CONFIDENCE);
    score->value = exp(interval.estimate);
    if (isfinite(interval.low) && isfinite(interval.high)) {
        score->low = exp(interval.low);
        score->high = exp(interval.high);
    }
}

static struct gb_score make_score(const struct selection *s, const struct kind *kind,
                                  enum gb_type precision, int column) {
    const struct gb_summary *summary = s->summary;
    struct gb_score score = {.name = kind->name,
                             .unit = kind->unit,
                             .backend = s->column,
                             .threads = s->threads,
                             .precision = precision,
                             .samples = GB_SAMPLE_MAX,
                             .value = NAN,
                             .low = NAN,
                             .high = NAN,
                             .share_of_peak = NAN,
                             .watts = NAN};
    const int setting = gb_summary_find_setting(summary, s->threads, kind->cache);
    double sums[GB_SAMPLE_MAX] = {0}, shares = 0, watts = 0;
    for (int line = 0; line < summary->line_count && setting >= 0; line++) {
        const char *problem = summary->lines[line].row->problem;
        if (!belongs(kind, precision, problem) || !gb_summary_measured(summary, setting, line))
            continue;
        score.problems++;
        score.problem_set += gb_hash_bytes(GB_HASH_BASIS, problem, strlen(problem));
        const struct gb_cell *cell = gb_summary_cell(summary, setting, line, column);
        if (cell->launches == 0 || cell->error)
            continue;
        score.samples = gb_min_int(score.samples, add_rates(s, kind, problem, sums, &watts));
        score.timed++;
        score.fallback |= cell->fallback;
        shares += log(cell->share_of_peak);
    }
    if (score.problems > 0 && score.timed == score.problems && score.samples > 0) {
        score.share_of_peak = exp(shares / score.problems);
        score.watts = exp(watts / score.problems);
        estimate(&score, sums);
    } else {
        score.samples = 0;
    }
    return score;
}

enum gb_status gb_scores_make(const struct gb_summary *summary, const struct gb_rows *rows,
                              struct gb_scores *scores) {
    static const enum gb_type precisions[] = {GB_F32, GB_BF16};
    enum { PRECISIONS = sizeof precisions / sizeof *precisions };
    const size_t most =
        (size_t)summary->setting_count * PRECISIONS * GB_SCORES * (size_t)summary->column_count;
    *scores = (struct gb_scores){calloc(most + 1, sizeof *scores->list), 0};
    if (!scores->list)
        return gb_no_memory("cannot score", "rows");
    for (int i = 0; i < summary->setting_count; i++) {
        bool first = true;
        for (int j = 0; j < i; j++)
            first = first && summary->settings[j].threads != summary->settings[i].threads;
        for (int at = 0; at < PRECISIONS * GB_SCORES && first; at++)
            for (int column = 0; column < summary->column_count; column++) {
                const struct selection selection = {summary, rows, &summary->columns[column],
                                                    summary->settings[i].threads};
                const struct gb_score score = make_score(&selection, &kinds[at % GB_SCORES],
                                                         precisions[at / GB_SCORES], column);
                if (score.timed > 0)
                    scores->list[scores->count++] = score;
            }
    }
    return GB_OK;
}
