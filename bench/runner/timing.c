// SPDX-License-Identifier: MIT
#include "bench/runner/timing.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/quantile.h"
#include "bench/peaks/peaks.h"
#include "bench/runner/flush.h"

// Long enough to hide the start of a repetition (waking threads takes tens of microseconds).
static const double repetition_seconds = 0.02;
static const double min_warm_up = 0.02;
// A run that takes longer than this warms its caches in a small part of its time.
static const double warms_itself = 0.25;

// A benchmark with its state, for its warm and its cold row.
struct subject {
    const struct gb_benchmark *benchmark;
    struct gb_arena arena;
    void *state;      // NULL: not set up
    size_t footprint; // estimated bytes
    double run_seconds;
    struct gb_timing *rows;
    int row_count;
};

// A row of a subject that passed its first check.
struct timed {
    struct session *session;
    struct subject *subject;
    struct gb_timing *row;
    double reorder_seconds; // sum over the repetitions' last runs
    int finished;           // repetitions
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
    } peaks[PEAKS]; // by probe
    int probes;
    double share_before, share; // of the group's work: before this portion, and in it
};

// ---- Setting up ----

static void fail_rows(struct subject *subject) {
    for (int i = 0; i < subject->row_count; i++) {
        struct gb_row *row = &subject->rows[i].row;
        if (!row->error)
            row->error = strdup(gb_error_message());
    }
    for (int i = 0; i < subject->rows->layer_count; i++)
        if (!subject->rows->layers[i].row.error)
            subject->rows->layers[i].row.error = strdup(gb_error_message());
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

static enum gb_status set_up(struct subject *subject) {
    GB_TRY(gb_arena_reserve(&subject->arena, subject->benchmark->problem));
    return subject->benchmark->setup(subject->benchmark, &subject->arena, &subject->state);
}

static enum gb_status check(const struct subject *subject) {
    const struct gb_benchmark *benchmark = subject->benchmark;
    if (benchmark->check)
        GB_TRY(benchmark->check(subject->state));
    return benchmark->backend ? gb_backend_check(benchmark->backend) : GB_OK;
}

static void tear_down(struct subject *subject) {
    if (subject->state)
        subject->benchmark->teardown(subject->state);
    subject->state = NULL;
    gb_arena_free(&subject->arena);
}

static void set_up_all(struct session *session) {
    for (struct subject *s = session->subjects; s < session->subjects + session->subject_count; s++)
        if (!failed(s) && (set_up(s) != GB_OK || check(s) != GB_OK))
            fail_rows(s);
}

// ---- Runs ----

static double seconds_of_run(const struct subject *subject) {
    double start = gb_seconds();
    subject->benchmark->run(subject->state);
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
    while (gb_seconds() - start < seconds);
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
    if (first->rows->layer_count > 0) {
        add_peaks(session, LAYERS_TRIAD, &session->probe, GB_TRAFFIC_TRIAD);
        add_peaks(session, LAYERS_UPDATE, &session->probe, GB_TRAFFIC_UPDATE);
    }
    add_peaks(session, WARM, &session->probe, first->benchmark->traffic);
    if (session->options->memory_probe)
        add_peaks(session, COLD, session->options->memory_probe, first->benchmark->traffic);
    session->probes++;
}

static void prepare(void *argument) {
    const struct timed *timed = argument;
    struct session *session = timed->session;
    if (session->started++ % session->timed_count == 0)
        probe_roofline(session);
    if (timed->row->cache == GB_CACHE_WARM && timed->subject->run_seconds < warms_itself)
        timed->subject->benchmark->run(timed->subject->state);
    if (timed->row->layer_count > 0)
        timed->subject->benchmark->restart_layers(timed->subject->state);
}

static void run_warm(void *argument) {
    const struct subject *subject = ((const struct timed *)argument)->subject;
    subject->benchmark->run(subject->state);
}

static double run_cold(void *argument) {
    return seconds_of_cold_run(((const struct timed *)argument)->subject);
}

static void finish(void *argument) {
    struct timed *timed = argument;
    const struct session *session = timed->session;
    const struct subject *subject = timed->subject;
    if (subject->benchmark->reorder_seconds)
        timed->reorder_seconds += subject->benchmark->reorder_seconds(subject->state);
    for (int i = 0; i < timed->row->layer_count; i++) {
        struct gb_timing *layer = &timed->row->layers[i];
        layer->row.seconds[timed->finished] =
            subject->benchmark->layer_seconds(subject->state, layer->benchmark->problem);
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
                return gb_no_memory("cannot time", subject->benchmark->problem);
            for (int i = 0; i < row->layer_count; i++) {
                row->layers[i].row.seconds =
                    calloc((size_t)session->options->repetitions, sizeof(double));
                if (!row->layers[i].row.seconds)
                    return gb_no_memory("cannot time", row->layers[i].benchmark->problem);
            }
            session->timed[session->timed_count++] =
                (struct timed){.session = session, .subject = subject, .row = row};
        }
    }
    return GB_OK;
}

static void check_again(struct session *session) {
    for (int i = 0; i < session->subject_count; i++) {
        struct subject *subject = &session->subjects[i];
        if (!failed(subject) && check(subject) != GB_OK)
            fail_rows(subject);
    }
}

static void set_peaks(struct session *session, int kind, struct gb_row *row) {
    row->repetitions = session->options->repetitions;
    row->peak_gflops = gb_quantile(session->peaks[kind].gflops, session->probes, 0.5);
    row->peak_gbs = gb_quantile(session->peaks[kind].gbs, session->probes, 0.5);
}

static void conclude(struct session *session) {
    int repetitions = session->options->repetitions;
    for (int i = 0; i < session->timed_count; i++) {
        const struct timed *timed = &session->timed[i];
        struct gb_row *row = &timed->row->row;
        set_peaks(session, timed->row->cache == GB_CACHE_COLD ? COLD : WARM, row);
        for (int j = 0; j < timed->row->layer_count; j++) {
            struct gb_timing *layer = &timed->row->layers[j];
            const bool update = layer->benchmark->traffic == GB_TRAFFIC_UPDATE;
            set_peaks(session, update ? LAYERS_UPDATE : LAYERS_TRIAD, &layer->row);
        }
        if (timed->subject->benchmark->reorder_seconds)
            row->reorder_seconds = timed->reorder_seconds / repetitions;
        const struct gb_benchmark *benchmark = timed->subject->benchmark;
        const char *algorithm =
            benchmark->algorithm ? benchmark->algorithm(timed->subject->state) : NULL;
        snprintf(row->algorithm, sizeof row->algorithm, "%s", algorithm ? algorithm : "");
        session->gbench[i].error = row->error;
    }
}

static enum gb_status time_all(struct session *session) {
    const struct gb_timing_options *options = session->options;
    double each = fmax(min_warm_up, options->warm_up / session->timed_count);
    for (int i = 0; i < session->subject_count; i++)
        if (!failed(&session->subjects[i]))
            warm_up(&session->subjects[i], each);
    for (int i = 0; i < session->timed_count; i++)
        session->gbench[i] = gbench_of(&session->timed[i], session->names[i]);
    GB_TRY(gb_gbench_run(session->gbench, session->timed_count, options->repetitions,
                         options->report));
    check_again(session);
    conclude(session);
    return options->report ? gb_gbench_report_keep(options->report, session->gbench) : GB_OK;
}

// The bytes of the operands. `bytes` counts what is updated in place twice.
static size_t working_set(const struct gb_benchmark *benchmark) {
    return (size_t)(benchmark->traffic == GB_TRAFFIC_UPDATE ? benchmark->bytes / 2
                                                            : benchmark->bytes);
}

static enum gb_status time_portion(struct session *session) {
    set_up_all(session);
    enum gb_status status = list_timed(session);
    if (status == GB_OK && session->timed_count > 0) {
        const struct gb_benchmark *first = session->subjects[0].benchmark;
        const size_t bytes = working_set(first), most = session->options->memory_bytes;
        status = gb_probe_open(&session->probe, first->threads, bytes < most ? bytes : most);
        if (status == GB_OK) {
            status = time_all(session);
            gb_probe_close(&session->probe);
        }
    }
    for (int i = 0; i < session->subject_count; i++)
        tear_down(&session->subjects[i]);
    return status;
}

// ---- Groups ----

// One subject for the neighbouring rows of each benchmark.
static int find_subjects(struct gb_timing *list, int count, struct subject *subjects) {
    int found = 0;
    for (int i = 0; i < count; i++) {
        if (i > 0 && list[i].benchmark == list[i - 1].benchmark)
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

// A row with an error has no times.
static void drop_times(struct gb_row *row) {
    free(row->seconds);
    row->seconds = NULL;
    row->repetitions = 0;
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
    for (int i = 0; i < count; i++)
        if (list[i].row.error || status != GB_OK) {
            drop_times(&list[i].row);
            for (int j = 0; j < list[i].layer_count; j++)
                drop_times(&list[i].layers[j].row);
        }
    return status;
}
