// SPDX-License-Identifier: MIT
#include "bench/tables/same_bits.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/files.h"
#include "base/json.h"
#include "tasks/training/predictor.h"
#include "tasks/training/reduced_run.h"
#include "tasks/training/trainer.h"

enum { STEPS = 2, TESTED = 2, SAMPLES = 2, CROPS = 1, MOST_THREADS = 2 };

// Between instruction sets. Adam's first steps have the size of the learning rate, whatever a
// gradient's: rounding decides the sign of those next to nothing. Measured between scalar, avx2 and
// avx512: 1.5e-3 at the most.
static const double other_bound = 2e-2;
// Of the same instruction set with another compiler or C library, whose logarithm may differ.
static const double logarithm_bound = 1e-12;

// What a backend is held to.
struct expected {
    const json_t *metrics; // of a task; NULL: nothing
    enum { SAME_PROGRAM, SAME_ISA, OTHER_ISA } as;
};

// ---- A small run ----

static enum gb_status score(const struct gb_reduced_job *job, const struct gb_trainer *trainer,
                            json_t *metrics) {
    const struct gb_predictor_options options = {.backend = trainer->backend,
                                                 .threads = trainer->threads,
                                                 .samples = SAMPLES,
                                                 .temperature = 1,
                                                 .dequantise = true,
                                                 .crops = CROPS};
    struct gb_dataset few = job->splits[GB_SPLIT_TEST]; // a view, not to be freed
    few.count = few.count < TESTED ? few.count : TESTED;
    struct gb_predictor predictor;
    GB_TRY(gb_predictor_create(&predictor, &job->config, &options));
    json_t *per_image = json_array();
    enum gb_status status = gb_predictor_load(&predictor, gb_trainer_params(trainer));
    if (status == GB_OK)
        status = gb_predictor_evaluate(&predictor, &job->splits[GB_SPLIT_TRAIN], &few, metrics,
                                       per_image);
    json_decref(per_image);
    gb_predictor_free(&predictor);
    return status;
}

static bool is_compared(const char *name, const json_t *value) {
    return json_is_number(value) && !strstr(name, "second"); // no times, no curves
}

// The metrics that are compared, after STEPS steps.
static enum gb_status measure(const struct gb_reduced_job *job, const struct gb_backend *backend,
                              int threads, json_t *compared) {
    const struct gb_trainer_options options = {.backend = backend, .threads = threads};
    struct gb_trainer trainer;
    GB_TRY(gb_trainer_create(&trainer, &job->config, &options, &job->splits[GB_SPLIT_TRAIN]));
    double bits = 0;
    enum gb_status status = GB_OK;
    for (int i = 0; i < STEPS && status == GB_OK; i++)
        status = gb_trainer_step(&trainer, &bits);
    json_t *metrics = json_object(), *value;
    const char *name;
    if (status == GB_OK)
        status = score(job, &trainer, metrics);
    json_object_set_new(compared, "training_bits", json_real(bits));
    json_object_foreach(metrics, name, value) {
        if (is_compared(name, value))
            json_object_set(compared, name, value);
    }
    json_decref(metrics);
    gb_trainer_free(&trainer);
    return status;
}

// ---- Comparison ----

static double bound_of(const char *metric, const struct expected *expected) {
    bool logarithm = strstr(metric, "psnr") || strstr(metric, "trivial_");
    return expected->as == OTHER_ISA               ? other_bound
           : expected->as == SAME_ISA && logarithm ? logarithm_bound
                                                   : 0;
}

// How many metrics are not as they should be; each is told.
static int differences(const json_t *metrics, const struct expected *expected, const char *what) {
    int count = json_object_size(metrics) != json_object_size(expected->metrics);
    if (count)
        printf("  %s: other metrics\n", what);
    const char *name;
    json_t *wanted;
    json_object_foreach((json_t *)expected->metrics, name, wanted) {
        double want = json_number_value(wanted);
        double have = gb_json_number(metrics, name);
        if (have == want || fabs(have - want) <= bound_of(name, expected) * fmax(fabs(want), 1))
            continue;
        printf("  %s: %s is %.17g, not %.17g\n", what, name, have, want);
        count++;
    }
    return count;
}

static enum gb_status check_backend(const struct gb_reduced_job *job,
                                    const struct gb_backend *backend,
                                    const struct expected *expected, json_t *found, int *count) {
    const char *task = job->config.task->name;
    json_t *former = NULL;
    enum gb_status status = GB_OK;
    for (int threads = 1; threads <= MOST_THREADS && status == GB_OK; threads++) {
        char what[96];
        snprintf(what, sizeof what, "%s, %s, %d thread%s", task, backend->name, threads,
                 threads == 1 ? "" : "s");
        json_t *metrics = json_object();
        status = measure(job, backend, threads, metrics);
        struct expected one_thread = {former, SAME_PROGRAM};
        if (status == GB_OK)
            *count += former              ? differences(metrics, &one_thread, what)
                      : expected->metrics ? differences(metrics, expected, what)
                                          : 0;
        json_decref(former);
        former = metrics;
    }
    if (status == GB_OK)
        json_object_set(found, task, former);
    json_decref(former);
    return status;
}

// ---- All tasks and backends ----

static struct expected find_expected(const json_t *committed, const char *backend,
                                     const char *task) {
    const json_t *own = json_object_get(committed, backend);
    return (struct expected){
        json_object_get(own ? own : json_object_get(committed, "scalar"), task),
        own ? SAME_ISA : OTHER_ISA};
}

// The native ones that this CPU runs: their bits do not depend on a foreign library.
static bool is_checked(const struct gb_backend *backend) {
    return backend->same_bits && !*backend->library && gb_backend_supported(backend);
}

static enum gb_status check_task(const struct gb_task *task, const json_t *committed, bool update,
                                 json_t *found, int *count) {
    struct gb_reduced_job job;
    enum gb_status status = gb_reduced_open(task, MOST_THREADS, STEPS, &job);
    for (const struct gb_backend *const *b = gb_backends(); *b && status == GB_OK; b++) {
        if (!is_checked(*b))
            continue;
        struct expected expected = {.as = SAME_ISA};
        if (!update)
            expected = find_expected(committed, (*b)->name, task->name);
        if (!expected.metrics && !update) {
            printf("  %s, %s: check.json tells nothing of it\n", task->name, (*b)->name);
            ++*count;
        }
        if (!json_object_get(found, (*b)->name))
            json_object_set_new(found, (*b)->name, json_object());
        int before = *count;
        status = check_backend(&job, *b, &expected, json_object_get(found, (*b)->name), count);
        printf("%-10s %-8s %s\n", task->name, (*b)->name,
               status != GB_OK                     ? "failed"
               : *count > before                   ? "DIFFERS"
               : expected.as == SAME_ISA || update ? "the same"
                                                   : "within 2e-2 of scalar");
        fflush(stdout);
    }
    gb_reduced_close(&job);
    return status;
}

static enum gb_status read_committed(const char *path, json_t **committed) {
    json_error_t error;
    *committed = json_load_file(path, JSON_REJECT_DUPLICATES, &error);
    if (*committed)
        return GB_OK;
    return gb_fail(GB_BAD_INPUT, "cannot check", path, "line %d: %s", error.line, error.text);
}

static enum gb_status check(const char *path, const json_t *committed, bool update) {
    json_t *found =
        committed ? json_deep_copy(committed) : json_object(); // what others measured stays
    int count = 0;
    enum gb_status status = GB_OK;
    for (const struct gb_task *const *t = gb_tasks(); *t && status == GB_OK; t++)
        status = check_task(*t, committed, update, found, &count);
    if (status == GB_OK && update)
        status = gb_json_write(path, found);
    json_decref(found);
    if (status == GB_OK && count > 0)
        status =
            gb_fail(GB_CHECK_FAILED, "metrics differ", path,
                    "%d of them, see above; where that was meant, --update writes it anew", count);
    return status;
}

enum gb_status gb_same_bits(const char *directory, bool update) {
    char path[GB_PATH];
    json_t *committed = NULL;
    GB_TRY(gb_path_join(directory, "check.json", path));
    if (!update || access(path, F_OK) == 0)
        GB_TRY(read_committed(path, &committed));
    enum gb_status status = check(path, committed, update);
    json_decref(committed);
    return status;
}
