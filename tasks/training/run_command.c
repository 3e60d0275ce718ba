// SPDX-License-Identifier: MIT
// The command run: trains a reduced model of every task on generated data, which must beat the
// trivial baseline, and checks a few training steps of every backend against the reference.
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/console.h"
#include "base/files.h"
#include "base/json.h"
#include "base/options.h"
#include "base/progress.h"
#include "tasks/machine.h"
#include "tasks/training/commands.h"
#include "tasks/training/reduced_run.h"
#include "tasks/training/training_run.h"
#include "tasks/verdicts.h"

enum { QUICK_SHARE = 8, CHECK_STEPS = 10, QUICK_CHECK_STEPS = 2, SAMPLES = 10 };

// Ten steps on two backends differ by rounding only: measured, up to 2e-6 for c-Glow and 2.3e-5 for
// CNF (right after the data-dependent initialisation, gradients of actnorm's biases are rounding
// errors, and Adam steps by their signs). A wrong gradient moves bits/dim by 1e-2 and more. The
// learning rate is small for every task: at 1e-3, CNF on vessels differs by 1.6e-4.
static const float check_rate = 1e-4f;
static const double check_bound = 1e-4;

static const char what[] = "cannot start a run";

// What the command was asked to do, and how far it is.
struct job {
    const struct gb_backend *backend;
    int threads, tasks;
    enum gb_type precision; // of the training; checks are in fp32
    bool quick;
    const char *out;
    uint64_t build; // the hash of this executable
    json_t **records;
    int checked, agreeing; // of a task on a backend each
};

// ---- The time left ----

// Seconds of a task on two cores with AVX-512: only proportions matter.
static const struct cost {
    const char *task;
    double training, scoring, checks;
} costs[] = {
    {"horses", 37, 2, 8},  {"lfw", 38, 3, 12}, {"denoise", 18, 3, 8},  {"depth", 6, 2, 4},
    {"inpaint", 14, 2, 5}, {"sr", 24, 5, 15},  {"vessels", 12, 3, 25},
};

static struct cost cost_of(const struct job *job, int index) {
    struct cost cost = {"", 20, 3, 10};
    for (size_t i = 0; i < sizeof costs / sizeof *costs; i++)
        if (strcmp(costs[i].task, gb_tasks()[index]->name) == 0)
            cost = costs[i];
    if (job->quick) {
        cost.training /= QUICK_SHARE;
        cost.checks *= (double)QUICK_CHECK_STEPS / CHECK_STEPS;
    }
    return cost;
}

// What follows the training of a task, in multiples of it.
static double rest_after(const struct job *job, int index) {
    double rest = cost_of(job, index).scoring;
    for (int i = 0; i < job->tasks; i++) {
        const struct cost cost = cost_of(job, i);
        rest += cost.checks + (i > index ? cost.training + cost.scoring : 0);
    }
    return rest / cost_of(job, index).training;
}

// ---- Training, unless this build has done it ----

// Notes in the run's directory which build begins which run there. *again: it did so before, and
// the run can be resumed or is finished.
static enum gb_status begin(const struct job *job, const struct gb_training_run *run, bool *again) {
    char path[GB_PATH], record[GB_PATH], hash[32];
    json_t *before = NULL;
    GB_TRY(gb_path_join(run->out, "begun.json", path));
    GB_TRY(gb_path_join(run->out, "run.json", record));
    GB_TRY(gb_json_read_if_there(what, path, &before));
    snprintf(hash, sizeof hash, "%016" PRIx64, job->build);
    json_t *begun = json_pack("{ss ss so}", "executable", hash, "backend", run->backend->name,
                              "config", gb_run_config_json(&run->config));
    *again = begun && json_equal(before, begun);
    enum gb_status status = begun ? GB_OK : gb_no_memory(what, path);
    if (status == GB_OK && !*again) {
        unlink(record); // of the run that is replaced
        status = gb_make_directory(what, run->out);
        if (status == GB_OK)
            status = gb_json_write(path, begun);
    }
    json_decref(before);
    json_decref(begun);
    return status;
}

// The record of a finished run; NULL if it is not.
static enum gb_status finished_record(const struct gb_training_run *run, json_t **record) {
    char path[GB_PATH], picture[GB_PATH];
    GB_TRY(gb_path_join(run->out, "run.json", path));
    GB_TRY(gb_path_join(run->out, "samples.png", picture));
    return gb_is_missing(picture) ? GB_OK : gb_json_read_if_there(what, path, record);
}

static enum gb_status train(const struct job *job, const struct gb_reduced_job *reduced, int index,
                            json_t **record) {
    const struct gb_task *task = reduced->config.task;
    char directory[GB_PATH], checkpoint[GB_PATH], label[64];
    GB_TRY(gb_path_join(job->out, task->name, directory));
    GB_TRY(gb_path_join(directory, "checkpoint.safetensors", checkpoint));
    snprintf(label, sizeof label, "task %d of %d, %s", index + 1, job->tasks, task->name);
    struct gb_training_run run = {.config = reduced->config,
                                  .backend = job->backend,
                                  .threads = job->threads,
                                  .out = directory,
                                  .resume_hint = "rerun to resume",
                                  .label = label,
                                  .rest = rest_after(job, index),
                                  .checkpoint_every = 1000,
                                  .samples = SAMPLES};
    bool again;
    GB_TRY(begin(job, &run, &again));
    if (again)
        GB_TRY(finished_record(&run, record));
    run.resume = again && !gb_is_missing(checkpoint);
    run.replace = !run.resume;
    if (*record)
        gb_say("%s: already trained (%s)\n", label, directory);
    else
        GB_TRY(gb_training_run(&run, reduced->splits, record));
    return GB_OK;
}

static enum gb_status train_task(const struct job *job, int index) {
    const struct gb_task *task = gb_tasks()[index];
    struct gb_reduced_job reduced;
    const int iterations = task->reduced.iterations / (job->quick ? QUICK_SHARE : 1);
    enum gb_status status = gb_reduced_open(task, job->threads, iterations, &reduced);
    reduced.config.precision = job->precision;
    if (status == GB_OK)
        status = train(job, &reduced, index, &job->records[index]);
    gb_reduced_close(&reduced);
    return status;
}

// ---- Checked steps ----

static int check_steps(const struct job *job) {
    return job->quick ? QUICK_CHECK_STEPS : CHECK_STEPS;
}

static enum gb_status few_steps(const struct job *job, const struct gb_reduced_job *reduced,
                                const struct gb_backend *backend, double *bits) {
    const struct gb_trainer_options options = {.backend = backend, .threads = job->threads};
    struct gb_run_config config = reduced->config;
    struct gb_trainer trainer;
    config.learning_rate = check_rate;
    GB_TRY(gb_trainer_create(&trainer, &config, &options, &reduced->splits[GB_SPLIT_TRAIN]));
    enum gb_status status = GB_OK;
    for (int i = 0; i < check_steps(job) && status == GB_OK; i++)
        status = gb_trainer_step(&trainer, &bits[i]);
    gb_trainer_free(&trainer);
    return status;
}

// A task's examples and the reference's steps on them, made when a backend first needs them.
struct reference {
    struct gb_reduced_job reduced;
    bool opened, known;
    double bits[CHECK_STEPS];
};

static enum gb_status find_reference(const struct job *job, const struct gb_task *task,
                                     struct reference *reference) {
    const struct gb_backend *scalar;
    if (reference->known)
        return GB_OK;
    reference->opened = true;
    GB_TRY(gb_reduced_open(task, job->threads, CHECK_STEPS, &reference->reduced));
    GB_TRY(gb_backend_find("scalar", &scalar));
    GB_TRY(few_steps(job, &reference->reduced, scalar, reference->bits));
    reference->known = true;
    return GB_OK;
}

// The largest difference of a step's bits per dimension, relative to the larger of them and 1.
static enum gb_status find_difference(const struct job *job, const struct gb_task *task,
                                      const struct gb_backend *backend, struct reference *reference,
                                      double *difference) {
    double bits[CHECK_STEPS];
    GB_TRY(find_reference(job, task, reference));
    GB_TRY(few_steps(job, &reference->reduced, backend, bits));
    *difference = 0;
    for (int i = 0; i < check_steps(job); i++) {
        const double expected = reference->bits[i];
        *difference = fmax(*difference, fabs(bits[i] - expected) / fmax(fabs(expected), 1));
    }
    return GB_OK;
}

// Prints the backend's figure in the task's line; one that agreed before is not checked again.
static enum gb_status check_backend(struct job *job, const struct gb_task *task,
                                    const struct gb_backend *backend, struct reference *reference,
                                    struct gb_verdicts *verdicts) {
    char key[128], text[32];
    double difference;
    snprintf(key, sizeof key, "%s %s %d steps %d threads", task->name, backend->name,
             check_steps(job), job->threads);
    const char *before = gb_verdicts_find(verdicts, key);
    if (before)
        difference = atof(before);
    else
        GB_TRY(find_difference(job, task, backend, reference, &difference));
    const bool agrees = difference <= check_bound;
    snprintf(text, sizeof text, "%.1e", difference);
    gb_say("  %9s%c", text, agrees ? ' ' : '!');
    if (agrees && !before)
        gb_verdicts_add(verdicts, key, text);
    job->checked++;
    job->agreeing += agrees;
    return agrees ? GB_OK
                  : gb_fail(GB_CHECK_FAILED, "backend disagrees with scalar", backend->name,
                            "%s: %.1e exceeds %.0e", task->name, difference, check_bound);
}

static bool is_checked(const struct gb_backend *backend) {
    return strcmp(backend->name, "scalar") != 0 && gb_backend_supported(backend) &&
           gb_backend_load(backend) == GB_OK;
}

static enum gb_status check_task(struct job *job, const struct gb_task *task) {
    struct reference reference = {0};
    struct gb_verdicts verdicts;
    char directory[GB_PATH];
    GB_TRY(gb_path_join(job->out, task->name, directory));
    if (gb_verdicts_open(&verdicts, directory) != GB_OK)
        verdicts = (struct gb_verdicts){0};
    enum gb_status status = GB_OK;
    gb_say("%-10s", task->name);
    for (const struct gb_backend *const *b = gb_backends(); *b && status == GB_OK; b++)
        if (is_checked(*b))
            status = check_backend(job, task, *b, &reference, &verdicts);
    gb_say("\n");
    if (reference.opened)
        gb_reduced_close(&reference.reduced);
    gb_verdicts_close(&verdicts);
    return status;
}

static enum gb_status check_all(struct job *job) {
    gb_say("\nFirst %d training steps: largest relative difference in bits/dim from scalar\n"
           "(tolerance %.0e)\n\n%-10s",
           check_steps(job), check_bound, "");
    for (const struct gb_backend *const *b = gb_backends(); *b; b++)
        if (is_checked(*b))
            gb_say("  %9s ", (*b)->name);
        else if (gb_backend_supported(*b) && gb_backend_load(*b) != GB_OK)
            fprintf(stderr, "glowbench: backend %s is not checked: %s\n", (*b)->name,
                    gb_error_message());
    gb_say("\n");
    for (int i = 0; i < job->tasks; i++)
        GB_TRY(check_task(job, gb_tasks()[i]));
    return GB_OK;
}

// ---- The command ----

static int count_better(const struct job *job) {
    int better = 0;
    for (int i = 0; i < job->tasks; i++)
        better += gb_reduced_beats_trivial(gb_tasks()[i], job->records[i]);
    return better;
}

// Within 80 columns.
static void print_table(const struct job *job) {
    gb_say("\nTrained by %s, %d thread%s:\n\n%-8s %5s %7s %8s %8s %8s %8s\n", job->backend->name,
           job->threads, job->threads == 1 ? "" : "s", "task", "steps", "weights", "ms/step",
           "bits/dim", "score", "baseline");
    for (int i = 0; i < job->tasks; i++) {
        const struct gb_task *task = gb_tasks()[i];
        const json_t *record = job->records[i], *metrics = json_object_get(record, "metrics");
        char trivial[64], weights[32];
        snprintf(trivial, sizeof trivial, "trivial_%s", task->headline);
        snprintf(weights, sizeof weights, "%.2f M", 1e-6 * gb_json_number(record, "parameters"));
        gb_say("%-8s %5.0f %7s %8.2f %8.4f %8.4f %8.4f%c %s%s\n", task->name,
               gb_json_number(json_object_get(record, "config"), "iterations"), weights,
               1e3 * gb_json_number(record, "step_seconds_median"),
               gb_json_number(metrics, "bits_per_dimension"),
               gb_json_number(metrics, task->headline), gb_json_number(metrics, trivial),
               gb_reduced_beats_trivial(task, record) ? ' ' : '!', task->headline,
               task->lower_is_better ? " (lower)" : "");
    }
    gb_say("\nms/step: median training step. bits/dim: of the test set, lower is better.\n"
           "score: higher is better, psnr in dB. baseline: the score of a predictor that\n"
           "ignores the input.%s\n",
           count_better(job) < job->tasks ? " !: not better than the baseline." : "");
}

static void print_verdict(const struct job *job, enum gb_status status, double seconds) {
    char duration[32];
    const int better = count_better(job);
    gb_duration_text(seconds, duration);
    gb_say("\nPictures: %s/*/samples.png; logs and checkpoints next to them\n", job->out);
    printf("%s  %d of %d tasks beat their baseline, %d of %d backend checks agree (%s)\n",
           gb_console_verdict(status == GB_OK), better, job->tasks, job->agreeing, job->checked,
           duration);
}

static enum gb_status run_all(struct job *job) {
    const double start = gb_seconds();
    for (int i = 0; i < job->tasks; i++)
        GB_TRY(train_task(job, i));
    print_table(job);
    enum gb_status status = check_all(job);
    // After --quick, an eighth of the steps, a model may still be worse.
    if (status == GB_OK && !job->quick)
        status = gb_reduced_check(job->records);
    if (status == GB_OK || status == GB_CHECK_FAILED)
        print_verdict(job, status, gb_seconds() - start);
    return status;
}

static enum gb_status run(int argc, const char **argv) {
    const char *backend_name = NULL, *precision = NULL;
    struct job job = {0};
    bool helped;
    const struct gb_option options[] = {
        gb_option_flag("quick", &job.quick,
                       "an eighth of the training steps, 2 of 10 checked steps; scores need not "
                       "beat the baseline"),
        gb_option_string("out", "DIR", &job.out,
                         "output directory (default: out/run, or out/quick)"),
        gb_option_string("backend", "B", &backend_name,
                         "backend that trains (default: the best for this CPU)"),
        gb_option_choice("precision", "fp32|bf16", &precision,
                         "operands of convolutions and fully connected layers in training; the "
                         "checks are in fp32 (default: fp32)"),
        gb_option_int("threads", "T", &job.threads, 1, GB_MAX_THREADS,
                      "threads (default: all CPUs)"),
        GB_CONSOLE_OPTIONS,
        {0},
    };
    GB_TRY(gb_options_parse(&gb_run_command, options, argc, argv, &helped));
    if (helped)
        return GB_OK;
    if (!job.out)
        job.out = job.quick ? "out/quick" : "out/run";
    job.precision = gb_precision_given(precision, GB_F32);
    GB_TRY(gb_machine_choose_threads(&job.threads));
    GB_TRY(gb_backend_find(backend_name, &job.backend));
    GB_TRY(gb_file_hash(what, "/proc/self/exe", &job.build));
    while (gb_tasks()[job.tasks])
        job.tasks++;
    job.records = calloc((size_t)job.tasks, sizeof(json_t *));
    if (!job.records)
        return gb_no_memory("cannot run", "tasks");
    enum gb_status status = run_all(&job);
    for (int i = 0; i < job.tasks; i++)
        json_decref(job.records[i]);
    free(job.records);
    return status;
}

const struct gb_command gb_run_command = {
    "run", "Train a small model for each task and verify all backends (smoke test)", run, true,
    false};
