// SPDX-License-Identifier: MIT
#include "bench/runner/runner.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/console.h"
#include "base/grow.h"
#include "base/interrupt.h"
#include "base/progress.h"
#include "bench/peaks/peaks.h"
#include "bench/peaks/pin.h"
#include "bench/runner/control.h"
#include "bench/runner/forecast.h"
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
    double cost_all, cost_checks, cost_done, cost_group; // estimated seconds
    const char *problem;                                 // being timed
};

// The rows of a problem and a thread count that the journal does not have; or those of the layers
// that are timed in one pass, on each backend after a row of the pass, which is not kept.
struct group {
    struct gb_timing *rows;
    int count, kept, timed; // timed: by themselves, not in a pass
    struct gb_benchmark passes[GB_GROUP_ROWS];
};

static const char *backend_name(const struct gb_benchmark *benchmark) {
    return benchmark->backend ? benchmark->backend->name : "none";
}

// ---- Groups to time ----

static enum gb_status add_row(struct group *group, const struct gb_benchmark *benchmark,
                              enum gb_cache cache) {
    if (!benchmark->pass && group->timed == GB_GROUP_ROWS)
        return gb_fail(GB_BAD_INPUT, "cannot time", benchmark->problem, "more than %d rows",
                       GB_GROUP_ROWS - 1); // and the control's
    struct gb_timing *rows = gb_grow(group->rows, (size_t)group->count, sizeof *rows);
    if (!rows)
        return gb_no_memory("cannot time", benchmark->problem);
    group->rows = rows;
    group->rows[group->count++] = (struct gb_timing){.benchmark = benchmark, .cache = cache};
    group->timed += !benchmark->pass;
    group->kept += !benchmark->restart_layers;
    return GB_OK;
}

static bool is_known(const struct run *run, const struct gb_benchmark *benchmark,
                     enum gb_cache cache) {
    return gb_journal_find(run->journal, benchmark->problem, backend_name(benchmark),
                           benchmark->threads, cache, run->sweep->launch);
}

static enum gb_status add_rows(const struct run *run, const struct gb_benchmark *benchmark,
                               struct group *group) {
    const bool pass =
        strcmp(benchmark->operation, "step") == 0 || strcmp(benchmark->operation, "sample") == 0;
    if (run->sweep->warm && !is_known(run, benchmark, GB_CACHE_WARM))
        GB_TRY(add_row(group, benchmark, GB_CACHE_WARM));
    if (run->sweep->cold && !pass && !is_known(run, benchmark, GB_CACHE_COLD))
        GB_TRY(add_row(group, benchmark, GB_CACHE_COLD));
    return GB_OK;
}

static bool on_same_threads(const struct gb_benchmark *a, const struct gb_benchmark *b) {
    return a->threads == b->threads;
}

static bool in_same_group(const struct gb_benchmark *a, const struct gb_benchmark *b) {
    return on_same_threads(a, b) && a->pass == b->pass &&
           (a->pass || strcmp(a->problem, b->problem) == 0);
}

static bool in_same_pass(const struct gb_benchmark *a, const struct gb_benchmark *b) {
    return in_same_group(a, b) && a->backend == b->backend;
}

// Whether none of those before it in the list is the same in this respect.
static bool is_first(const struct gb_sweep *sweep, int index,
                     bool (*same)(const struct gb_benchmark *, const struct gb_benchmark *)) {
    for (int i = index - 1; i >= 0; i--)
        if (same(&sweep->list[i], &sweep->list[index]))
            return false;
    return true;
}

// Adds the pass on the backend of layer `first`, and the layers that are timed in it there.
static enum gb_status add_pass(const struct run *run, int first, struct group *group) {
    const struct gb_benchmark *layer = &run->sweep->list[first];
    struct gb_benchmark *pass = &group->passes[group->timed];
    *pass = *layer->pass;
    pass->backend = layer->backend;
    pass->threads = layer->threads;
    bool added = false;
    for (int i = first; i < run->sweep->count; i++) {
        const struct gb_benchmark *other = &run->sweep->list[i];
        if (!in_same_pass(layer, other) || is_known(run, other, GB_CACHE_STEP))
            continue;
        if (!added)
            GB_TRY(add_row(group, pass, GB_CACHE_WARM));
        added = true;
        GB_TRY(add_row(group, other, GB_CACHE_STEP));
    }
    return GB_OK;
}

static enum gb_status add_group(const struct run *run, int first, struct group *group) {
    const struct gb_sweep *sweep = run->sweep;
    for (int i = first; i < sweep->count; i++) {
        if (!in_same_group(&sweep->list[first], &sweep->list[i]))
            continue;
        if (!sweep->list[i].pass)
            GB_TRY(add_rows(run, &sweep->list[i], group));
        else if (is_first(sweep, i, in_same_pass))
            GB_TRY(add_pass(run, i, group));
    }
    return GB_OK;
}

static enum gb_status visit_group(struct run *run, int first,
                                  enum gb_status (*visit)(struct run *, struct group *)) {
    struct group group = {0};
    enum gb_status status = add_group(run, first, &group);
    if (status == GB_OK && group.count > 0)
        status = visit(run, &group);
    free(group.rows);
    return status;
}

// Calls `visit` for every group that has rows to be timed: all of one thread count first, since
// another means pinning again.
static enum gb_status visit_groups(struct run *run,
                                   enum gb_status (*visit)(struct run *, struct group *)) {
    const struct gb_sweep *sweep = run->sweep;
    for (int i = 0; i < sweep->count; i++)
        for (int j = i; j < sweep->count && is_first(sweep, i, on_same_threads); j++)
            if (on_same_threads(&sweep->list[i], &sweep->list[j]) &&
                is_first(sweep, j, in_same_group))
                GB_TRY(visit_group(run, j, visit));
    return GB_OK;
}

// ---- Cost ----

// The rows, the control and the probes of the peaks. The time left is scaled by the time that rows
// really took so far.
static double cost_of_group(const struct run *run, const struct group *group, bool with_checks) {
    const struct gb_sweep *sweep = run->sweep;
    double cost = gb_forecast_group(sweep->repetitions, sweep->cold);
    for (int i = 0; i < group->count; i++) {
        const struct gb_benchmark *benchmark = group->rows[i].benchmark;
        if (!benchmark->pass)
            cost +=
                gb_forecast_row(benchmark, sweep->repetitions,
                                with_checks && !gb_timing_is_checked(benchmark, sweep->verdicts));
    }
    return cost;
}

static enum gb_status count_group(struct run *run, struct group *group) {
    const double cost = cost_of_group(run, group, true);
    run->cost_all += cost;
    run->cost_checks += cost - cost_of_group(run, group, false);
    run->rows_all += group->kept;
    return GB_OK;
}

// Seconds for which a cost lasts, by what was done so far.
static double seconds_of_cost(const struct run *run, double done, double cost) {
    return done > 0 ? cost * (gb_seconds() - run->progress.start) / done : cost;
}

static void show_progress(void *argument, double share) {
    struct run *run = argument;
    if (!gb_progress_due(&run->progress))
        return;
    const double done = run->cost_done + share * run->cost_group;
    const double left = seconds_of_cost(run, done, run->cost_all - done);
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
    run->cpu_count = status == GB_OK ? threads : 0;
    if (status != GB_IO_ERROR) // without pinning, measurements are still worth having
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
    const char *library = b->backend ? b->backend->library : "";
    if (strlen(library) >= sizeof timing->row.library)
        return gb_fail(GB_UNSUPPORTED, "cannot time", b->problem, "the library's name is too long");
    struct gb_row *row = &timing->row;
    *row = (struct gb_row){
        .shares = calloc((size_t)b->share_count + 1, sizeof *row->shares),
        .share_count = b->share_count,
        .threads = b->threads,
        .cache = timing->cache,
        .launch = run->sweep->launch,
        .flops = b->flops,
        .bytes = b->bytes,
        .peak_gflops = NAN,
        .peak_gbs = NAN,
        .reorder_seconds = NAN,
        .counters = gb_counters_unknown,
        .aslr = NAN,
        .huge_page_bytes = NAN,
        .cpus = calloc((size_t)run->cpu_count + 1, sizeof *row->cpus),
        .cpu_count = run->cpu_count,
    };
    if (!row->shares || !row->cpus)
        return gb_no_memory("cannot time", b->problem);
    strcpy(row->problem, b->problem);
    strcpy(row->operation, b->operation);
    strcpy(row->direction, b->direction);
    strcpy(row->library, library);
    snprintf(row->backend, sizeof row->backend, "%s", backend_name(b));
    snprintf(row->label, sizeof row->label, "%s", run->sweep->label ? run->sweep->label : "");
    for (int i = 0; i < b->borrower_count; i++)
        snprintf(row->borrowers[i], GB_WORD, "%s", b->borrowers[i]->name);
    for (int i = 0; i < b->share_count; i++)
        row->shares[i] = b->shares[i];
    memcpy(row->cpus, run->cpus, (size_t)run->cpu_count * sizeof *row->cpus);
    return GB_OK;
}

// Adds a group's part to the control row of its thread count, with the peaks of the last part.
static enum gb_status add_control(struct run *run, struct gb_row *part) {
    struct gb_row *row = run->controls, *end = row + run->control_count;
    if (part->error)
        return GB_OK;
    while (row < end && row->threads != part->threads)
        row++;
    if (row == end) {
        if (run->control_count == GB_MAX_THREAD_COUNTS)
            return gb_fail(GB_BAD_INPUT, "cannot time", part->problem, "more than %d thread counts",
                           GB_MAX_THREAD_COUNTS);
        run->control_count++;
        *row = *part;
        *part = (struct gb_row){0};
        return GB_OK;
    }
    size_t count = (size_t)row->repetitions, more = (size_t)part->repetitions;
    double *seconds = realloc(row->seconds, (count + more) * sizeof *seconds);
    if (!seconds)
        return gb_no_memory("cannot keep rows", row->problem);
    memcpy(seconds + count, part->seconds, more * sizeof *seconds);
    row->seconds = seconds;
    row->counters =
        gb_counters_join(&row->counters, (int)count, &part->counters, part->repetitions);
    row->repetitions += part->repetitions;
    row->peak_gflops = part->peak_gflops;
    row->peak_gbs = part->peak_gbs;
    return GB_OK;
}

static void say_row(const struct gb_row *row) {
    if (row->error)
        gb_say_more("%s, %s, %d thread%s: %s\n", row->problem, row->backend, row->threads,
                    row->threads == 1 ? "" : "s", row->error);
    else
        gb_say_more("%s, %s, %d thread%s, %s: %.4g ms +- %.1f %%, %.0f %% of peak\n", row->problem,
                    row->backend, row->threads, row->threads == 1 ? "" : "s",
                    gb_cache_name(row->cache), 1e3 * row->median_seconds, 50 * row->spread,
                    100 * row->share_of_peak);
}

static enum gb_status keep_row(struct run *run, struct gb_row *row) {
    GB_TRY(gb_row_evaluate(row));
    say_row(row);
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
        .report = group->rows->benchmark->restart_layers ? NULL : run->sweep->report,
        .verdicts = run->sweep->verdicts,
        .progress = show_progress,
        .progress_argument = run,
    };
    for (int i = 0; i < group->count; i++)
        GB_TRY(describe(run, &group->rows[i]));
    GB_TRY(gb_time_group(group->rows, group->count, &options));
    run->warmed_up = true;
    for (int i = 0; i < group->count - 1; i++)
        if (!group->rows[i].benchmark->restart_layers)
            GB_TRY(keep_row(run, &group->rows[i].row));
    return add_control(run, &group->rows[group->count - 1].row);
}

static enum gb_status interrupted(const struct run *run) {
    return gb_fail(GB_INTERRUPTED, "interrupted", run->journal->path ? run->journal->path : "bench",
                   "after %d of %d rows%s", run->rows_done, run->rows_all,
                   run->journal->path ? "; rerun with --resume to continue" : "");
}

static enum gb_status time_group(struct run *run, struct group *group) {
    const struct gb_benchmark *first = group->rows[0].benchmark;
    if (gb_interrupt_asked())
        return interrupted(run);
    run->cost_group = cost_of_group(run, group, true);
    // A group that would not fit is left out; a shorter one may follow.
    const double needed = seconds_of_cost(run, run->cost_done, run->cost_group);
    if (run->sweep->budget > 0 &&
        gb_seconds() - run->progress.start + needed > run->sweep->budget && run->rows_done > 0) {
        run->cost_all -= run->cost_group;
        return GB_OK;
    }
    GB_TRY(pin(run, first->threads));
    run->problem = first->problem;
    show_progress(run, 0);
    const int kept = group->kept;
    const struct gb_benchmark control = gb_control_benchmark(first->threads);
    GB_TRY(add_row(group, &control, GB_CACHE_WARM));
    enum gb_status status = time_rows(run, group);
    for (int i = 0; i < group->count; i++)
        gb_row_free(&group->rows[i].row);
    if (status == GB_INTERRUPTED)
        return interrupted(run);
    run->rows_done += kept;
    run->cost_done += run->cost_group;
    return status;
}

// Whether rows of this launch on so many threads have no control's: a process that was killed
// leaves its rows without.
static bool lacks_control(const struct run *run, int threads) {
    const struct gb_rows *rows = &run->journal->rows;
    bool timed = false;
    for (int i = 0; i < run->control_count; i++)
        if (run->controls[i].threads == threads)
            return false;
    for (size_t i = 0; i < rows->count; i++)
        if (rows->list[i].threads == threads && rows->list[i].launch == run->sweep->launch) {
            if (gb_row_is_control(&rows->list[i]))
                return false;
            timed = timed || !rows->list[i].error;
        }
    return timed;
}

static enum gb_status time_control(struct run *run, int threads) {
    struct group group = {0};
    const struct gb_benchmark control = gb_control_benchmark(threads);
    GB_TRY(pin(run, threads));
    run->problem = control.problem;
    enum gb_status status = add_row(&group, &control, GB_CACHE_WARM);
    if (status == GB_OK) {
        run->cost_all += run->cost_group = cost_of_group(run, &group, false);
        status = time_rows(run, &group);
        run->cost_done += run->cost_group;
        gb_row_free(&group.rows->row);
    }
    free(group.rows);
    return status == GB_INTERRUPTED ? interrupted(run) : status;
}

static enum gb_status time_missing_controls(struct run *run) {
    const struct gb_sweep *sweep = run->sweep;
    for (int i = 0; i < sweep->count; i++)
        if (is_first(sweep, i, on_same_threads) && lacks_control(run, sweep->list[i].threads))
            GB_TRY(time_control(run, sweep->list[i].threads));
    return GB_OK;
}

// ---- The sweep ----

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

enum gb_status gb_sweep_forecast(const struct gb_sweep *sweep, struct gb_journal *journal,
                                 struct gb_forecast *forecast) {
    struct run run = {.sweep = sweep, .journal = journal};
    enum gb_status status = visit_groups(&run, count_group);
    *forecast = (struct gb_forecast){run.rows_all, run.cost_all, run.cost_checks};
    return status;
}

enum gb_status gb_sweep_run(const struct gb_sweep *sweep, struct gb_journal *journal) {
    struct run run = {.sweep = sweep,
                      .journal = journal,
                      .memory_bytes = gb_memory_working_set(journal->machine)};
    gb_progress_begin(&run.progress, "bench", 0, 0);
    gb_interrupt_watch();
    enum gb_status status = visit_groups(&run, count_group);
    char duration[32];
    gb_duration_text(run.cost_all, duration);
    gb_say("%d row%s to time, about %s\n", run.rows_all, run.rows_all == 1 ? "" : "s", duration);
    if (sweep->budget == 0)
        gb_forecast_warn(run.cost_all);
    if (status == GB_OK)
        status = visit_groups(&run, time_group);
    if (status == GB_OK)
        status = time_missing_controls(&run);
    const bool keep = status == GB_OK || status == GB_INTERRUPTED;
    for (int i = 0; i < run.control_count && keep; i++) {
        const enum gb_status kept = keep_row(&run, &run.controls[i]);
        status = kept == GB_OK ? status : kept;
    }
    if (status == GB_OK)
        status = verdict(&run);
    for (int i = 0; i < run.control_count; i++)
        gb_row_free(&run.controls[i]);
    gb_interrupt_unwatch();
    unpin(&run);
    gb_progress_end(&run.progress);
    if (status == GB_OK && run.rows_done < run.rows_all)
        gb_say("the budget was used after %d of %d rows%s\n", run.rows_done, run.rows_all,
               journal->path ? "; --resume times the rest" : "");
    return status;
}
