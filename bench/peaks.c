// SPDX-License-Identifier: MIT
#include "bench/peaks.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "bench/peaks_body.h"
#include "kernels/backend.h"
#include "kernels/parallel.h"
#include "tasks/clock.h"

// A trial is long enough that starting the threads does not count (tens of microseconds on a quiet
// machine), and there are enough of them that one is undisturbed.
static const double trial_seconds = 0.01, all_trials_seconds = 0.2;
enum { MIN_TRIALS = 3, ARRAYS = 3, MAX_LEVELS = 4, MAX_TEAMS = 3 };

enum loop { FMA, READ, COPY, TRIAD, UPDATE, LOOPS };
static const int loop_bytes[LOOPS] = {0, 4, 8, 12, 24};

struct work {
    const struct gb_peaks_body *body;
    enum loop loop;
    size_t rounds;
    float *block; // every thread's arrays, one after the other
    size_t count; // floats in each array of each thread, whole chunks
};

// Two pages lie between arrays, so that no prefetch strays into those of another thread, and 512
// bytes, so that equal places of all arrays do not share a cache's sets.
enum { GAP = 2 * 1024 + 128 };

static float *array_of(const struct work *work, int rank, int array) {
    return work->block + (size_t)(rank * ARRAYS + array) * (work->count + GAP);
}

// Where a loop leaves its result, so that the compiler cannot drop it.
static _Thread_local volatile float sink;

static void run_share(void *argument, int rank, int size) {
    (void)size;
    const struct work *work = argument;
    const struct gb_peaks_body *body = work->body;
    if (work->loop == FMA) {
        sink = body->fma(work->rounds);
        return;
    }
    float *a = array_of(work, rank, 0), *b = array_of(work, rank, 1), *c = array_of(work, rank, 2);
    const float tiny = 1e-9f; // the values stay normal numbers, however often they are updated
    float sum = 0;
    for (size_t round = 0; round < work->rounds; round++) {
        if (work->loop == READ)
            sum += body->read(a, work->count);
        else if (work->loop == COPY)
            body->copy(a, b, work->count);
        else if (work->loop == TRIAD)
            body->triad(a, b, c, tiny, work->count);
        else
            body->update(a, b, c, tiny, work->count);
    }
    sink = sum;
}

static void touch_share(void *argument, int rank, int size) {
    (void)size;
    const struct work *work = argument;
    for (int array = 0; array < ARRAYS; array++)
        for (size_t i = 0; i < work->count; i++)
            array_of(work, rank, array)[i] = 1.0f;
}

static double run_seconds(struct work *work, int threads) {
    double start = gb_seconds();
    gb_parallel(threads, run_share, work);
    return gb_seconds() - start;
}

// How many rounds make a trial. Found on one thread: where other work holds a processor, starting a
// team can take longer than a trial. Again where a try was long, since it may have been disturbed.
static size_t rounds_of_trial(struct work *work) {
    work->rounds = 1;
    for (int long_tries = 0; long_tries < MIN_TRIALS;) {
        if (run_seconds(work, 1) >= trial_seconds) {
            long_tries++;
        } else {
            work->rounds *= 2;
            long_tries = 0;
        }
    }
    return work->rounds;
}

// The seconds of one round, at best.
static double best_seconds(struct work *work, enum loop loop, int threads) {
    work->loop = loop;
    work->rounds = rounds_of_trial(work);
    double best = INFINITY, spent = 0;
    for (int trial = 0; trial < MIN_TRIALS || spent < all_trials_seconds; trial++) {
        double seconds = run_seconds(work, threads);
        best = fmin(best, seconds / (double)work->rounds);
        spent += seconds;
    }
    return best;
}

// What is measured: the instruction sets that this CPU runs, best first, and where data may lie.
struct level {
    char name[8];
    size_t bytes; // of one cache; 0: memory
    int instances;
};

struct walls {
    const struct gb_peaks_body *bodies[3];
    int body_count;
    struct level levels[MAX_LEVELS];
    int level_count;
    size_t memory_bytes;
};

static bool runs(const char *isa) {
    for (const struct gb_backend *const *b = gb_backends(); *b; b++)
        if (strcmp((*b)->name, isa) == 0)
            return gb_backend_supported(*b);
    return false;
}

static void find_walls(const json_t *machine, struct walls *walls) {
    const struct gb_peaks_body *const bodies[] = {
#if defined(__x86_64__)
        &gb_peaks_body__avx512,
        &gb_peaks_body__avx2,
#endif
        &gb_peaks_body__scalar,
    };
    *walls = (struct walls){0};
    for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++)
        if (runs(bodies[i]->isa))
            walls->bodies[walls->body_count++] = bodies[i];
    // Plain C says nothing of a CPU that has vectors.
    if (walls->body_count > 1)
        walls->body_count--;

    size_t index;
    json_t *cache;
    json_array_foreach(json_object_get(machine, "caches"), index, cache) {
        struct level *level = &walls->levels[walls->level_count++];
        snprintf(level->name, sizeof level->name, "L%d",
                 (int)json_integer_value(json_object_get(cache, "level")));
        level->bytes = (size_t)json_integer_value(json_object_get(cache, "bytes"));
        level->instances = (int)json_integer_value(json_object_get(cache, "instances"));
    }
    strcpy(walls->levels[walls->level_count++].name, "memory");
    walls->memory_bytes = (size_t)json_integer_value(json_object_get(machine, "memory_bytes"));
}

// All of a level that so many threads can reach; the scheduler spreads them over its caches.
static double reach(const struct level *level, int threads) {
    return (double)level->bytes * fmin(level->instances, threads);
}

// Bytes of each array. Half of L1; then the geometric mean of a level and the one below it, which
// is well out of the one and into the other; then 256 MiB, more than the share of a last-level
// cache that one machine among many gets, or a sixteenth of the memory where that is less. 0: the
// level holds no more than the one below it.
static double array_bytes(const struct walls *walls, int index, int threads) {
    const struct level *level = &walls->levels[index];
    if (level->bytes == 0)
        return fmin(256 << 20, (double)walls->memory_bytes / 16);
    double bytes = reach(level, threads);
    if (index == 0)
        return bytes / 2 / ARRAYS;
    double below = reach(level - 1, threads);
    return bytes > below ? sqrt(bytes * below) / ARRAYS : 0;
}

static json_t *measure_level(struct work *work, const struct level *level, int threads) {
    double count = (double)work->count * threads;
    double gbs[LOOPS];
    gb_parallel(threads, touch_share, work);
    for (int loop = READ; loop < LOOPS; loop++)
        gbs[loop] = 1e-9 * loop_bytes[loop] * count / best_seconds(work, loop, threads);
    return json_pack("{s:s, s:i, s:I, s:f, s:f, s:f, s:f}", "level", level->name, "threads",
                     threads, "array_bytes", (json_int_t)(4 * count), "read_gbs", gbs[READ],
                     "copy_gbs", gbs[COPY], "triad_gbs", gbs[TRIAD], "update_gbs", gbs[UPDATE]);
}

static enum gb_status measure_bandwidth(const struct walls *walls, int threads, json_t *rows) {
    for (int index = 0; index < walls->level_count; index++) {
        struct work work = {.body = walls->bodies[0]};
        double bytes = array_bytes(walls, index, threads) / threads;
        work.count = (size_t)(bytes / sizeof(float)) / GB_PEAKS_CHUNK * GB_PEAKS_CHUNK;
        if (work.count == 0)
            continue;
        // Large pages, where the system gives them: a wall is what the machine can do.
        const size_t large_page = 2 << 20;
        size_t block_bytes =
            gb_round_up((size_t)threads * ARRAYS * (work.count + GAP) * sizeof(float), large_page);
        work.block = aligned_alloc(large_page, block_bytes);
        if (!work.block)
            return gb_fail(GB_OUT_OF_MEMORY, "cannot measure bandwidth", walls->levels[index].name,
                           "%zu bytes", block_bytes);
        madvise(work.block, block_bytes, MADV_HUGEPAGE);
        json_array_append_new(rows, measure_level(&work, &walls->levels[index], threads));
        free(work.block);
    }
    return GB_OK;
}

static void measure_fma(const struct walls *walls, int threads, json_t *rows) {
    for (int i = 0; i < walls->body_count; i++) {
        struct work work = {.body = walls->bodies[i]};
        double flops = 2.0 * work.body->fmas_a_round * threads;
        json_array_append_new(rows, json_pack("{s:s, s:i, s:f}", "isa", work.body->isa, "threads",
                                              threads, "gflops",
                                              1e-9 * flops / best_seconds(&work, FMA, threads)));
    }
}

static double number(const json_t *row, const char *key) {
    return json_number_value(json_object_get(row, key));
}

struct gb_peaks gb_peaks_at(const json_t *report, int threads) {
    struct gb_peaks peaks = {0};
    size_t index;
    json_t *row;
    json_array_foreach(json_object_get(report, "fma"), index, row) {
        if ((int)number(row, "threads") == threads)
            peaks.fma_fp32_gflops = fmax(peaks.fma_fp32_gflops, number(row, "gflops"));
    }
    json_array_foreach(json_object_get(report, "bandwidth"), index, row) {
        if ((int)number(row, "threads") == threads &&
            strcmp(json_string_value(json_object_get(row, "level")), "memory") == 0) {
            peaks.triad_gbs = number(row, "triad_gbs");
            peaks.update_gbs = number(row, "update_gbs");
        }
    }
    return peaks;
}

enum gb_status gb_peaks_measure(const json_t *machine, int threads, json_t **report) {
    struct walls walls;
    find_walls(machine, &walls);
    int all = (int)json_integer_value(json_object_get(machine, "threads"));
    int teams[MAX_TEAMS] = {1};
    int team_count = 1;
    if (threads > 1 && threads != all)
        teams[team_count++] = threads;
    if (all > 1)
        teams[team_count++] = all;

    json_t *fma = json_array(), *bandwidth = json_array();
    enum gb_status status = GB_OK;
    for (int i = 0; i < team_count && status == GB_OK; i++) {
        measure_fma(&walls, teams[i], fma);
        status = measure_bandwidth(&walls, teams[i], bandwidth);
    }
    *report = json_pack("{s:i, s:o, s:o}", "threads", all, "fma", fma, "bandwidth", bandwidth);
    if (status == GB_OK && !*report)
        status = gb_fail(GB_OUT_OF_MEMORY, "cannot measure peaks", "report", "out of memory");
    if (status != GB_OK) {
        json_decref(*report);
        return status;
    }
    struct gb_peaks peaks = gb_peaks_at(*report, all);
    json_object_set_new(*report, "fma_fp32_gflops", json_real(peaks.fma_fp32_gflops));
    json_object_set_new(*report, "triad_gbs", json_real(peaks.triad_gbs));
    json_object_set_new(*report, "update_gbs", json_real(peaks.update_gbs));
    return GB_OK;
}

double gb_ideal_step_seconds(const struct gb_peaks *peaks, double flops, double parameters) {
    const double update_bytes = 24;
    return 1e-9 * (flops / peaks->fma_fp32_gflops + update_bytes * parameters / peaks->update_gbs);
}
