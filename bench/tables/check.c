// SPDX-License-Identifier: MIT
#include "bench/tables/tables.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/console.h"
#include "base/files.h"
#include "base/json.h"
#include "tasks/prediction/predictor.h"
#include "tasks/training/reduced_run.h"
#include "tasks/training/trainer.h"

enum { STEPS = 2, TESTED = 2, SAMPLES = 2, CROPS = 1 };

// Between instruction sets. Adam's first steps have the size of the learning rate whatever the
// gradient's, so rounding decides the sign of those of gradients near zero. Measured between
// scalar, avx2, avx512 and neon: at most 2.1e-3.
static const double other_isa_bound = 2e-2;
// With the same instruction set but another compiler or C library, whose logarithm may differ.
static const double logarithm_bound = 1e-12;

// What a backend's metrics are compared with.
struct expected {
    const json_t *metrics; // of a task; NULL: nothing
    enum { SAME_PROGRAM, SAME_ISA, OTHER_ISA } origin;
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
    enum gb_status status = gb_predictor_load(&predictor, gb_trainer_params(trainer));
    if (status == GB_OK)
        status =
            gb_predictor_evaluate(&predictor, &job->splits[GB_SPLIT_TRAIN], &few, metrics, NULL);
    gb_predictor_free(&predictor);
    return status;
}

// The metrics after STEPS steps that are compared: neither times nor curves.
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
    int failed = json_object_set_new(compared, "training_bits", json_real(bits));
    json_object_foreach(metrics, name, value) {
        if (json_is_number(value) && !strstr(name, "second"))
            failed |= json_object_set(compared, name, value);
    }
    if (status == GB_OK && failed)
        status = gb_no_memory("cannot check", job->config.task->name);
    json_decref(metrics);
    gb_trainer_free(&trainer);
    return status;
}

// ---- Comparison ----

// Prints the metrics that are not as expected; returns how many there are.
static int differences(const json_t *metrics, const struct expected *expected, const char *what) {
    int count = json_object_size(metrics) != json_object_size(expected->metrics);
    if (count)
        printf("  %s: the set of metrics differs\n", what);
    const char *name;
    json_t *number;
    json_object_foreach((json_t *)expected->metrics, name, number) {
        const double want = json_number_value(number), have = gb_json_number(metrics, name);
        const bool logarithm = strstr(name, "psnr") || strstr(name, "trivial_");
        const double bound = expected->origin == OTHER_ISA               ? other_isa_bound
                             : expected->origin == SAME_ISA && logarithm ? logarithm_bound
                                                                         : 0;
        if (have == want || fabs(have - want) <= bound * fmax(fabs(want), 1))
            continue;
        printf("  %s: %s is %.17g, not %.17g\n", what, name, have, want);
        count++;
    }
    return count;
}

// How far a backend's expectations are from the scalar ones.
struct distance {
    int equal, count; // metrics that are the same to the last bit, of all
    double largest;   // difference, relative to the larger of the metric and 1
};

static struct distance distance_of(const json_t *metrics, const json_t *scalar) {
    struct distance d = {0};
    const char *name;
    json_t *number;
    json_object_foreach((json_t *)metrics, name, number) {
        const double have = json_number_value(number), want = gb_json_number(scalar, name);
        const double difference = fabs(have - want) / fmax(fabs(want), 1);
        d.count++;
        d.equal += have == want;
        d.largest = fmax(d.largest, difference);
    }
    return d;
}

// Prints that a task's metrics are those expected of the backend, and how these compare with the
// scalar ones; false if they are beyond the bound between instruction sets.
static bool say_identical(const struct gb_task *task, const char *backend, const json_t *own,
                          const json_t *scalar) {
    const struct distance d = distance_of(own, scalar);
    if (own == scalar || !scalar) {
        gb_say("%-10s %-8s identical\n", task->name, backend);
        return true;
    }
    const bool near = d.largest <= other_isa_bound;
    if (!near)
        printf("  %s, %s: expected metrics differ from scalar's by %.1e\n", task->name, backend,
               d.largest);
    gb_say("%-10s %-8s %s; %d of %d equal scalar's, others within %.1e\n", task->name, backend,
           near ? "identical" : "DIFFERS", d.equal, d.count, d.largest);
    return near;
}

// Runs with one thread, compared with what is expected, and with more (if max_threads is more),
// compared with one.
static enum gb_status check_backend(const struct gb_reduced_job *job,
                                    const struct gb_backend *backend, int max_threads,
                                    const struct expected *expected, json_t *found, int *count) {
    const char *task = job->config.task->name;
    json_t *former = NULL;
    enum gb_status status = GB_OK;
    const int counts[] = {1, max_threads};
    for (int i = 0; i < (max_threads > 1 ? 2 : 1) && status == GB_OK; i++) {
        const int threads = counts[i];
        char what[96];
        snprintf(what, sizeof what, "%s, %s, %d thread%s", task, backend->name, threads,
                 threads == 1 ? "" : "s");
        json_t *metrics = json_object();
        status = measure(job, backend, threads, metrics);
        const struct expected one_thread = {former, SAME_PROGRAM};
        if (status == GB_OK && former)
            *count += differences(metrics, &one_thread, what);
        else if (status == GB_OK && expected->metrics)
            *count += differences(metrics, expected, what);
        json_decref(former);
        former = metrics;
    }
    if (status == GB_OK)
        status = json_object_set(found, task, former) ? gb_no_memory("cannot check", task) : GB_OK;
    json_decref(former);
    return status;
}

struct outcome {
    int compared, differing; // pairs of a task and a backend; metrics
};

// Results of others depend on a library's version.
static bool is_native(const struct gb_backend *backend) {
    return backend->same_bits && !backend->fallback;
}

static enum gb_status check_task(const struct gb_task *task, const json_t *committed,
                                 const struct gb_check_request *request, json_t *found,
                                 struct outcome *outcome) {
    const bool update = request->update;
    struct gb_reduced_job job;
    enum gb_status status = gb_reduced_open(task, request->threads, STEPS, &job);
    for (const struct gb_backend *const *b = gb_backends(); *b && status == GB_OK; b++) {
        const char *name = (*b)->name;
        if (!is_native(*b) || !gb_backend_supported(*b) ||
            (request->backend && strcmp(request->backend, name) != 0))
            continue;
        const json_t *own = json_object_get(committed, name);
        const json_t *other = json_object_get(committed, "scalar");
        struct expected expected = {.origin = own || update ? SAME_ISA : OTHER_ISA};
        const int before = outcome->differing;
        if (!update) {
            expected.metrics = json_object_get(own ? own : other, task->name);
            if (!expected.metrics) {
                printf("  %s, %s: not in check.json\n", task->name, name);
                outcome->differing++;
            }
        }
        if (!json_object_get(found, name) && json_object_set_new(found, name, json_object()) != 0) {
            status = gb_no_memory("cannot check", name);
            break;
        }
        status = check_backend(&job, *b, request->threads, &expected, json_object_get(found, name),
                               &outcome->differing);
        outcome->compared++;
        if (own && !update && status == GB_OK && outcome->differing == before)
            outcome->differing +=
                !say_identical(task, name, expected.metrics, json_object_get(other, task->name));
        else
            gb_say("%-10s %-8s %s\n", task->name, name,
                   status != GB_OK               ? "failed"
                   : outcome->differing > before ? "DIFFERS"
                   : expected.origin == SAME_ISA ? "identical"
                                                 : "within 2e-2 of scalar");
    }
    gb_reduced_close(&job);
    return status;
}

static enum gb_status check(const char *path, const json_t *committed,
                            const struct gb_check_request *request) {
    // Backends that this machine lacks keep their entries.
    json_t *found = committed ? json_deep_copy(committed) : json_object();
    if (!found || (committed && !json_equal(found, committed))) {
        json_decref(found);
        return gb_no_memory("cannot check", path);
    }
    struct outcome outcome = {0};
    enum gb_status status = GB_OK;
    for (const struct gb_task *const *t = gb_tasks(); *t && status == GB_OK; t++)
        if (!request->task || strcmp(request->task, (*t)->name) == 0)
            status = check_task(*t, committed, request, found, &outcome);
    if (status == GB_OK && request->update)
        status = gb_json_write(path, found);
    json_decref(found);
    if (status == GB_OK && outcome.differing > 0) {
        printf("%s: %d metrics differ\n", gb_console_verdict(false), outcome.differing);
        return gb_fail(GB_CHECK_FAILED, "metrics differ", path,
                       "%d of them, see above; if that is intended, --update rewrites the file",
                       outcome.differing);
    }
    if (status == GB_OK && !request->update)
        printf("%s: all %d reproduced\n", gb_console_verdict(true), outcome.compared);
    return status;
}

enum gb_status gb_expected_metrics_read(const char *path, json_t **expected) {
    static const char what[] = "cannot check";
    GB_TRY(gb_json_read(what, path, expected));
    const char *backend, *task, *metric;
    json_t *tasks, *metrics, *value;
    bool valid = json_is_object(*expected);
    json_object_foreach(*expected, backend, tasks) {
        valid = valid && json_is_object(tasks);
        json_object_foreach(tasks, task, metrics) {
            valid = valid && json_is_object(metrics);
            json_object_foreach(metrics, metric, value) {
                valid = valid && json_is_number(value);
            }
        }
    }
    if (valid)
        return GB_OK;
    json_decref(*expected);
    *expected = NULL;
    return gb_fail(GB_BAD_INPUT, what, path, "not an object of backends, their tasks and metrics");
}

enum gb_status gb_results_reproduced(const char *directory,
                                     const struct gb_check_request *request) {
    char path[GB_PATH];
    json_t *committed = NULL;
    const struct gb_task *task;
    const struct gb_backend *backend;
    if (request->task)
        GB_TRY(gb_task_find(request->task, &task));
    if (request->backend) {
        GB_TRY(gb_backend_find(request->backend, &backend));
        if (!is_native(backend))
            return gb_fail(GB_BAD_INPUT, "cannot check", backend->name,
                           "its results depend on a library's version");
    }
    GB_TRY(gb_path_join(directory, "check.json", path));
    if (!request->update || access(path, F_OK) == 0)
        GB_TRY(gb_expected_metrics_read(path, &committed));
    enum gb_status status = check(path, committed, request);
    json_decref(committed);
    return status;
}
