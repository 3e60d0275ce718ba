// SPDX-License-Identifier: MIT
#include "bench/peaks/meter.h"

#include <assert.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/clock.h"
#include "base/quantile.h"
#include "kernels/backend.h"
#include "kernels/cpu.h"
#include "kernels/parallel.h"
#include "kernels/tensor.h"

const char *const gb_stream_names[GB_STREAMS] = {"read", "copy", "triad", "update"};
static const struct {
    int arrays, bytes; // bytes per element counted
} streams[GB_STREAMS] = {{1, 4}, {2, 8}, {3, 12}, {3, 24}};

const struct gb_fma_body *const *gb_fma_bodies(void) {
#define LIST(isa) &gb_fma_body__##isa,
    static const struct gb_fma_body *const fp32[] = {GB_ISAS(LIST)}, *const bf16[] = {
                                                                         GB_DOT_ISAS(LIST) NULL};
#undef LIST
    enum { FP32 = sizeof fp32 / sizeof *fp32, BF16 = sizeof bf16 / sizeof *bf16 - 1 };
    static const struct gb_fma_body *bodies[FP32 + BF16 + 1];
    _Static_assert(FP32 + BF16 <= GB_MAX_FMA_BODIES, "room for all");
    const size_t amx = offsetof(struct gb_cpu, amx_bf16);
    int count = 0;
    for (int i = 0; i < FP32; i++)
        if (gb_cpu_has(fp32[i]->cpu_level))
            bodies[count++] = fp32[i];
    count -= count > 1; // scalar, the last, is for a CPU that runs no other
    for (int i = 0; i < BF16; i++)
        if (bf16[i]->cpu_level == amx ? gb_cpu_enable_amx() : gb_cpu_has(bf16[i]->cpu_level))
            bodies[count++] = bf16[i];
    bodies[count] = NULL;
    return bodies;
}

static gb_stream_fn stream_body(enum gb_stream stream) {
#define PICK(isa)                                                                                  \
    if (gb_cpu_has(gb_fma_body__##isa.cpu_level))                                                  \
        return gb_streams__##isa[stream];
    GB_ISAS(PICK)
#undef PICK
    return gb_streams__scalar[stream];
}

// ---- Memory

// Arrays are two pages apart, so that no prefetch runs from one into the next, and 512 bytes, so
// that equal positions of all arrays do not share cache sets.
enum { GAP = 2 * 1024 + 128, LARGE_PAGE = 2 << 20 };

static size_t array_floats(const struct gb_meter *meter, enum gb_stream stream) {
    return meter->share / (size_t)streams[stream].arrays / GB_STREAM_CHUNK * GB_STREAM_CHUNK;
}

static void touch_share(void *argument, int rank, int size) {
    (void)size;
    const struct gb_meter *meter = argument;
    float *share = meter->block + (size_t)rank * meter->stride;
    for (size_t i = 0; i < meter->stride; i++)
        share[i] = 1.0f;
}

enum gb_status gb_meter_open(struct gb_meter *meter, int threads, size_t working_set) {
    size_t least = GB_STREAM_ARRAYS * GB_STREAM_CHUNK;
    size_t share = working_set / (size_t)threads / sizeof(float);
    *meter = (struct gb_meter){.threads = threads, .share = share < least ? least : share};
    // Shares are in separate huge pages: with small pages the triad of two threads had 30 GB/s at
    // best, 28 in the median and 16 in a quarter of the trials; with huge pages 31, 31 and 30.
    meter->stride =
        gb_round_up(meter->share + (GB_STREAM_ARRAYS - 1) * GAP, LARGE_PAGE / sizeof(float));
    size_t bytes = (size_t)threads * meter->stride * sizeof(float);
    meter->block = aligned_alloc(LARGE_PAGE, bytes);
    meter->spans = calloc((size_t)threads, sizeof *meter->spans);
    if (!meter->block || !meter->spans) {
        gb_meter_close(meter);
        return gb_fail(GB_OUT_OF_MEMORY, "cannot measure peaks", "working set", "%zu bytes", bytes);
    }
#if defined(MADV_HUGEPAGE)
    madvise(meter->block, bytes, MADV_HUGEPAGE); // only advice: without it, it is slower
#endif
    gb_parallel(threads, touch_share, meter);
    return GB_OK;
}

void gb_meter_close(struct gb_meter *meter) {
    free(meter->block);
    free(meter->spans);
    *meter = (struct gb_meter){0};
}

// ---- Trials

enum { LONG_TRIES = 3, MAX_TRIALS = 256, SURPASSED_BY = 8 };
// Other load makes trials take longer. How much longer all of them may take.
enum { PATIENCE = 4 };

struct series {
    const struct gb_meter *meter;
    struct gb_meter_job *job;
    double trial_seconds, deadline;
    // The current trial, the same for all ranks.
    size_t begin, count, rounds;
    bool done;
    atomic_size_t arrivals;
    // Of rank 0 only:
    int long_tries; // while it determines the work of a trial
    int trials, measured;
    double rates[MAX_TRIALS];
};

// Takes a loop's result, so that the compiler cannot remove the loop.
static _Thread_local volatile float sink;

static void run_trial(const struct series *series, int rank) {
    const struct gb_meter *meter = series->meter;
    const struct gb_meter_job *job = series->job;
    if (job->fma) {
        sink = job->fma->run(series->rounds);
        return;
    }
    size_t floats = array_floats(meter, job->stream);
    float *share = meter->block + (size_t)rank * meter->stride, *arrays[GB_STREAM_ARRAYS];
    for (int array = 0; array < GB_STREAM_ARRAYS; array++)
        arrays[array] = share + (size_t)array * (floats + GAP) + series->begin;
    sink = stream_body(job->stream)(arrays, series->count, series->rounds);
}

// All of the arrays several times, or the next part of them.
static void lay_out(struct series *series) {
    struct gb_meter_job *job = series->job;
    series->rounds = job->work;
    if (job->fma)
        return;
    size_t floats = array_floats(series->meter, job->stream);
    series->count = job->work < floats ? gb_round_up(job->work, GB_STREAM_CHUNK) : floats;
    series->rounds = job->work < floats ? 1 : job->work / floats;
    series->begin = job->position + series->count <= floats ? job->position : 0;
    job->position = series->begin + series->count;
}

static double trial_rate(const struct series *series, double seconds, int size) {
    const struct gb_meter_job *job = series->job;
    double each = job->fma ? job->fma->flops_a_round
                           : (double)streams[job->stream].bytes * (double)series->count;
    return each * (double)series->rounds * size / seconds;
}

// Evaluates the trial that all ranks have run, and prepares the next.
static void next_trial(struct series *series, int size) {
    const struct gb_meter_span *spans = series->meter->spans;
    struct gb_meter_span all = spans[0];
    for (int rank = 1; rank < size; rank++) {
        all.begin = spans[rank].begin < all.begin ? spans[rank].begin : all.begin;
        all.end = spans[rank].end > all.end ? spans[rank].end : all.end;
    }
    double seconds = all.end - all.begin;
    if (series->long_tries == LONG_TRIES) {
        series->rates[series->measured++] = trial_rate(series, seconds, size);
        bool late = all.end > series->deadline && series->measured > SURPASSED_BY;
        series->done = late || series->measured == series->trials;
    } else if (spans[0].end - spans[0].begin >= series->trial_seconds) {
        // By rank 0 alone, which is disturbed less often than any of all ranks.
        series->long_tries++;
    } else {
        series->job->work *= 2;
        series->long_tries = 0;
    }
    lay_out(series);
}

// Waits for all ranks, which then continue within a microsecond of each other; a barrier that
// sleeps would leave them tens of microseconds apart.
static void gather(struct series *series, int size) {
    size_t ticket = atomic_fetch_add(&series->arrivals, 1), ranks = (size_t)size;
    while (atomic_load(&series->arrivals) < (ticket / ranks + 1) * ranks)
        sched_yield();
}

static void run_series(void *argument, int rank, int size) {
    struct series *series = argument;
    while (!series->done) {
        gather(series, size);
        series->meter->spans[rank].begin = gb_seconds();
        run_trial(series, rank);
        series->meter->spans[rank].end = gb_seconds();
        gather(series, size);
        if (rank == 0)
            next_trial(series, size);
        gather(series, size);
    }
}

double gb_meter_rate(struct gb_meter *meter, struct gb_meter_job *job, double trial_seconds,
                     int trials) {
    assert(trials >= 1 && trials <= MAX_TRIALS);
    struct series series = {
        .meter = meter,
        .job = job,
        .trial_seconds = trial_seconds,
        .deadline = gb_seconds() + PATIENCE * trials * trial_seconds,
        .trials = trials,
        .long_tries = job->work ? LONG_TRIES : 0,
    };
    if (!job->work)
        job->work = GB_STREAM_CHUNK;
    lay_out(&series);
    gb_parallel(meter->threads, run_series, &series);
    gb_sort(series.rates, series.measured);
    return series.rates[series.measured - 1 - series.measured / SURPASSED_BY];
}
