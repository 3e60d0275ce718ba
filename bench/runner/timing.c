// SPDX-License-Identifier: MIT
#include "bench/runner/timing.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/interrupt.h"
#include "base/minmax.h"
#include "base/quantile.h"
#include "bench/peaks/peaks.h"
#include "bench/runner/flush.h"
#include "bench/runner/memory.h"
#include "kernels/bf16/units.h"

// Long enough to hide the start of a repetition (waking threads takes tens of microseconds).
static const double repetition_seconds = 0.02;
static const double min_warm_up = 0.02;
// A run that takes longer than this warms its caches in a small part of its time.
static const double warms_itself = 0.25;

// A benchmark with its state, for its warm and its cold row; or a pass, for its layers' rows.
struct subject {
    const struct gb_benchmark *benchmark;
    struct gb_arena arena;
    void *state; // NULL: not set up
    void (*run)(void *state);
    bool checked;           // passed its checks before
    size_t footprint;       // estimated bytes
    double huge_page_bytes; // received while it was set up and first run
    int fma;                // what multiplies for it: an index of gb_fma_bodies
    double run_seconds;
    struct gb_timing *rows;
    int row_count;
};

// A row of a subject that passed its first check.
struct timed {
    struct session *session;
    struct subject *subject;
    struct gb_timing *row;
    double reorder_seconds;            // sum over the repetitions' last runs
    struct gb_counters begin, counted; // begin: of the repetition; counted: in all so far
    int finished;                      // repetitions
};

enum { NAME = GB_PROBLEM + 2 * GB_WORD, MAX_PROBES = 64 };
// What peaks are probed for: warm and cold rows, and layers, whose traffic is of two kinds.
enum { WARM, COLD, LAYERS_TRIAD, LAYERS_UPDATE, PEAKS };

// A portion of a group, from setup to teardown.
struct session {
    const struct gb_timing_options *options;
    struct subject *subjects;
    int subject_count;
    struct timed timed[GB_GROUP_ROWS];
    struct gb_gbench gbench[GB_GROUP_ROWS];
    char names[GB_GROUP_ROWS][NAME];
    int timed_count, started; // started: repetitions, of all rows
    struct gb_probe probe;    // of the peaks for warm operands
    struct peaks {
        double gflops[MAX_PROBES], gbs[MAX_PROBES];
    } peaks[PEAKS];                               // by probe; fp32
    double gflops[GB_MAX_FMA_BODIES][MAX_PROBES]; // of the other bodies that a subject has
    int probes;
    struct gb_meters meters;
    double share_before, share; // of the group's work: before this portion, and in it
};

// ---- Verdicts ----

struct key {
    char text[GB_PROBLEM + 2 * GB_WORD];
};

static struct key key_of(const struct gb_benchmark *benchmark) {
    struct key key;
    snprintf(key.text, sizeof key.text, "%s %s %d%s", benchmark->problem,
             benchmark->backend ? benchmark->backend->name : "none", benchmark->threads,
             benchmark->restart_layers ? " layers" : "");
    return key;
}

bool gb_timing_is_checked(const struct gb_benchmark *benchmark,
                          const struct gb_verdicts *verdicts) {
    return !benchmark->check || (verdicts && gb_verdicts_find(verdicts, key_of(benchmark).text));
}

static void keep_verdict(const struct subject *subject, struct gb_verdicts *verdicts) {
    if (verdicts && !subject->checked)
        gb_verdicts_add(verdicts, key_of(subject->benchmark).text, "passed");
}

// ---- Setting up ----

static bool is_layer(const struct gb_timing *timing) {
    return timing->benchmark->pass;
}

static void fail_rows(struct subject *subject) {
    for (int i = 0; i < subject->row_count; i++) {
        struct gb_row *row = &subject->rows[i].row;
        if (!row->error)
            row->error = strdup(gb_error_message());
    }
}

static bool failed(const struct subject *subject) {
    return subject->rows[0].row.error;
}

static enum gb_status measure(struct subject *subject) {
    const struct gb_benchmark *benchmark = subject->benchmark;
    struct gb_arena arena = {0};
    void *state = NULL;
    GB_TRY(benchmark->setup(benchmark, &arena, &state));
    benchmark->teardown(state);
    subject->arena = arena;
    subject->footprint = (size_t)fmax((double)arena.used, benchmark->bytes);
    return GB_OK;
}

static enum gb_status check(const struct subject *subject) {
    const struct gb_benchmark *benchmark = subject->benchmark;
    if (benchmark->check && !subject->checked)
        GB_TRY(benchmark->check(subject->state));
    return benchmark->backend ? gb_backend_check(benchmark->backend) : GB_OK;
}

static enum gb_status check_again(const struct subject *subject) {
    const struct gb_benchmark *benchmark = subject->benchmark;
    if (benchmark->failure)
        return benchmark->failure(subject->state);
    return check(subject);
}

static enum gb_status set_up_and_check(struct subject *subject,
                                       const struct gb_timing_options *options) {
    const struct gb_benchmark *benchmark = subject->benchmark;
    const double before = gb_huge_page_bytes();
    GB_TRY(gb_arena_reserve(&subject->arena, benchmark->problem));
    GB_TRY(benchmark->setup(benchmark, &subject->arena, &subject->state));
    subject->run = benchmark->run;
    subject->checked = gb_timing_is_checked(benchmark, options->verdicts);
    GB_TRY(check(subject));
    subject->huge_page_bytes = gb_huge_page_bytes() - before;
    return GB_OK;
}

// ---- What multiplies ----

// Only products take bf16 operands; layers and passes consist of them.
static bool multiplies_bf16(const struct gb_benchmark *benchmark) {
    for (const struct gb_operation *const *o = gb_operations(); *o; o++)
        if (strcmp((*o)->name, benchmark->operation) == 0 && !(*o)->product)
            return false;
    return strstr(benchmark->problem, "_bf16");
}

// The instruction set of a body, or -1: "widened" and NULL are none.
static int find_body(const char *isa) {
    const struct gb_fma_body *const *bodies = gb_fma_bodies();
    for (int i = 0; isa && bodies[i]; i++)
        if (strcmp(bodies[i]->isa, isa) == 0)
            return i;
    return -1;
}

// 0, the best of fp32, unless bf16 operands are multiplied as such: by the unit of a native backend
// or of a fallback, which a product's plan names as its algorithm; by a vendor library with the
// best that there is.
static int find_fma(const struct subject *subject) {
    const struct gb_benchmark *benchmark = subject->benchmark;
    const struct gb_backend *backend = benchmark->backend;
    const struct gb_fma_body *const *bodies = gb_fma_bodies();
    const struct gb_bf16_unit *unit;
    if (!multiplies_bf16(benchmark) || gb_bf16_unit_of(backend, &unit) != GB_OK)
        return 0;
    const char *algorithm =
        benchmark->algorithm ? benchmark->algorithm(subject->state) : unit->name;
    const bool own = backend->fallback && backend->precisions & 1u << GB_BF16;
    const bool named = algorithm && (strcmp(algorithm, gb_bf16_widened_pairs.name) == 0 ||
                                     find_body(algorithm) > 0);
    int last = 0;
    for (int i = 0; bodies[i]; i++)
        last = strcmp(bodies[i]->precision, "bf16") == 0 ? i : last;
    return own && !named ? last : gb_max_int(find_body(named ? algorithm : unit->name), 0);
}

// ---- Runs ----

static double seconds_of_run(const struct subject *subject) {
    double start = gb_seconds();
    subject->run(subject->state);
    return gb_seconds() - start;
}

static double seconds_of_cold_run(const struct subject *subject) {
    gb_flush_block(subject->arena.base, subject->arena.bytes);
    return seconds_of_run(subject);
}

static void warm_up(struct subject *subject, double seconds) {
    double start = gb_seconds();
    subject->run_seconds = INFINITY;
    do
        subject->run_seconds = fmin(subject->run_seconds, seconds_of_run(subject));
    while (gb_seconds() - start < seconds && !gb_interrupt_asked());
}

// Runs that make a repetition, with the flushing between cold ones.
static int64_t iterations_of(const struct subject *subject, enum gb_cache cache) {
    double seconds = subject->run_seconds;
    if (cache == GB_CACHE_COLD) {
        double start = gb_seconds();
        seconds_of_cold_run(subject);
        seconds = gb_seconds() - start;
    }
    return seconds < repetition_seconds ? (int64_t)ceil(repetition_seconds / seconds) : 1;
}

static void add_peaks(struct session *session, int kind, struct gb_probe *probe,
                      enum gb_traffic traffic) {
    struct gb_roofline roofline = gb_probe_run(probe, traffic);
    session->peaks[kind].gflops[session->probes] = roofline.fma_gflops;
    session->peaks[kind].gbs[session->probes] = roofline.gbs;
}

static void probe_roofline(struct session *session) {
    if (session->probes == MAX_PROBES)
        return;
    // All rows are of one problem, except the control, whose share of peak does not matter.
    const struct subject *first = &session->subjects[0];
    if (first->benchmark->restart_layers) {
        add_peaks(session, LAYERS_TRIAD, &session->probe, GB_TRAFFIC_TRIAD);
        add_peaks(session, LAYERS_UPDATE, &session->probe, GB_TRAFFIC_UPDATE);
    }
    add_peaks(session, WARM, &session->probe, first->benchmark->traffic);
    if (session->options->memory_probe)
        add_peaks(session, COLD, session->options->memory_probe, first->benchmark->traffic);
    for (int i = 0; i < session->subject_count; i++) {
        const int fma = session->subjects[i].fma;
        double *gflops = &session->gflops[fma][session->probes];
        if (fma > 0 && *gflops == 0)
            *gflops = gb_probe_fma(&session->probe, fma);
    }
    session->probes++;
}

static void run_nothing(void *state) {
    (void)state;
}

static void prepare(void *argument) {
    struct timed *timed = argument;
    struct session *session = timed->session;
    if (gb_interrupt_asked()) { // the repetitions that are left are over at once
        timed->subject->run = run_nothing;
        return;
    }
    if (session->started++ % session->timed_count == 0)
        probe_roofline(session);
    // Before the untimed run, which hides what the reading does to the caches.
    timed->begin = gb_counters_read(&session->meters);
    if (timed->row->cache == GB_CACHE_WARM && timed->subject->run_seconds < warms_itself)
        timed->subject->run(timed->subject->state);
    if (timed->subject->benchmark->restart_layers)
        timed->subject->benchmark->restart_layers(timed->subject->state);
}

static void run_warm(void *argument) {
    const struct subject *subject = ((const struct timed *)argument)->subject;
    subject->run(subject->state);
}

static double run_cold(void *argument) {
    const struct subject *subject = ((const struct timed *)argument)->subject;
    return gb_interrupt_asked() ? 0 : seconds_of_cold_run(subject);
}

static void finish(void *argument) {
    struct timed *timed = argument;
    const struct session *session = timed->session;
    const struct subject *subject = timed->subject;
    if (gb_interrupt_asked())
        return;
    const struct gb_counters end = gb_counters_read(&timed->session->meters);
    gb_counters_add(&timed->counted, &timed->begin, &end);
    if (subject->benchmark->reorder_seconds)
        timed->reorder_seconds += subject->benchmark->reorder_seconds(subject->state);
    for (int i = 0; i < subject->row_count; i++) {
        struct gb_timing *row = &subject->rows[i];
        if (is_layer(row))
            row->row.seconds[timed->finished] =
                subject->benchmark->layer_seconds(subject->state, row->benchmark->problem);
    }
    timed->finished++;
    const struct gb_timing_options *options = session->options;
    double done = session->started / ((double)options->repetitions * session->timed_count);
    if (options->progress)
        options->progress(options->progress_argument,
                          session->share_before + session->share * done);
}

// ---- A portion of a group ----

static struct gb_gbench gbench_of(struct timed *timed, char name[static NAME]) {
    const struct gb_benchmark *benchmark = timed->subject->benchmark;
    bool cold = timed->row->cache == GB_CACHE_COLD;
    snprintf(name, NAME, "%s/%s/%s", benchmark->problem,
             benchmark->backend ? benchmark->backend->name : "none", cold ? "cold" : "warm");
    return (struct gb_gbench){
        .name = name,
        .threads = benchmark->threads,
        .iterations = iterations_of(timed->subject, timed->row->cache),
        .flops = benchmark->flops,
        .bytes = benchmark->bytes,
        .prepare = prepare,
        .run = cold ? NULL : run_warm,
        .run_seconds = cold ? run_cold : NULL,
        .finish = finish,
        .argument = timed,
        .seconds = timed->row->row.seconds,
    };
}

static enum gb_status list_timed(struct session *session) {
    for (int i = 0; i < session->subject_count; i++) {
        struct subject *subject = &session->subjects[i];
        for (int j = 0; j < subject->row_count && !failed(subject); j++) {
            struct gb_timing *row = &subject->rows[j];
            row->row.seconds = calloc((size_t)session->options->repetitions, sizeof(double));
            if (!row->row.seconds)
                return gb_no_memory("cannot time", row->benchmark->problem);
            if (!is_layer(row))
                session->timed[session->timed_count++] =
                    (struct timed){.session = session, .subject = subject, .row = row};
        }
    }
    return GB_OK;
}

static int peaks_of(const struct gb_timing *timing) {
    if (is_layer(timing))
        return timing->benchmark->traffic == GB_TRAFFIC_UPDATE ? LAYERS_UPDATE : LAYERS_TRIAD;
    return timing->cache == GB_CACHE_COLD ? COLD : WARM;
}

static void set_peaks(struct session *session, const struct subject *subject) {
    for (int i = 0; i < subject->row_count; i++) {
        struct peaks *peaks = &session->peaks[peaks_of(&subject->rows[i])];
        struct gb_row *row = &subject->rows[i].row;
        if (!row->seconds) // it was not timed
            continue;
        row->repetitions = session->options->repetitions;
        double *gflops = subject->fma > 0 ? session->gflops[subject->fma] : peaks->gflops;
        row->peak_gflops = gb_quantile(gflops, session->probes, 0.5);
        row->peak_gbs = gb_quantile(peaks->gbs, session->probes, 0.5);
    }
}

static void conclude(struct session *session) {
    const double aslr = gb_aslr();
    for (int i = 0; i < session->subject_count; i++) {
        struct subject *subject = &session->subjects[i];
        // NAN stays unknown, which fmax would lose.
        const double huge_page_bytes = subject->huge_page_bytes < 0 ? 0 : subject->huge_page_bytes;
        set_peaks(session, subject);
        for (int j = 0; j < subject->row_count; j++) {
            subject->rows[j].row.aslr = aslr;
            subject->rows[j].row.huge_page_bytes = huge_page_bytes;
        }
    }
    for (int i = 0; i < session->timed_count; i++) {
        const struct timed *timed = &session->timed[i];
        const struct gb_benchmark *benchmark = timed->subject->benchmark;
        struct gb_row *row = &timed->row->row;
        if (benchmark->reorder_seconds)
            row->reorder_seconds = timed->reorder_seconds / session->options->repetitions;
        const struct gb_counters counters =
            gb_counters_mean(&timed->counted, session->options->repetitions);
        for (int j = 0; j < timed->subject->row_count; j++)
            if (&timed->subject->rows[j] == timed->row || is_layer(&timed->subject->rows[j]))
                timed->subject->rows[j].row.counters = counters;
        const char *algorithm =
            benchmark->algorithm ? benchmark->algorithm(timed->subject->state) : NULL;
        snprintf(row->algorithm, sizeof row->algorithm, "%s", algorithm ? algorithm : "");
        strcpy(row->precision, strstr(row->problem, "_bf16") ? "bf16" : "fp32");
        session->gbench[i].error = row->error;
    }
}

static enum gb_status interrupted(void) {
    return gb_interrupt_asked() ? gb_fail(GB_INTERRUPTED, "interrupted", "bench", "in a group")
                                : GB_OK;
}

static enum gb_status time_all(struct session *session) {
    const struct gb_timing_options *options = session->options;
    double each = fmax(min_warm_up, options->warm_up / session->timed_count);
    for (int i = 0; i < session->subject_count; i++)
        if (!failed(&session->subjects[i])) {
            const double before = gb_huge_page_bytes();
            warm_up(&session->subjects[i], each);
            session->subjects[i].huge_page_bytes += gb_huge_page_bytes() - before;
        }
    GB_TRY(interrupted());
    for (int i = 0; i < session->timed_count; i++)
        session->gbench[i] = gbench_of(&session->timed[i], session->names[i]);
    gb_meters_open(&session->meters); // of the threads that the warm-up has started
    const enum gb_status status =
        gb_gbench_run(session->gbench, session->timed_count, options->repetitions, options->report);
    gb_meters_close(&session->meters);
    GB_TRY(status);
    GB_TRY(interrupted());
    for (int i = 0; i < session->subject_count; i++) {
        struct subject *subject = &session->subjects[i];
        if (failed(subject))
            continue;
        if (check_again(subject) != GB_OK)
            fail_rows(subject);
        else
            keep_verdict(subject, options->verdicts);
        GB_TRY(interrupted());
    }
    conclude(session);
    return options->report ? gb_gbench_report_keep(options->report, session->gbench) : GB_OK;
}

static enum gb_status time_portion(struct session *session) {
    struct subject *subjects = session->subjects, *end = subjects + session->subject_count;
    enum gb_status status = GB_OK;
    for (struct subject *s = subjects; s < end && status == GB_OK; s++) {
        if (!failed(s) && set_up_and_check(s, session->options) != GB_OK)
            fail_rows(s);
        s->fma = failed(s) ? 0 : find_fma(s);
        status = interrupted();
    }
    if (status == GB_OK)
        status = list_timed(session);
    if (status == GB_OK && session->timed_count > 0) {
        // The bytes of the operands; `bytes` counts what is updated in place twice.
        const struct gb_benchmark *first = subjects->benchmark;
        const bool twice = first->traffic == GB_TRAFFIC_UPDATE;
        const size_t bytes = (size_t)(twice ? first->bytes / 2 : first->bytes);
        status = gb_probe_open(&session->probe, first->threads,
                               gb_min_size(bytes, session->options->memory_bytes));
        if (status == GB_OK) {
            status = time_all(session);
            gb_probe_close(&session->probe);
        }
    }
    for (struct subject *s = subjects; s < end; s++) {
        if (s->state)
            s->benchmark->teardown(s->state);
        gb_arena_free(&s->arena);
    }
    return status;
}

// ---- Groups ----

// One subject for the neighbouring rows of each benchmark, and of each pass and its layers.
static int find_subjects(struct gb_timing *list, int count, struct subject *subjects) {
    int found = 0;
    for (int i = 0; i < count; i++) {
        if (i > 0 && (is_layer(&list[i]) || list[i].benchmark == list[i - 1].benchmark))
            subjects[found - 1].row_count++;
        else
            subjects[found++] =
                (struct subject){.benchmark = list[i].benchmark, .rows = &list[i], .row_count = 1};
    }
    return found;
}

// How many subjects fit in memory together; at least one.
static int portion_of(const struct subject *subjects, int count) {
    size_t room = (size_t)sysconf(_SC_PHYS_PAGES) * (size_t)sysconf(_SC_PAGESIZE) / 2;
    int fit = 0;
    for (size_t taken = 0; fit < count; fit++) {
        taken += subjects[fit].footprint;
        if (fit > 0 && taken > room)
            break;
    }
    return fit;
}

enum gb_status gb_time_group(struct gb_timing *list, int count,
                             const struct gb_timing_options *options) {
    struct subject subjects[GB_GROUP_ROWS];
    int subject_count = find_subjects(list, count, subjects);
    for (int i = 0; i < subject_count; i++)
        if (measure(&subjects[i]) != GB_OK)
            fail_rows(&subjects[i]);
    enum gb_status status = GB_OK;
    for (int first = 0, fit; first < subject_count && status == GB_OK; first += fit) {
        fit = portion_of(subjects + first, subject_count - first);
        struct session session = {.options = options,
                                  .subjects = subjects + first,
                                  .subject_count = fit,
                                  .share_before = (double)first / subject_count,
                                  .share = (double)fit / subject_count};
        status = time_portion(&session);
    }
    for (int i = 0; i < count; i++) {
        struct gb_row *row = &list[i].row;
        if (row->error || status != GB_OK) { // it has no times
            free(row->seconds);
            row->seconds = NULL;
            row->repetitions = 0;
            row->counters = gb_counters_unknown;
            row->huge_page_bytes = NAN;
        }
    }
    return status;
}
