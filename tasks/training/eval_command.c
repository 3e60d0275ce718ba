// SPDX-License-Identifier: MIT
// eval and sample: what can be done with a checkpoint.
#include <stdio.h>
#include <string.h>

#include "base/atomic_file.h"
#include "base/files.h"
#include "base/options.h"
#include "tasks/machine.h"
#include "tasks/metrics/record.h"
#include "tasks/training/commands.h"
#include "tasks/training/predictor.h"
#include "tasks/training/scene_options.h"
#include "tasks/training/training_run.h"

enum { DEFAULT_IMAGES = 8 };

// A checkpoint's model, ready to be used on a data set.
struct loaded {
    struct gb_run_config run;
    struct gb_dataset splits[GB_SPLITS];
    struct gb_predictor predictor;
    struct gb_run_config baseline_run;
    struct gb_predictor beside; // where one is asked for
    json_t *machine;            // for a result that is written
    int threads;
};

struct request {
    const char *task, *checkpoint, *data, *split_directory, *split, *backend, *dequantise, *json,
        *picture, *prediction, *ascent_start, *figure_directory, *beside;
    struct gb_scene_choice choice;
    int samples, crops, threads, images, ascent_steps;
    float temperature, ascent_rate;
    uint64_t seed;
};

static void unload(struct loaded *loaded) {
    gb_predictor_free(&loaded->predictor);
    gb_predictor_free(&loaded->beside);
    for (int i = 0; i < GB_SPLITS; i++)
        gb_dataset_free(&loaded->splits[i]);
    json_decref(loaded->machine);
}

static enum gb_status load_into(const struct request *request, const struct gb_backend *backend,
                                struct loaded *loaded) {
    const struct gb_run_config *run = &loaded->run;
    const struct gb_source source = {.directory = request->data,
                                     .split_directory = request->split_directory,
                                     .choice = request->choice,
                                     .size = run->size,
                                     .multiple = gb_model_multiple(run->model->kind, &run->config),
                                     .threads = loaded->threads};
    const struct gb_predictor_options options = {
        .backend = backend,
        .threads = loaded->threads,
        .samples = request->samples ? request->samples : gb_task_samples(run->task),
        .temperature = request->temperature >= 0 ? request->temperature : 1,
        .seed = request->seed,
        .dequantise = strcmp(request->dequantise, "none") != 0,
        .crops = request->crops,
        .prediction = strcmp(request->prediction, gb_prediction_names[GB_PREDICT_GRADIENT]) == 0
                          ? GB_PREDICT_GRADIENT
                          : GB_PREDICT_MEAN,
        .ascent = {.from_mean = strcmp(request->ascent_start, "mean") == 0,
                   .steps = request->ascent_steps,
                   .rate = request->ascent_rate}};
    GB_TRY(gb_scene_options_check(run->task, &source));
    GB_TRY(gb_predictor_create(&loaded->predictor, run, &options));
    GB_TRY(gb_predictor_restore(&loaded->predictor, request->checkpoint));
    if (request->beside) {
        GB_TRY(gb_predictor_create(&loaded->beside, &loaded->baseline_run, &options));
        GB_TRY(gb_predictor_restore(&loaded->beside, request->beside));
    }
    return run->task->load(&source, loaded->splits);
}

// What a checkpoint of the task was trained as.
static enum gb_status read_run(const char *checkpoint, const struct gb_task *task,
                               struct gb_run_config *run) {
    struct gb_run_origin origin;
    GB_TRY(gb_run_config_read(checkpoint, run, &origin));
    if (run->task != task)
        return gb_fail(GB_BAD_INPUT, "cannot use checkpoint", checkpoint,
                       "it is a model of %s, not of %s", run->task->name, task->name);
    return GB_OK;
}

// GB_BAD_INPUT for what the task does not do.
static enum gb_status check_for_task(const struct request *request, const struct gb_task *task) {
    if (request->temperature >= 0 && task->temperatures)
        return gb_fail(GB_BAD_INPUT, "unknown option", "--temperature",
                       "%s has its own, which are %s", task->name, task->temperatures);
    if (request->figure_directory && !task->figure)
        return gb_fail(GB_BAD_INPUT, "unknown option", "--png-dir", "%s draws sheets alone",
                       task->name);
    if (request->beside && !request->figure_directory)
        return gb_fail(GB_BAD_INPUT, "missing option", "--png-dir", "--beside needs it");
    return GB_OK;
}

static enum gb_status load(const struct request *request, struct loaded *loaded) {
    const struct gb_task *task;
    const struct gb_backend *backend;
    *loaded =
        (struct loaded){.threads = request->threads ? request->threads : gb_machine_threads()};
    GB_TRY(gb_task_find(request->task, &task));
    GB_TRY(check_for_task(request, task));
    GB_TRY(gb_backend_find(request->backend, &backend));
    if (!request->checkpoint)
        return gb_fail(GB_BAD_INPUT, "missing option", "--checkpoint", "the file of the model");
    if (request->split_directory && !request->data)
        return gb_fail(GB_BAD_INPUT, "missing option", "--data", "--split-dir needs it");
    // Results that cannot be written are not worth working for.
    if (request->json)
        GB_TRY(gb_atomic_probe(request->json));
    if (request->picture)
        GB_TRY(gb_atomic_probe(request->picture));
    GB_TRY(read_run(request->checkpoint, task, &loaded->run));
    if (request->beside)
        GB_TRY(read_run(request->beside, task, &loaded->baseline_run));
    if (request->figure_directory)
        GB_TRY(gb_make_directory("cannot draw", request->figure_directory));
    if (request->json)
        GB_TRY(gb_machine_json(&loaded->machine));
    enum gb_status status = load_into(request, backend, loaded);
    if (status != GB_OK)
        unload(loaded);
    return status;
}

static const struct gb_dataset *split_of(const struct request *request,
                                         const struct loaded *loaded) {
    bool test = strcmp(request->split, gb_split_name(GB_SPLIT_TEST)) == 0;
    return &loaded->splits[test ? GB_SPLIT_TEST : GB_SPLIT_TRAIN];
}

// The options that both commands take.
enum { OWN_OPTIONS = 14, SHARED_OPTIONS = OWN_OPTIONS + GB_SCENE_OPTIONS };
static void shared_options(struct request *r, struct gb_option options[SHARED_OPTIONS]) {
    const struct gb_option shared[OWN_OPTIONS] = {
        gb_operand("TASK", &r->task, "the task that the model was trained on"),
        gb_option_string("checkpoint", "FILE", &r->checkpoint, "the model (required)"),
        gb_option_string("data", "DIR", &r->data,
                         "the data set as published (else a synthetic one is drawn)"),
        gb_option_string("split-dir", "DIR", &r->split_directory,
                         "lists of the split (else the task's own rule)"),
        gb_option_choice("split", "test|train", &r->split, "which examples"),
        gb_option_int("samples", "M", &r->samples, 1, 1000,
                      "samples that a prediction averages (else the paper's)"),
        gb_option_float("temperature", "T", &r->temperature, 0, 10,
                        "what the latents are multiplied by (else 1)"),
        gb_option_choice("predict", "mean|gradient", &r->prediction,
                         "the prediction: the mean of samples, or gradient ascent on p(y|x)"),
        gb_option_choice(
            "ascent-start", "mode|mean", &r->ascent_start,
            "where ascent starts: the sample of temperature 0, or the mean of samples"),
        gb_option_int("ascent-steps", "N", &r->ascent_steps, 1, 100000, "steps of ascent"),
        gb_option_float("ascent-rate", "R", &r->ascent_rate, 0, 1, "about how far a step goes"),
        gb_option_seed("seed", "N", &r->seed, "of latents and dequantisation noise"),
        gb_option_int("threads", "T", &r->threads, 1, 256,
                      "threads (else OMP_NUM_THREADS, else all CPUs); results do not depend on it"),
        gb_option_string("backend", "B", &r->backend,
                         "kernels (else $GB_BACKEND, else the best for this CPU)"),
    };
    memcpy(options, shared, sizeof shared);
    gb_scene_options(&r->choice, options + OWN_OPTIONS);
}

static const struct request defaults = {
    .split = "test",
    .dequantise = "uniform",
    .prediction = "mean",
    .ascent_start = "mode",
    .ascent_steps = 100,
    .ascent_rate = 0.01f,
    .temperature = -1, // not given
};

// ---- eval ----

static enum gb_status write_result(const struct request *request, const struct loaded *loaded,
                                   json_t *metrics, json_t *per_image) {
    json_t *json = json_pack(
        "{s:s, s:s, s:o, s:{s:s, s:s, s:s, s:i, s:f, s:s, s:s, s:s, s:i, s:f, s:I, s:s, s:i}, s:O, "
        "s:O, s:O}",
        "task", loaded->run.task->name, "model", loaded->run.model->name, "config",
        gb_run_config_json(&loaded->run), "eval", "checkpoint", request->checkpoint, "data",
        request->data ? request->data : "synthetic", "split", request->split, "samples",
        loaded->predictor.samples, "temperature", (double)loaded->predictor.options.temperature,
        "dequant", request->dequantise, "predict", request->prediction, "ascent_start",
        request->ascent_start, "ascent_steps", request->ascent_steps, "ascent_rate",
        (double)request->ascent_rate, "seed", (json_int_t)request->seed, "backend",
        loaded->predictor.options.backend->name, "threads", loaded->threads, "machine",
        loaded->machine, "metrics", metrics, "per_image", per_image);
    if (!json)
        return gb_no_memory("cannot write", request->json);
    enum gb_status status = gb_json_write(request->json, json);
    json_decref(json);
    return status;
}

static enum gb_status evaluate(const struct request *request, struct loaded *loaded,
                               json_t *metrics, json_t *per_image) {
    const struct gb_dataset *set = split_of(request, loaded);
    GB_TRY(gb_predictor_evaluate(&loaded->predictor, &loaded->splits[GB_SPLIT_TRAIN], set, metrics,
                                 per_image));
    printf("%s, %d images of the %s split of %s\n", loaded->run.task->summary, set->count,
           request->split, request->data ? request->data : "the synthetic data");
    gb_metrics_print(metrics);
    // Before the picture, which may be too large to draw.
    if (request->json)
        GB_TRY(write_result(request, loaded, metrics, per_image));
    return request->picture
               ? gb_predictor_picture(&loaded->predictor, set, request->images, request->picture)
               : GB_OK;
}

static enum gb_status eval(int argc, const char **argv) {
    struct request request = defaults;
    request.images = DEFAULT_IMAGES;
    struct gb_option options[SHARED_OPTIONS + 6] = {0};
    shared_options(&request, options);
    options[SHARED_OPTIONS] =
        gb_option_choice("dequant", "uniform|none", &request.dequantise,
                         "noise on discrete targets when their likelihood is taken");
    options[SHARED_OPTIONS + 1] = gb_option_string(
        "json", "FILE", &request.json, "write the metrics, and each image's, to this file");
    options[SHARED_OPTIONS + 2] = gb_option_string(
        "png", "FILE", &request.picture, "draw examples, samples and predictions as this file");
    options[SHARED_OPTIONS + 3] =
        gb_option_int("images", "N", &request.images, 1, 64, "examples of the picture");
    options[SHARED_OPTIONS + 4] =
        gb_option_int("crops", "N", &request.crops, 1, GB_MAX_CROPS,
                      "of sr: random crops of a test set that are scored (else the paper's 1,000)");
    bool helped;
    GB_TRY(gb_options_parse(&gb_eval_command, options, argc, argv, &helped));
    if (helped)
        return GB_OK;
    struct loaded loaded;
    GB_TRY(load(&request, &loaded));
    json_t *metrics = json_object(), *per_image = json_array();
    enum gb_status status = evaluate(&request, &loaded, metrics, per_image);
    json_decref(metrics);
    json_decref(per_image);
    unload(&loaded);
    return status;
}

const struct gb_command gb_eval_command = {"eval", "Scores a checkpoint on a data set", eval};

// ---- sample ----

// The directory's file for an example: its name, of which directories are made, ending with ".png".
static enum gb_status figure_path(const char *directory, const char *name,
                                  char path[static GB_PATH]) {
    const char *suffix = ".png", *dot = strrchr(name, '.'), *slash;
    char file[GB_PATH], parent[GB_PATH];
    snprintf(file, sizeof file, "%s%s", name, dot && strcmp(dot, suffix) == 0 ? "" : suffix);
    GB_TRY(gb_path_join(directory, file, path));
    slash = strrchr(path, '/');
    snprintf(parent, sizeof parent, "%.*s", (int)(slash - path), path);
    return gb_make_directory("cannot draw", parent);
}

static enum gb_status draw_figures(const struct request *request, struct loaded *loaded) {
    const struct gb_dataset *set = split_of(request, loaded);
    struct gb_predictor *beside = request->beside ? &loaded->beside : NULL;
    struct gb_selection shown;
    GB_TRY(gb_dataset_select(set, request->images, &shown));
    enum gb_status status = GB_OK;
    for (int i = 0; status == GB_OK && i < shown.count; i++) {
        char path[GB_PATH];
        status = figure_path(request->figure_directory, shown.names[i], path);
        if (status == GB_OK)
            status =
                loaded->run.task->figure(&loaded->predictor, beside, set, shown.indices[i], path);
    }
    gb_selection_free(&shown);
    return status;
}

static enum gb_status draw(const struct request *request, struct loaded *loaded) {
    const int images = request->images ? request->images : DEFAULT_IMAGES;
    if (request->picture)
        GB_TRY(gb_predictor_picture(&loaded->predictor, split_of(request, loaded), images,
                                    request->picture));
    return request->figure_directory ? draw_figures(request, loaded) : GB_OK;
}

static enum gb_status sample(int argc, const char **argv) {
    struct request request = defaults;
    struct gb_option options[SHARED_OPTIONS + 5] = {0};
    shared_options(&request, options);
    options[SHARED_OPTIONS] =
        gb_option_string("png", "FILE", &request.picture, "the picture to write");
    options[SHARED_OPTIONS + 1] =
        gb_option_int("images", "N", &request.images, 1, 64,
                      "examples, spread over the split (else 8 for --png, all for --png-dir)");
    options[SHARED_OPTIONS + 2] =
        gb_option_string("png-dir", "DIR", &request.figure_directory,
                         "of sr: a picture for every photograph, whole, named like it");
    options[SHARED_OPTIONS + 3] =
        gb_option_string("beside", "FILE", &request.beside,
                         "another checkpoint of the task, whose predictions --png-dir shows too");
    bool helped;
    GB_TRY(gb_options_parse(&gb_sample_command, options, argc, argv, &helped));
    if (helped)
        return GB_OK;
    if (!request.picture && !request.figure_directory)
        return gb_fail(GB_BAD_INPUT, "missing option", "--png",
                       "the file of the picture, or --png-dir");
    struct loaded loaded;
    GB_TRY(load(&request, &loaded));
    enum gb_status status = draw(&request, &loaded);
    unload(&loaded);
    return status;
}

const struct gb_command gb_sample_command = {
    "sample", "Draws inputs, truths, samples and predictions as a PNG", sample};
