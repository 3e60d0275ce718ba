// SPDX-License-Identifier: MIT
#include "tasks/training/step_profile.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"

enum { WARM_UP = 3 };

enum gb_status gb_step_profile_open(struct gb_step_profile *profile,
                                    const struct gb_backend *backend) {
    *profile = (struct gb_step_profile){0};
    return gb_trace_open(backend, &profile->trace);
}

enum gb_status gb_step_profile_begin(struct gb_step_profile *profile,
                                     const struct gb_trainer *trainer, long steps) {
    profile->model = trainer->model;
    profile->threads = trainer->threads;
    profile->warm_up = steps > WARM_UP ? WARM_UP : steps - 1;
    GB_TRY(gb_profile_create(&trainer->model->layers, &profile->layers));
    trainer->model->profile = profile->layers;
    return GB_OK;
}

void gb_step_profile_add(struct gb_step_profile *profile, double seconds) {
    if (profile->warm_up > 0) {
        profile->warm_up--;
        gb_trace_clear(profile->trace);
        gb_profile_clear(profile->layers);
        return;
    }
    profile->steps++;
    profile->seconds += seconds;
}

void gb_step_profile_close(struct gb_step_profile *profile) {
    gb_profile_free(profile->layers);
    gb_trace_close(profile->trace);
    *profile = (struct gb_step_profile){0};
}

// ---- JSON ----

// All calls of a layer or a kernel.
struct calls {
    const char *problem;
    long calls;
    double seconds;        // of the steps, nested layers left out
    double nested_seconds; // and that of nested layers
    bool jobs;             // these run on one thread each, next to others
    bool bf16;             // what it multiplies
    struct gb_cost cost;   // of one call
    enum gb_traffic traffic;
};

// Adds a row, and its seconds to *sum.
static int add_row(const struct gb_step_profile *profile, const struct gb_step_peaks *peaks,
                   const struct calls *c, json_t *rows, double *sum) {
    const double steps = (double)profile->steps;
    json_t *row = json_pack("{s:s, s:f, s:f, s:f, s:b, s:f, s:f}", "problem", c->problem, "calls",
                            (double)c->calls / steps, "seconds", c->seconds / steps, "share",
                            c->seconds / profile->seconds, "jobs", c->jobs, "flops", c->cost.flops,
                            "bytes", c->cost.bytes);
    int failed = 0;
    if (peaks && row) {
        const double gflops =
            c->bf16 && peaks->bf16_gflops > 0 ? peaks->bf16_gflops : peaks->gflops;
        const double compute = 1e-9 * c->cost.flops / gflops;
        const double traffic = 1e-9 * c->cost.bytes / peaks->gbs[c->traffic];
        const double seconds = (c->seconds + c->nested_seconds) / (double)c->calls;
        failed |= json_object_set_new(row, "wall",
                                      json_string(compute > traffic ? "compute" : "bandwidth"));
        failed |= json_object_set_new(row, "share_of_peak",
                                      json_real(fmax(compute, traffic) / fmax(seconds, 1e-9)));
    }
    *sum += c->seconds;
    return failed | json_array_append_new(rows, row);
}

// Time in jobs is that of their threads, divided by the threads.
static enum gb_status add_layers(const struct gb_step_profile *profile,
                                 const struct gb_step_peaks *peaks, json_t *rows, double *sum) {
    struct gb_profiled *list;
    int count, failed = 0;
    GB_TRY(gb_profile_list(profile->layers, &list, &count));
    for (int i = 0; i < count; i++) {
        const struct gb_layer *layer = &list[i].layer;
        const struct gb_layer_time *time = &list[i].time;
        const bool jobs = layer->job && profile->threads > 1;
        const double threads = jobs ? profile->threads : 1;
        const struct calls calls = {
            .problem = list[i].problem,
            .calls = time->calls,
            .seconds = (time->seconds - time->inner_seconds) / threads,
            .nested_seconds = time->inner_seconds / threads,
            .jobs = jobs,
            .bf16 = strstr(list[i].problem, "_bf16"),
            .cost = {time->flops / (double)time->calls, gb_layer_bytes(layer, list[i].direction)},
            .traffic = gb_layer_traffic(list[i].direction)};
        failed |= add_row(profile, peaks, &calls, rows, sum);
    }
    free(list);
    return failed ? gb_no_memory("cannot profile", "layers") : GB_OK;
}

static enum gb_status add_kernels(const struct gb_step_profile *profile,
                                  const struct gb_step_peaks *peaks, json_t *rows, double *sum) {
    const struct gb_traced *list;
    int count, failed = 0;
    GB_TRY(gb_trace_list(profile->trace, &list, &count));
    for (int i = 0; i < count; i++) {
        const struct gb_traced *t = &list[i];
        char shape[GB_PROBLEM_TEXT], problem[GB_PROBLEM_TEXT + 64];
        gb_problem_print(t->operation, &t->problem, shape);
        snprintf(problem, sizeof problem, "%s/%s/%s", t->operation->name,
                 gb_direction_name(t->direction), shape);
        const struct calls calls = {.problem = problem,
                                    .calls = t->calls,
                                    .seconds = t->thread_seconds / profile->threads,
                                    .jobs =
                                        t->thread_seconds < 0.999 * profile->threads * t->seconds,
                                    .bf16 = t->operation->product && strstr(shape, "_bf16"),
                                    .cost = t->cost,
                                    .traffic = t->operation->kernels[t->direction].traffic};
        failed |= add_row(profile, peaks, &calls, rows, sum);
    }
    return failed ? gb_no_memory("cannot profile", "kernels") : GB_OK;
}

static json_t *peaks_json(const struct gb_step_peaks *peaks) {
    if (!peaks)
        return json_null();
    json_t *json = json_pack("{s:f, s:f, s:f, s:f}", "fma_fp32_gflops", peaks->gflops, "read_gbs",
                             peaks->gbs[GB_TRAFFIC_READ], "triad_gbs", peaks->gbs[GB_TRAFFIC_TRIAD],
                             "update_gbs", peaks->gbs[GB_TRAFFIC_UPDATE]);
    if (peaks->bf16_gflops > 0)
        gb_json_put(&json, "fma_bf16_gflops", json_real(peaks->bf16_gflops));
    return json;
}

enum gb_status gb_step_profile_json(const struct gb_step_profile *profile,
                                    gb_measure_peaks_fn *measure, json_t **json) {
    *json = NULL;
    if (profile->steps == 0) {
        *json = json_null();
        return GB_OK;
    }
    struct gb_step_peaks measured, *peaks = NULL;
    const size_t bytes = 3 * profile->model->params.bytes + profile->model->arena.bytes;
    if (measure) {
        GB_TRY(measure(profile->threads, bytes, &measured));
        peaks = &measured;
    }
    json_t *layers = json_array(), *kernels = json_array();
    double in_layers = 0, in_kernels = 0;
    enum gb_status status = add_layers(profile, peaks, layers, &in_layers);
    if (status == GB_OK)
        status = add_kernels(profile, peaks, kernels, &in_kernels);
    const double steps = (double)profile->steps;
    if (status == GB_OK) {
        *json = json_pack("{s:I, s:i, s:f, s:o, s:O, s:f, s:O, s:f}", "steps",
                          (json_int_t)profile->steps, "threads", profile->threads, "step_seconds",
                          profile->seconds / steps, "peaks", peaks_json(peaks), "layers", layers,
                          "other_than_layers_seconds", (profile->seconds - in_layers) / steps,
                          "kernels", kernels, "other_than_kernels_seconds",
                          (profile->seconds - in_kernels) / steps);
        if (!*json)
            status = gb_no_memory("cannot profile", "steps");
    }
    json_decref(layers);
    json_decref(kernels);
    return status;
}

// ---- The tables ----

// Rows below this share of a step are printed as one.
static const double smallest_share = 0.005;

static int by_seconds(const void *a, const void *b) {
    const double x = gb_json_number(*(json_t *const *)a, "seconds");
    const double y = gb_json_number(*(json_t *const *)b, "seconds");
    return (x < y) - (x > y);
}

static void print_times(const char *name, int width, double calls, double seconds, double step) {
    if (calls > 0)
        printf("%-*s  %7g  %9.3f  %5.1f %%", width, name, calls, 1e3 * seconds,
               100 * seconds / step);
    else
        printf("%-*s  %7s  %9.3f  %5.1f %%", width, name, "", 1e3 * seconds, 100 * seconds / step);
}

static void print_table(const json_t *json, const char *rows_key, const char *title,
                        const char *other_key) {
    enum { WIDTH = 56 };
    const json_t *rows = json_object_get(json, rows_key);
    const size_t count = json_array_size(rows);
    const double step = gb_json_number(json, "step_seconds");
    const json_t **sorted = calloc(count + 1, sizeof *sorted);
    if (!sorted)
        return;
    for (size_t i = 0; i < count; i++)
        sorted[i] = json_array_get(rows, i);
    qsort(sorted, count, sizeof *sorted, by_seconds);
    printf("\n%-*s  %7s  %9s  %7s  %s\n", WIDTH, title, "calls", "ms/step", "share",
           "of roofline limit");
    double smaller = 0, smaller_calls = 0;
    for (size_t i = 0; i < count; i++) {
        const double seconds = gb_json_number(sorted[i], "seconds");
        const double calls = gb_json_number(sorted[i], "calls");
        if (seconds < smallest_share * step) {
            smaller += seconds;
            smaller_calls += calls;
            continue;
        }
        char name[GB_PROBLEM_TEXT + 66];
        snprintf(name, sizeof name, "%s%s",
                 json_string_value(json_object_get(sorted[i], "problem")),
                 json_is_true(json_object_get(sorted[i], "jobs")) ? " *" : "");
        print_times(name, WIDTH, calls, seconds, step);
        const char *wall = json_string_value(json_object_get(sorted[i], "wall"));
        if (wall)
            printf("  %3.0f %% %s", 100 * gb_json_number(sorted[i], "share_of_peak"), wall);
        putchar('\n');
    }
    if (smaller_calls > 0) {
        print_times("smaller ones", WIDTH, smaller_calls, smaller, step);
        putchar('\n');
    }
    print_times("other", WIDTH, 0, gb_json_number(json, other_key), step);
    putchar('\n');
    free(sorted);
}

void gb_step_profile_print(const json_t *json) {
    if (!json_is_object(json))
        return;
    const int threads = (int)json_integer_value(json_object_get(json, "threads"));
    const long steps = (long)json_integer_value(json_object_get(json, "steps"));
    printf("\nprofile of %ld step%s on %d thread%s: %.3f ms each\n", steps, steps == 1 ? "" : "s",
           threads, threads == 1 ? "" : "s", 1e3 * gb_json_number(json, "step_seconds"));
    print_table(json, "layers", "layer", "other_than_layers_seconds");
    print_table(json, "kernels", "kernel", "other_than_kernels_seconds");
    if (threads > 1)
        printf("\n* runs in parallel jobs, one per thread: thread time / %d\n", threads);
}
