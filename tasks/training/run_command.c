// SPDX-License-Identifier: MIT
// The command run: trains a reduced model of every task on generated data, which must beat the
// trivial baseline, and checks a few training steps of every backend against the reference.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/files.h"
#include "base/json.h"
#include "base/options.h"
#include "tasks/build.h"
#include "tasks/machine.h"
#include "tasks/training/commands.h"
#include "tasks/training/reduced_run.h"
#include "tasks/training/training_run.h"

enum { QUICK_SHARE = 8, CHECK_STEPS = 10, SAMPLES = 10 };

// Ten steps on two backends differ by rounding only: measured, up to 2e-6 for c-Glow and 2.3e-5 for
// CNF (right after the data-dependent initialisation, gradients of actnorm's biases are rounding
// errors, and Adam steps by their signs). A wrong gradient moves bits/dim by 1e-2 and more. The
// learning rate is small for every task: at 1e-3, CNF on vessels differs by 1.6e-4.
static const float check_rate = 1e-4f;
static const double check_bound = 1e-4;

// ---- Training, unless this build has done it ----

// Uncommitted sources may have changed since.
static bool build_is_known(void) {
    return !strchr(gb_build.commit, '+') && strcmp(gb_build.commit, "unknown") != 0;
}

// The record of a finished run of this build and configuration; NULL where there is none.
static enum gb_status finished_record(const struct gb_training_run *run, json_t **record) {
    char path[GB_PATH], picture[GB_PATH];
    GB_TRY(gb_path_join(run->out, "run.json", path));
    GB_TRY(gb_path_join(run->out, "samples.png", picture));
    GB_TRY(gb_json_read_if_there("cannot start a run", path, record));
    json_t *config = gb_run_config_json(&run->config);
    if (!gb_json_is(*record, "commit", gb_build.commit) ||
        !gb_json_is(*record, "backend", run->backend->name) || !build_is_known() ||
        gb_is_missing(picture) || !json_equal(json_object_get(*record, "config"), config)) {
        json_decref(*record);
        *record = NULL;
    }
    json_decref(config);
    return GB_OK;
}

static enum gb_status train(const struct gb_reduced_job *job, const struct gb_backend *backend,
                            int threads, const char *out, json_t **record) {
    const struct gb_task *task = job->config.task;
    char directory[GB_PATH], resume_hint[GB_PATH + 192];
    GB_TRY(gb_path_join(out, task->name, directory));
    snprintf(resume_hint, sizeof resume_hint,
             "rerun to start this task over, or resume it with: glowbench train %s --resume "
             "--samples %d --out %s",
             task->name, SAMPLES, directory);
    struct gb_training_run run = {.config = job->config,
                                  .backend = backend,
                                  .threads = threads,
                                  .out = directory,
                                  .resume_hint = resume_hint,
                                  .replace = true,
                                  .checkpoint_every = 1000,
                                  .samples = SAMPLES};
    GB_TRY(finished_record(&run, record));
    if (*record)
        printf("%s: already trained (%s)\n", task->name, directory);
    else
        GB_TRY(gb_training_run(&run, job->splits, record));
    return GB_OK;
}

// ---- Checked steps ----

static enum gb_status few_steps(const struct gb_reduced_job *job, const struct gb_backend *backend,
                                int threads, double *bits) {
    const struct gb_trainer_options options = {.backend = backend, .threads = threads};
    struct gb_run_config config = job->config;
    struct gb_trainer trainer;
    config.learning_rate = check_rate;
    GB_TRY(gb_trainer_create(&trainer, &config, &options, &job->splits[GB_SPLIT_TRAIN]));
    enum gb_status status = GB_OK;
    for (int i = 0; i < CHECK_STEPS && status == GB_OK; i++)
        status = gb_trainer_step(&trainer, &bits[i]);
    gb_trainer_free(&trainer);
    return status;
}

static enum gb_status check_backend(const struct gb_reduced_job *job,
                                    const struct gb_backend *backend, int threads,
                                    const double expected[static CHECK_STEPS]) {
    const char *task = job->config.task->name;
    double bits[CHECK_STEPS], worst = 0;
    GB_TRY(few_steps(job, backend, threads, bits));
    for (int i = 0; i < CHECK_STEPS; i++)
        worst = fmax(worst, fabs(bits[i] - expected[i]) / fmax(fabs(expected[i]), 1));
    bool agrees = worst <= check_bound;
    printf("  %-10s %-10s %d steps, max relative difference in bits/dim %.1e: %s\n", task,
           backend->name, CHECK_STEPS, worst, agrees ? "agrees" : "DIFFERS");
    return agrees ? GB_OK
                  : gb_fail(GB_CHECK_FAILED, "backend disagrees with scalar", backend->name,
                            "%s: %.1e exceeds %.0e", task, worst, check_bound);
}

static enum gb_status check(const struct gb_reduced_job *job, int threads) {
    const struct gb_backend *reference;
    double expected[CHECK_STEPS];
    GB_TRY(gb_backend_find("scalar", &reference));
    GB_TRY(few_steps(job, reference, threads, expected));
    for (const struct gb_backend *const *b = gb_backends(); *b; b++) {
        if (*b == reference || !gb_backend_supported(*b))
            continue;
        if (gb_backend_load(*b) == GB_OK)
            GB_TRY(check_backend(job, *b, threads, expected));
        else
            fprintf(stderr, "glowbench: backend %s is not checked: %s\n", (*b)->name,
                    gb_error_message());
    }
    return GB_OK;
}

// ---- The command ----

static void print_table(json_t *const *records) {
    printf("\n%-10s %-8s %7s %10s %9s %9s %12s %10s  %s\n", "task", "backend", "steps",
           "parameters", "ms/step", "bits/dim", "metric", "trivial", "");
    const struct gb_task *const *tasks = gb_tasks();
    for (int i = 0; tasks[i]; i++) {
        const json_t *record = records[i], *metrics = json_object_get(record, "metrics");
        char trivial[64];
        snprintf(trivial, sizeof trivial, "trivial_%s", tasks[i]->headline);
        printf("%-10s %-8s %7.0f %10.0f %9.2f %9.4f %12.4f %10.4f  %s%s\n", tasks[i]->name,
               gb_json_text(record, "backend"),
               gb_json_number(json_object_get(record, "config"), "iterations"),
               gb_json_number(record, "parameters"),
               1e3 * gb_json_number(record, "step_seconds_median"),
               gb_json_number(metrics, "bits_per_dimension"),
               gb_json_number(metrics, tasks[i]->headline), gb_json_number(metrics, trivial),
               tasks[i]->headline,
               gb_reduced_beats_trivial(tasks[i], record) ? "" : " (not better than trivial)");
    }
}

static enum gb_status train_task(const struct gb_task *task, const struct gb_backend *backend,
                                 int threads, bool quick, const char *out, json_t **record) {
    struct gb_reduced_job job;
    int iterations = task->reduced.iterations / (quick ? QUICK_SHARE : 1);
    enum gb_status status = gb_reduced_open(task, threads, iterations, &job);
    if (status == GB_OK)
        status = train(&job, backend, threads, out, record);
    gb_reduced_close(&job);
    return status;
}

static enum gb_status check_task(const struct gb_task *task, int threads) {
    struct gb_reduced_job job;
    enum gb_status status = gb_reduced_open(task, threads, CHECK_STEPS, &job);
    if (status == GB_OK)
        status = check(&job, threads);
    gb_reduced_close(&job);
    return status;
}

static enum gb_status run_all(const struct gb_backend *backend, int threads, bool quick,
                              const char *out, json_t **records) {
    const struct gb_task *const *tasks = gb_tasks();
    for (int i = 0; tasks[i]; i++)
        GB_TRY(train_task(tasks[i], backend, threads, quick, out, &records[i]));
    print_table(records);
    printf("\nFirst training steps on every backend, compared with scalar (tolerance %.0e):\n",
           check_bound);
    for (int i = 0; tasks[i]; i++)
        GB_TRY(check_task(tasks[i], threads));
    printf("\nRuns, logs and samples.png of each task: %s\n", out);
    // After --quick, an eighth of the steps, a model may still be worse.
    return quick ? GB_OK : gb_reduced_check(records);
}

static enum gb_status run(int argc, const char **argv) {
    bool quick = false, helped;
    const char *out = NULL, *backend_name = NULL;
    int threads = 0;
    const struct gb_option options[] = {
        gb_option_flag(
            "quick", &quick,
            "an eighth of the training steps; scores need not beat the trivial baseline"),
        gb_option_string("out", "DIR", &out, "output directory (default: out/run, or out/quick)"),
        gb_option_string("backend", "B", &backend_name,
                         "backend that trains (default: the best for this CPU)"),
        gb_option_int("threads", "T", &threads, 1, GB_MAX_THREADS, "threads (default: all CPUs)"),
        {0},
    };
    GB_TRY(gb_options_parse(&gb_run_command, options, argc, argv, &helped));
    if (helped)
        return GB_OK;
    const struct gb_backend *backend;
    GB_TRY(gb_machine_choose_threads(&threads));
    GB_TRY(gb_backend_find(backend_name, &backend));
    size_t count = 0;
    while (gb_tasks()[count])
        count++;
    json_t **records = calloc(count, sizeof(json_t *));
    if (!records)
        return gb_no_memory("cannot run", "tasks");
    enum gb_status status =
        run_all(backend, threads, quick, out ? out : (quick ? "out/quick" : "out/run"), records);
    for (size_t i = 0; i < count; i++)
        json_decref(records[i]);
    free(records);
    return status;
}

const struct gb_command gb_run_command = {
    "run", "Train a small model for each task and verify all backends (smoke test)", run, true};
