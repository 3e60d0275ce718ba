// SPDX-License-Identifier: MIT
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tasks/program/files.h"
#include "tasks/program/machine.h"
#include "tasks/program/options.h"
#include "tasks/training/commands.h"
#include "tasks/training/training_run.h"

#define DEFAULT_ITERATIONS 5000
#define DEFAULT_BATCH 2
#define DEFAULT_LEARNING_RATE 0.0002
#define TEXT_(x) #x
#define TEXT(x) TEXT_(x) // of a default, for the help
enum { DEFAULT_SAMPLES = 10 };
static const float unset = -1; // of a float option: below its range
static const uint64_t unset_seed = UINT64_MAX;

// What the line gave; 0, NULL and the two above: not given.
struct given {
    const char *task, *model, *data, *split_folder, *backend, *out, *init;
    int size, iterations, batch, threads, checkpoint_every, samples;
    int levels, steps, n_c, n_w, coupling_channels, feature_channels, mask_copies;
    float learning_rate;
    uint64_t seed;
    bool resume;
};

// Every number that shapes the run: what the line gave, and where it goes.
struct setting {
    const char *option;
    int given, *to;
};

enum { SETTINGS = 9 };
static void settings_of(const struct given *given, struct gb_run_config *config,
                        struct setting settings[SETTINGS]) {
    struct gb_cglow_config *model = &config->model;
    const struct setting all[SETTINGS] = {
        {"--size", given->size, &config->size},
        {"--batch", given->batch, &config->batch},
        {"--levels", given->levels, &model->levels},
        {"--steps", given->steps, &model->steps},
        {"--n-c", given->n_c, &model->n_c},
        {"--n-w", given->n_w, &model->n_w},
        {"--coupling-channels", given->coupling_channels, &model->coupling_channels},
        {"--feature-channels", given->feature_channels, &model->feature_channels},
        {"--mask-copies", given->mask_copies, &model->y_c},
    };
    memcpy(settings, all, sizeof all);
}

static enum gb_init init_of(const char *name) {
    return strcmp(name, gb_init_names[GB_INIT_PUBLISHED]) == 0 ? GB_INIT_PUBLISHED : GB_INIT_LIVE;
}

// A new run: the task's own configuration, changed by what the line gave.
static void configure(const struct given *given, const struct gb_task *task,
                      struct gb_run_config *config) {
    *config = (struct gb_run_config){.task = task,
                                     .size = given->size ? given->size : task->default_size,
                                     .batch = DEFAULT_BATCH,
                                     .learning_rate = (float)DEFAULT_LEARNING_RATE,
                                     .seed = given->seed == unset_seed ? 0 : given->seed};
    task->configure(config->size, &config->model);
    struct setting settings[SETTINGS];
    settings_of(given, config, settings);
    for (int i = 0; i < SETTINGS; i++)
        if (settings[i].given)
            *settings[i].to = settings[i].given;
    if (given->learning_rate >= 0)
        config->learning_rate = given->learning_rate;
    if (given->init)
        config->model.init = init_of(given->init);
    config->iterations = given->iterations ? given->iterations : DEFAULT_ITERATIONS;
}

// The backend decides a run's bits too: the checkpoint's, with which the line may not disagree.
static enum gb_status resumed_backend(const struct given *given, const char *checkpoint,
                                      const struct gb_backend *trained_on,
                                      const struct gb_backend **backend) {
    if (!trained_on)
        return gb_fail(GB_BAD_INPUT, "cannot resume", checkpoint,
                       "it was trained by a backend that this build does not have");
    if (!given->backend)
        return gb_backend_find(trained_on->name, backend);
    GB_TRY(gb_backend_find(given->backend, backend));
    if (*backend != trained_on)
        return gb_fail(GB_BAD_INPUT, "cannot resume with another", "--backend", "%s has %s",
                       checkpoint, trained_on->name);
    return GB_OK;
}

// A resumed run: the checkpoint's configuration, with which the line may not disagree but in
// --iters.
static enum gb_status configure_resumed(const struct given *given, const struct gb_task *task,
                                        const char *checkpoint, struct gb_run_config *config,
                                        const struct gb_backend **backend) {
    static const char what[] = "cannot resume with another";
    struct gb_run_origin origin;
    if (access(checkpoint, F_OK) != 0)
        return gb_fail(GB_BAD_INPUT, "nothing to resume", checkpoint, "%s; start without --resume",
                       strerror(errno));
    GB_TRY(gb_run_config_read(checkpoint, config, &origin));
    if (config->task != task)
        return gb_fail(GB_BAD_INPUT, what, "TASK", "%s is a run of %s", checkpoint,
                       config->task->name);
    struct setting settings[SETTINGS];
    settings_of(given, config, settings);
    for (int i = 0; i < SETTINGS; i++)
        if (settings[i].given && *settings[i].to != settings[i].given)
            return gb_fail(GB_BAD_INPUT, what, settings[i].option, "%s has %d", checkpoint,
                           *settings[i].to);
    if (given->learning_rate >= 0 && given->learning_rate != config->learning_rate)
        return gb_fail(GB_BAD_INPUT, what, "--lr", "%s has %g", checkpoint,
                       (double)config->learning_rate);
    GB_TRY(resumed_backend(given, checkpoint, origin.backend, backend));
    if (given->init && init_of(given->init) != config->model.init)
        return gb_fail(GB_BAD_INPUT, what, "--init", "%s has %s", checkpoint,
                       gb_init_names[config->model.init]);
    if (given->seed != unset_seed && given->seed != config->seed)
        return gb_fail(GB_BAD_INPUT, what, "--seed", "%s has %llu", checkpoint,
                       (unsigned long long)config->seed);
    if (given->iterations)
        config->iterations = given->iterations;
    if (origin.step > config->iterations)
        return gb_fail(GB_BAD_INPUT, "nothing to resume", checkpoint,
                       "it stands at step %ld, beyond --iters %d", origin.step, config->iterations);
    return GB_OK;
}

// The one thing that a model asks of options together; in their words.
static enum gb_status check_size(const struct gb_run_config *config) {
    int multiple = 1 << config->model.levels;
    if (config->size % multiple)
        return gb_fail(GB_BAD_INPUT, "bad value", "--size",
                       "%d is no multiple of %d: it is halved at each of %d levels (--levels)",
                       config->size, multiple, config->model.levels);
    return GB_OK;
}

static enum gb_status train(int argc, const char **argv) {
    struct given given = {.model = "cglow",
                          .checkpoint_every = 1000,
                          .samples = DEFAULT_SAMPLES,
                          .learning_rate = unset,
                          .seed = unset_seed};
    char inits[32];
    snprintf(inits, sizeof inits, "%s|%s", gb_init_names[GB_INIT_LIVE],
             gb_init_names[GB_INIT_PUBLISHED]);
    const struct gb_option options[] = {
        gb_operand("TASK", &given.task, "what to train; glowbench list names the tasks"),
        gb_option_string("data", "DIR", &given.data,
                         "the data set as published (else a synthetic one is drawn)"),
        gb_option_string("split-dir", "DIR", &given.split_folder,
                         "lists of the split (else the task's own rule)"),
        gb_option_int("size", "S", &given.size, GB_LEAST_SIZE, GB_MOST_SIZE,
                      "height and width of the target (else the task's smallest published one)"),
        gb_option_choice("model", "cglow", &given.model, "the model"),
        gb_option_choice("init", inits, &given.init, "start of the parameters (else live)"),
        gb_option_int("iters", "N", &given.iterations, 1, INT_MAX,
                      "training steps (else " TEXT(DEFAULT_ITERATIONS) ")"),
        gb_option_int("batch", "B", &given.batch, 1, GB_MOST_BATCH,
                      "examples a step (else " TEXT(DEFAULT_BATCH) ")"),
        gb_option_float("lr", "R", &given.learning_rate, 0, 1,
                        "learning rate (else " TEXT(DEFAULT_LEARNING_RATE) ")"),
        gb_option_seed("seed", "N", &given.seed, "of everything random (else 0)"),
        gb_option_int("levels", "L", &given.levels, 1, GB_MAX_LEVELS, "levels (else the paper's)"),
        gb_option_int("steps", "K", &given.steps, 1, 256, "steps of a level (else the paper's)"),
        gb_option_int("n-c", "N", &given.n_c, 1, 4096,
                      "channels of the conditioning networks (else the paper's)"),
        gb_option_int("n-w", "N", &given.n_w, 1, 65536,
                      "width of the conditioning networks (else the paper's)"),
        gb_option_int("coupling-channels", "N", &given.coupling_channels, 1, 65536,
                      "width of the couplings (else 256)"),
        gb_option_int("feature-channels", "N", &given.feature_channels, 1, 65536,
                      "width of the couplings' x path (else 16)"),
        gb_option_int("mask-copies", "N", &given.mask_copies, 1, 64,
                      "channels that a mask is copied to (else 3)"),
        gb_option_int("threads", "T", &given.threads, 1, 256,
                      "threads (else OMP_NUM_THREADS, else all CPUs); results do not depend on it"),
        gb_option_string(
            "backend", "B", &given.backend,
            "kernels (else a resumed run's own, else $GB_BACKEND, else the best for this CPU)"),
        gb_option_string("out", "DIR", &given.out, "the run's folder (else out/TASK)"),
        gb_option_flag("resume", &given.resume, "go on from the folder's checkpoint"),
        gb_option_int("checkpoint-every", "N", &given.checkpoint_every, 1, INT_MAX,
                      "steps from one checkpoint to the next"),
        gb_option_int("samples", "M", &given.samples, 1, 1000,
                      "samples that a prediction averages, when the model is scored at the end"),
        {0},
    };
    bool helped;
    GB_TRY(gb_options_parse(&gb_train_command, options, argc, argv, &helped));
    if (helped)
        return GB_OK;

    struct gb_training_run run = {.data_folder = given.data,
                                  .split_folder = given.split_folder,
                                  .threads = given.threads ? given.threads : gb_machine_threads(),
                                  .resume = given.resume,
                                  .checkpoint_every = given.checkpoint_every,
                                  .samples = given.samples};
    const struct gb_task *task;
    char out[GB_PATH], checkpoint[GB_PATH];
    GB_TRY(gb_task_find(given.task, &task));
    if (!given.resume)
        GB_TRY(gb_backend_find(given.backend, &run.backend));
    if (given.split_folder && !given.data)
        return gb_fail(GB_BAD_INPUT, "missing option", "--data", "--split-dir needs it");
    GB_TRY(gb_path_join("out", task->name, out));
    run.out = given.out ? given.out : out;
    GB_TRY(gb_path_join(run.out, "checkpoint.safetensors", checkpoint));
    if (given.resume)
        GB_TRY(configure_resumed(&given, task, checkpoint, &run.config, &run.backend));
    else
        configure(&given, task, &run.config);
    GB_TRY(check_size(&run.config));

    json_t *record = NULL;
    GB_TRY(gb_training_run(&run, &record));
    printf("%s: %.1f ms a step, peak memory %.0f MB\n", run.out,
           1e3 * json_number_value(json_object_get(record, "step_seconds_median")),
           1e-6 * json_number_value(json_object_get(record, "peak_memory_bytes")));
    gb_metrics_print(json_object_get(record, "metrics"));
    json_decref(record);
    return GB_OK;
}

const struct gb_command gb_train_command = {
    "train", "Trains a task's model and scores it; --resume goes on with a run", train};
