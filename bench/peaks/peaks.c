// SPDX-License-Identifier: MIT
#include "bench/peaks/peaks.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "bench/peaks/meter.h"
#include "bench/peaks/pin.h"

// Shorter than the time slices of other work, so that many trials are undisturbed: with trials of
// 25 ms the update bandwidth of two threads varied between 42 and 62 GB/s.
static const double trial_seconds = 0.0005;
enum { TRIALS = 200, MAX_LEVELS = 8, MAX_TEAMS = 16 };

// A level of the memory hierarchy.
struct level {
    char name[8];
    double bytes; // of one cache; 0: memory
    int instances;
};

struct roofline {
    struct level levels[MAX_LEVELS];
    int level_count;
    double memory_bytes;
    int cores;
};

static struct roofline find_roofline(const json_t *machine) {
    struct roofline roofline = {.memory_bytes = gb_json_number(machine, "memory_bytes"),
                                .cores =
                                    (int)gb_json_number(json_object_get(machine, "cpu"), "cores")};
    size_t index;
    json_t *cache;
    json_array_foreach(json_object_get(machine, "caches"), index, cache) {
        if (roofline.level_count == MAX_LEVELS - 1) // the last is memory
            break;
        struct level *level = &roofline.levels[roofline.level_count++];
        snprintf(level->name, sizeof level->name, "L%d", (int)gb_json_number(cache, "level"));
        level->bytes = gb_json_number(cache, "bytes");
        level->instances = (int)gb_json_number(cache, "instances");
    }
    strcpy(roofline.levels[roofline.level_count++].name, "memory");
    return roofline;
}

// The bytes of a level that `threads` threads share, which fill the cores of one cache first.
static double reach(const struct roofline *roofline, const struct level *level, int threads) {
    double cores_each = fmax(1, (double)roofline->cores / level->instances);
    return level->bytes * fmin(level->instances, ceil(threads / cores_each));
}

// Half of L1; then the geometric mean of a level and the one below it, which exceeds the one and
// fits in the other; in memory gb_memory_working_set. 0 if a level is no larger than the one below
// it.
static double working_set(const struct roofline *roofline, int index, int threads) {
    const struct level none = {.instances = 1}, *level = &roofline->levels[index];
    const struct level *below = index ? level - 1 : &none;
    if (level->bytes == 0)
        return fmin(fmax(4 * below->bytes * below->instances, 768 << 20),
                    roofline->memory_bytes / 8);
    double bytes = reach(roofline, level, threads);
    if (index == 0)
        return bytes / 2;
    double bytes_below = reach(roofline, below, threads);
    return bytes > bytes_below ? sqrt(bytes * bytes_below) : 0;
}

size_t gb_memory_working_set(const json_t *machine) {
    const struct roofline roofline = find_roofline(machine);
    return (size_t)working_set(&roofline, roofline.level_count - 1, 1);
}

static const char what[] = "cannot measure peaks";

static enum gb_status measure_level(const struct level *level, double bytes, int threads,
                                    json_t *rows) {
    struct gb_meter meter;
    GB_TRY(gb_meter_open(&meter, threads, (size_t)bytes));
    json_t *row = json_pack("{s:s, s:i, s:I}", "level", level->name, "threads", threads, "bytes",
                            (json_int_t)bytes);
    for (int stream = 0; stream < GB_STREAMS; stream++) {
        struct gb_meter_job job = {.stream = (enum gb_stream)stream};
        char key[16];
        snprintf(key, sizeof key, "%s_gbs", gb_stream_names[stream]);
        double rate = gb_meter_rate(&meter, &job, trial_seconds, TRIALS);
        gb_json_put(&row, key, json_real(1e-9 * rate));
    }
    gb_meter_close(&meter);
    return json_array_append_new(rows, row) ? gb_no_memory(what, level->name) : GB_OK;
}

// The thread counts to measure with, ascending.
static int list_teams(int all, int wanted, int teams[]) {
    int count = 0;
    for (int threads = 1; threads <= (all > wanted ? all : wanted); threads++) {
        bool power_of_two = (threads & (threads - 1)) == 0;
        if (threads == all || threads == wanted || (threads < all && (all <= 8 || power_of_two)))
            teams[count++] = threads;
    }
    return count;
}

struct gb_peaks gb_peaks_at(const json_t *report, int threads) {
    struct gb_peaks peaks = {0};
    size_t index;
    json_t *row;
    json_array_foreach(json_object_get(report, "fma"), index, row) {
        const bool fp32 = gb_json_is(row, "precision", "fp32");
        double *peak = fp32 ? &peaks.fma_fp32_gflops : &peaks.fma_bf16_gflops;
        if ((int)gb_json_number(row, "threads") == threads)
            *peak = fmax(*peak, gb_json_number(row, "gflops"));
    }
    json_array_foreach(json_object_get(report, "bandwidth"), index, row) {
        if ((int)gb_json_number(row, "threads") == threads && gb_json_is(row, "level", "memory")) {
            peaks.triad_gbs = gb_json_number(row, "triad_gbs");
            peaks.update_gbs = gb_json_number(row, "update_gbs");
        }
    }
    return peaks;
}

static enum gb_status measure(const struct roofline *roofline, int threads, json_t *report) {
    int *cpus = calloc((size_t)threads, sizeof *cpus);
    if (!cpus)
        return gb_no_memory(what, "threads");
    (void)gb_pin_threads(threads, cpus); // if it fails, threads are measured unpinned
    free(cpus);
    struct gb_meter meter;
    GB_TRY(gb_meter_open(&meter, threads, 0));
    int failed = 0;
    for (const struct gb_fma_body *const *body = gb_fma_bodies(); *body; body++) {
        struct gb_meter_job job = {.fma = *body};
        double rate = gb_meter_rate(&meter, &job, trial_seconds, TRIALS);
        failed |= json_array_append_new(json_object_get(report, "fma"),
                                        json_pack("{s:s, s:s, s:i, s:f}", "isa", (*body)->isa,
                                                  "precision", (*body)->precision, "threads",
                                                  threads, "gflops", 1e-9 * rate));
    }
    gb_meter_close(&meter);
    if (failed)
        return gb_no_memory(what, "report");
    for (int index = 0; index < roofline->level_count; index++) {
        double bytes = working_set(roofline, index, threads);
        if (bytes > 0)
            GB_TRY(measure_level(&roofline->levels[index], bytes, threads,
                                 json_object_get(report, "bandwidth")));
    }
    return GB_OK;
}

enum gb_status gb_peaks_measure(const json_t *machine, int threads, json_t **report) {
    struct roofline roofline = find_roofline(machine);
    int all = (int)gb_json_number(machine, "threads"), teams[MAX_TEAMS];
    int team_count = list_teams(all, threads, teams);
    *report = json_pack("{s:i, s:[], s:[]}", "threads", all, "fma", "bandwidth");
    if (!*report)
        return gb_no_memory(what, "report");
    enum gb_status status = GB_OK;
    for (int i = 0; i < team_count && status == GB_OK; i++)
        status = measure(&roofline, teams[i], *report);
    gb_unpin_threads();
    if (status != GB_OK) {
        json_decref(*report);
        return status;
    }
    struct gb_peaks peaks = gb_peaks_at(*report, all);
    gb_json_put(report, "fma_fp32_gflops", json_real(peaks.fma_fp32_gflops));
    if (peaks.fma_bf16_gflops > 0)
        gb_json_put(report, "fma_bf16_gflops", json_real(peaks.fma_bf16_gflops));
    gb_json_put(report, "triad_gbs", json_real(peaks.triad_gbs));
    gb_json_put(report, "update_gbs", json_real(peaks.update_gbs));
    return *report ? GB_OK : gb_no_memory(what, "report");
}

double gb_ideal_step_seconds(const struct gb_peaks *peaks, bool bf16, double flops,
                             double parameters) {
    const double update_bytes = 24;
    const double gflops =
        bf16 && peaks->fma_bf16_gflops > 0 ? peaks->fma_bf16_gflops : peaks->fma_fp32_gflops;
    return 1e-9 * (flops / gflops + update_bytes * parameters / peaks->update_gbs);
}
