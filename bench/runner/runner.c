// SPDX-License-Identifier: MIT
#include "bench/runner/runner.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/interrupt.h"
#include "base/progress.h"
#include "bench/peaks/peaks.h"
#include "bench/peaks/pin.h"
#include "bench/runner/control.h"
#include "bench/runner/timing.h"

struct run {
    const struct gb_sweep *sweep;
    struct gb_journal *journal;
    int threads, *cpus;  // that are pinned; threads 0: none yet
    int cpu_count;       // 0: pinning failed
    size_t memory_bytes; // of a working set beyond all caches
    struct gb_probe memory_probe;
    bool probe_open;
    bool warmed_up;                               // the pinned threads
    struct gb_row controls[GB_MAX_THREAD_COUNTS]; // so far
    int control_count;
    struct gb_progress progress;
    int rows_all, rows_done;
    double cost_all, cost_done, cost_group; // estimated seconds
    const char *problem;                    // being timed
};

// The rows of a problem and a thread count that the journal does not have; or those of the layers
// that are timed in one pass, with the pass on each backend in `rows`.
struct group {
    struct gb_timing rows[GB_GROUP_ROWS];
    int count;
    struct gb_benchmark passes[GB_GROUP_ROWS]; // of `rows`
    struct gb_timing *layers;                  // NULL: these are no layers
    int layer_count;
};

static const char *backend_name(const struct gb_benchmark *benchmark) {
    return benchmark->backend ? benchmark->backend->name : "none";
}

// ---- Groups to time ----

static bool wanted(const struct gb_sweep *sweep, const struct gb_benchmark *benchmark,
                   enum gb_cache cache) {
    const bool model =
        strcmp(benchmark->operation, "step") == 0 || strcmp(benchmark->operation, "sample") == 0;
    return cache == GB_CACHE_COLD ? sweep->cold && !model : sweep->warm;
}

static enum gb_status add_rows(const struct run *run, const struct gb_benchmark *benchmark,
                               struct group *group) {
    for (enum gb_cache cache = GB_CACHE_WARM; cache <= GB_CACHE_COLD; cache++) {
        if (!wanted(run->sweep, benchmark, cache) ||
            gb_journal_find(run->journal, benchmark->problem, backend_name(benchmark),
                            benchmark->threads, cache, run->sweep->launch))
            continue;
        if (group->count == GB_GROUP_ROWS - 1) // the last is for the control
            return gb_fail(GB_BAD_INPUT, "cannot time", benchmark->problem, "more than %d rows",
                           GB_GROUP_ROWS - 1);
        group->rows[group->count++] = (struct gb_timing){.benchmark = benchmark, .cache = cache};
    }
    return GB_OK;
}

static bool is_first_of_its_threads(const struct gb_sweep *sweep, int index) {
    for (int i = 0; i < index; i++)
        if (sweep->list[i].threads == sweep->list[index].threads)
            return false;
    return true;
}

// Adds the pass on the backend of layer `first`, and the layers that are timed in it there.
static enum gb_status add_pass(const struct run *run, int first, struct group *group) {
    const struct gb_sweep *sweep = run->sweep;
    const struct gb_benchmark *layer = &sweep->list[first];
    struct gb_timing *layers = group->layers + group->layer_count;
    int added = 0;
    for (int i = first; i < sweep->count; i++) {
        const struct gb_benchmark *b = &sweep->list[i];
        if (b->pass == layer->pass && b->backend == layer->backend &&
            b->threads == layer->threads &&
            !gb_journal_find(run->journal, b->problem, backend_name(b), b->threads, GB_CACHE_STEP,
                             sweep->launch))
            layers[added++] = (struct gb_timing){.benchmark = b, .cache = GB_CACHE_STEP};
    }
    if (added == 0)
        return GB_OK;
    if (group->count == GB_GROUP_ROWS - 1) // the last is for the control
        return gb_fail(GB_BAD_INPUT, "cannot time", layer->problem, "more than %d backends",
                       GB_GROUP_ROWS - 1);
    struct gb_benchmark *pass = &group->passes[group->count];
    *pass = *layer->pass;
    pass->backend = layer->backend;
    pass->threads = layer->threads;
    group->rows[group->count++] =
        (struct gb_timing){.benchmark = pass, .layers = layers, .layer_count = added};
    group->layer_count += added;
    return GB_OK;
}

// Whether the list has no layer of this pass and these threads before; `on`: on this backend.
static bool is_first_of_its_pass(const struct gb_sweep *sweep, int index, bool on) {
    const struct gb_benchmark *b = &sweep->list[index];
    for (int i = 0; i < index; i++)
        if (sweep->list[i].pass == b->pass && sweep->list[i].threads == b->threads &&
            (!on || sweep->list[i].backend == b->backend))
            return false;
    return true;
}

// The layers that are timed together with the first of them.
static enum gb_status visit_pass(struct run *run, int first,
                                 enum gb_status (*visit)(struct run *, struct group *)) {
    const struct gb_sweep *sweep = run->sweep;
    const struct gb_benchmark *layer = &sweep->list[first];
    struct group group = {.layers = calloc((size_t)sweep->count, sizeof *group.layers)};
    if (!group.layers)
        return gb_no_memory("cannot time", layer->problem);
    enum gb_status status = GB_OK;
    for (int i = first; i < sweep->count && status == GB_OK; i++)
        if (sweep->list[i].pass == layer->pass && sweep->list[i].threads == layer->threads &&
            is_first_of_its_pass(sweep, i, true))
            status = add_pass(run, i, &group);
    if (status == GB_OK && group.layer_count > 0)
        status = visit(run, &group);
    free(group.layers);
    return status;
}

// Calls `visit` for every group that has rows to be timed: all of one thread count first, since
// another means pinning again.
static enum gb_status visit_groups(struct run *run,
                                   enum gb_status (*visit)(struct run *, struct group *)) {
    const struct gb_sweep *sweep = run->sweep;
    for (int i = 0; i < sweep->count; i++) {
        if (!is_first_of_its_threads(sweep, i))
            continue;
        for (int first = 0, end; first < sweep->count; first = end) {
            if (sweep->list[first].pass) {
                end = first + 1;
                if (sweep->list[first].threads == sweep->list[i].threads &&
                    is_first_of_its_pass(sweep, first, false))
                    GB_TRY(visit_pass(run, first, visit));
                continue;
            }
            const char *problem = sweep->list[first].problem;
            struct group group = {.count = 0};
            for (end = first; end < sweep->count && !strcmp(sweep->list[end].problem, problem);
                 end++)
                if (sweep->list[end].threads == sweep->list[i].threads)
                    GB_TRY(add_rows(run, &sweep->list[end], &group));
            if (group.count > 0)
                GB_TRY(visit(run, &group));
        }
    }
    return GB_OK;
}

// ---- Cost ----

// Estimated seconds of a row on a common CPU. Only proportions matter: the time left is scaled by
// the time that rows really took so far.
static double cost_of(const struct gb_benchmark *benchmark, int repetitions) {
    const double flops = 50e9, reference_flops = 2e9, bytes = 5e9; // per second
    const double shortest = 0.03; // of a repetition, with its preparation
    double run = fmax(benchmark->flops / flops / benchmark->threads, benchmark->bytes / bytes);
    double check = benchmark->check_flops / reference_flops + benchmark->bytes / bytes + 2 * run;
    return 2 * check + (1 + repetitions) * fmax(shortest, 2 * run);
}

// The rows, the control and the probes of the peaks.
static double cost_of_group(const struct run *run, const struct group *group) {
    const double control_and_probes = 0.05;
    double cost = control_and_probes * run->sweep->repetitions;
    for (int i = 0; i < group->count; i++)
        cost += cost_of(group->rows[i].benchmark, run->sweep->repetitions);
    return cost;
}

static int rows_of(const struct group *group) {
    return group->layers ? group->layer_count : group->count;
}

static enum gb_status count_group(struct run *run, struct group *group) {
    run->cost_all += cost_of_group(run, group);
    run->rows_all += rows_of(group);
    return GB_OK;
}

static void show_progress(void *argument, double share) {
    struct run *run = argument;
    if (!gb_progress_due(&run->progress))
        return;
    double done = run->cost_done + share * run->cost_group, left = run->cost_all - done;
    if (done > 0)
        left *= (gb_seconds() - run->progress.start) / done;
    char duration[32], text[GB_PROBLEM + 128];
    gb_duration_text(left, duration);
    snprintf(text, sizeof text, "%d/%d rows  %s left  %s, %d thread%s", run->rows_done,
             run->rows_all, duration, run->problem, run->threads, run->threads == 1 ? "" : "s");
    gb_progress_show(&run->progress, done / run->cost_all, text);
}

// ---- Threads ----

static void unpin(struct run *run) {
    if (run->probe_open)
        gb_probe_close(&run->memory_probe);
    run->probe_open = false;
    gb_unpin_threads();
    free(run->cpus);
    run->cpus = NULL;
}

static enum gb_status pin(struct run *run, int threads) {
    if (run->threads == threads)
        return GB_OK;
    unpin(run);
    run->threads = threads;
    run->warmed_up = false;
    run->cpus = calloc((size_t)threads, sizeof *run->cpus);
    if (!run->cpus)
        return gb_no_memory("cannot pin threads", "bench");
    enum gb_status status = gb_pin_threads(threads, run->cpus);
    // Without pinning, measurements are still worth having.
    run->cpu_count = status == GB_OK ? threads : 0;
    if (status != GB_IO_ERROR)
        GB_TRY(status);
    if (run->sweep->cold) {
        GB_TRY(gb_probe_open(&run->memory_probe, threads, run->memory_bytes));
        run->probe_open = true;
    }
    return GB_OK;
}

// ---- Rows ----

// Fills in what a row has besides its times.
static enum gb_status describe(const struct run *run, struct gb_timing *timing) {
    const struct gb_benchmark *b = timing->benchmark;
    struct gb_row *row = &timing->row;
    memcpy(row->problem, b->problem, sizeof row->problem);
    memcpy(row->operation, b->operation, sizeof row->operation);
    memcpy(row->direction, b->direction, sizeof row->direction);
    snprintf(row->backend, sizeof row->backend, "%s", backend_name(b));
    const char *library = b->backend ? b->backend->library : "";
    if (strlen(library) >= sizeof row->library)
        return gb_fail(GB_UNSUPPORTED, "cannot time", b->problem, "the library's name is too long");
    strcpy(row->library, library);
    for (int i = 0; i < b->borrower_count; i++)
        snprintf(row->borrowers[i], GB_WORD, "%s", b->borrowers[i]->name);
    row->threads = b->threads;
    row->cache = timing->cache;
    row->launch = run->sweep->launch;
    row->flops = b->flops;
    row->bytes = b->bytes;
    row->reorder_seconds = row->peak_gflops = row->peak_gbs = NAN;
    row->shares = calloc((size_t)b->share_count + 1, sizeof *row->shares);
    row->cpus = calloc((size_t)run->cpu_count + 1, sizeof *row->cpus);
    if (!row->shares || !row->cpus)
        return gb_no_memory("cannot time", b->problem);
    row->share_count = b->share_count;
    for (int i = 0; i < b->share_count; i++)
        row->shares[i] = b->shares[i];
    row->cpu_count = run->cpu_count;
    memcpy(row->cpus, run->cpus, (size_t)run->cpu_count * sizeof *row->cpus);
    return GB_OK;
}

// Adds a group's part to the control row of its thread count. The peaks are those of the last
// part.
static enum gb_status add_control(struct run *run, struct gb_row *part) {
    int i = 0;
    while (i < run->control_count && run->controls[i].threads != part->threads)
        i++;
    if (part->error)
        return GB_OK;
    if (i == run->control_count) {
        if (i == GB_MAX_THREAD_COUNTS)
            return gb_fail(GB_BAD_INPUT, "cannot time", part->problem, "more than %d thread counts",
                           GB_MAX_THREAD_COUNTS);
        run->controls[run->control_count++] = *part;
        *part = (struct gb_row){0};
        return GB_OK;
    }
    struct gb_row *row = &run->controls[i];
    size_t count = (size_t)row->repetitions, more = (size_t)part->repetitions;
    double *seconds = realloc(row->seconds, (count + more) * sizeof *seconds);
    if (!seconds)
        return gb_no_memory("cannot keep rows", row->problem);
    memcpy(seconds + count, part->seconds, more * sizeof *seconds);
    row->seconds = seconds;
    row->repetitions += part->repetitions;
    row->peak_gflops = part->peak_gflops;
    row->peak_gbs = part->peak_gbs;
    return GB_OK;
}

static enum gb_status keep_row(struct run *run, struct gb_row *row) {
    GB_TRY(gb_row_evaluate(row));
    return gb_journal_add(run->journal, row);
}

// ---- Groups ----

// The last row of `group` is that of the control.
static enum gb_status time_rows(struct run *run, struct group *group) {
    // Idle CPUs take tens of milliseconds to reach their full clock.
    const double first_warm_up = 0.2;
    const struct gb_timing_options options = {
        .warm_up = run->warmed_up ? 0 : first_warm_up,
        .repetitions = run->sweep->repetitions,
        .memory_bytes = run->memory_bytes,
        .memory_probe = run->probe_open ? &run->memory_probe : NULL,
        .report = group->layers ? NULL : run->sweep->report,
        .progress = show_progress,
        .progress_argument = run,
    };
    for (int i = 0; i < group->count; i++)
        GB_TRY(describe(run, &group->rows[i]));
    for (int i = 0; i < group->layer_count; i++)
        GB_TRY(describe(run, &group->layers[i]));
    GB_TRY(gb_time_group(group->rows, group->count, &options));
    run->warmed_up = true;
    const struct gb_timing *end = group->layers + group->layer_count;
    for (struct gb_timing *layer = group->layers; layer < end; layer++)
        GB_TRY(keep_row(run, &layer->row));
    for (int i = 0; i < group->count - 1 && !group->layers; i++)
        GB_TRY(keep_row(run, &group->rows[i].row));
    return add_control(run, &group->rows[group->count - 1].row);
}

static enum gb_status time_group(struct run *run, struct group *group) {
    const struct gb_benchmark *first = group->rows[0].benchmark;
    if (gb_interrupt_asked())
        return gb_fail(GB_INTERRUPTED, "interrupted",
                       run->journal->path ? run->journal->path : "bench", "after %d of %d rows%s",
                       run->rows_done, run->rows_all,
                       run->journal->path ? "; rerun with --resume to continue" : "");
    GB_TRY(pin(run, first->threads));
    run->problem = first->problem;
    run->cost_group = cost_of_group(run, group);
    show_progress(run, 0);
    struct gb_benchmark control = gb_control_benchmark(first->threads);
    group->rows[group->count++] = (struct gb_timing){.benchmark = &control};
    enum gb_status status = time_rows(run, group);
    for (int i = 0; i < group->count; i++)
        gb_row_free(&group->rows[i].row);
    for (int i = 0; i < group->layer_count; i++)
        gb_row_free(&group->layers[i].row);
    group->count--;
    run->rows_done += rows_of(group);
    run->cost_done += run->cost_group;
    return status;
}

// ---- The sweep ----

static void show_size(const struct run *run) {
    char duration[32];
    gb_duration_text(run->cost_all, duration);
    printf("%d row%s to time, about %s\n", run->rows_all, run->rows_all == 1 ? "" : "s", duration);
    fflush(stdout);
}

static enum gb_status keep_controls(struct run *run) {
    for (int i = 0; i < run->control_count; i++)
        GB_TRY(keep_row(run, &run->controls[i]));
    return GB_OK;
}

// GB_CHECK_FAILED if a row of this launch has an error.
static enum gb_status verdict(const struct run *run) {
    const struct gb_rows *rows = &run->journal->rows;
    const struct gb_row *first = NULL;
    int failed = 0;
    for (size_t i = 0; i < rows->count; i++)
        if (rows->list[i].error && rows->list[i].launch == run->sweep->launch) {
            first = first ? first : &rows->list[i];
            failed++;
        }
    if (!first)
        return GB_OK;
    return gb_fail(GB_CHECK_FAILED, "rows without a time", first->backend, "%d, the first: %s: %s",
                   failed, first->problem, first->error);
}

enum gb_status gb_sweep_run(const struct gb_sweep *sweep, struct gb_journal *journal) {
    struct run run = {.sweep = sweep,
                      .journal = journal,
                      .memory_bytes = gb_memory_working_set(journal->machine)};
    gb_progress_begin(&run.progress, "bench", 0, 0);
    gb_interrupt_watch();
    enum gb_status status = visit_groups(&run, count_group);
    show_size(&run);
    if (status == GB_OK)
        status = visit_groups(&run, time_group);
    if (status == GB_OK || status == GB_INTERRUPTED) {
        enum gb_status kept = keep_controls(&run);
        status = kept == GB_OK ? status : kept;
    }
    if (status == GB_OK)
        status = verdict(&run);
    for (int i = 0; i < run.control_count; i++)
        gb_row_free(&run.controls[i]);
    gb_interrupt_unwatch();
    unpin(&run);
    gb_progress_end(&run.progress);
    return status;
}
