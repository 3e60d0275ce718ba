// SPDX-License-Identifier: MIT
// The commands eval and sample, which use a checkpoint.
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/atomic_file.h"
#include "base/console.h"
#include "base/files.h"
#include "base/options.h"
#include "base/progress.h"
#include "tasks/machine.h"
#include "tasks/metrics/record.h"
#include "tasks/prediction/predictor.h"
#include "tasks/training/commands.h"
#include "tasks/training/data_options.h"
#include "tasks/training/training_run.h"

enum { DEFAULT_IMAGES = 8, TENSOR_IMAGES = 4 };

struct request {
    const char *task, *checkpoint, *split, *backend, *precision, *dequantise, *json, *picture,
        *prediction, *ascent_start, *figure_directory, *baseline, *tensors;
    int images;
    struct gb_source source;
    struct gb_predictor_options options; // 0 and a negative temperature: not given
};

static const struct request defaults = {
    .split = "test",
    .dequantise = "uniform",
    .prediction = "mean",
    .ascent_start = "mode",
    .options = {.temperature = -1, .ascent = {.steps = 100, .rate = 0.01f}},
};

// Parses the options of both commands and a command's own.
static enum gb_status parse(const struct gb_command *command, const struct gb_option *own,
                            size_t own_count, struct request *r, int argc, const char **argv,
                            bool *helped) {
    const struct gb_option shared[] = {
        gb_operand("TASK", &r->task, "the task that the model was trained on"),
        gb_option_string("checkpoint", "FILE", &r->checkpoint, "the model (required)"),
        gb_option_choice("split", "test|train", &r->split, "which examples"),
        gb_option_int("samples", "M", &r->options.samples, 1, 1000,
                      "samples averaged by a prediction (default: the paper's)"),
        gb_option_float("temperature", "T", &r->options.temperature, 0, 10,
                        "sampling temperature (default: 1)"),
        gb_option_choice("predict", "mean|gradient", &r->prediction,
                         "prediction: mean of samples, or gradient ascent on p(y|x)"),
        gb_option_choice("ascent-start", "mode|mean", &r->ascent_start,
                         "start of the ascent: the sample at temperature 0, or the mean"),
        gb_option_int("ascent-steps", "N", &r->options.ascent.steps, 1, 100000,
                      "steps of the ascent"),
        gb_option_float("ascent-rate", "R", &r->options.ascent.rate, 0, 1,
                        "learning rate of the ascent"),
        gb_option_seed("seed", "N", &r->options.seed,
                       "random seed of latents and dequantisation noise"),
        gb_option_int("threads", "T", &r->options.threads, 1, GB_MAX_THREADS,
                      "threads; they do not change results (default: OMP_NUM_THREADS, or all "
                      "CPUs)"),
        gb_option_string("backend", "B", &r->backend,
                         "kernels (default: $GB_BACKEND, or the best for this CPU)"),
        gb_option_choice("precision", "fp32|bf16", &r->precision,
                         "operands of convolutions and fully connected layers (default: the "
                         "checkpoint's)"),
        GB_CONSOLE_OPTIONS,
    };
    enum { SHARED = sizeof shared / sizeof *shared, MAX_OWN = 8 };
    struct gb_option options[SHARED + GB_DATA_OPTIONS + MAX_OWN + 1] = {0};
    assert(own_count <= MAX_OWN);
    memcpy(options, shared, sizeof shared);
    gb_data_options(&r->source, options + SHARED);
    memcpy(options + SHARED + GB_DATA_OPTIONS, own, own_count * sizeof *own);
    return gb_options_parse(command, options, argc, argv, helped);
}

// ---- Loading ----

// A checkpoint's model.
struct model {
    struct gb_run_config run;
    struct gb_run_origin origin;
    struct gb_predictor predictor;
};

// The model, that of --baseline, and the data set that they are used on.
struct loaded {
    struct model model, baseline;
    struct gb_dataset splits[GB_SPLITS];
    json_t *machine; // with --json
};

static void unload(struct loaded *loaded) {
    gb_predictor_free(&loaded->model.predictor);
    gb_predictor_free(&loaded->baseline.predictor);
    for (int i = 0; i < GB_SPLITS; i++)
        gb_dataset_free(&loaded->splits[i]);
    json_decref(loaded->machine);
}

// GB_BAD_INPUT for options that the task does not have, or that need others.
static enum gb_status check_request(const struct request *request, const struct gb_task *task) {
    if (request->options.temperature >= 0 && task->temperatures)
        return gb_fail(GB_BAD_INPUT, "unknown option", "--temperature",
                       "%s always samples at temperatures %s", task->name, task->temperatures);
    if (request->figure_directory && !task->figure)
        return gb_fail(GB_BAD_INPUT, "unknown option", "--png-dir", "does not apply to %s",
                       task->name);
    if (request->baseline && !request->figure_directory)
        return gb_fail(GB_BAD_INPUT, "missing option", "--png-dir", "required by --baseline");
    if (!request->checkpoint)
        return gb_fail(GB_BAD_INPUT, "missing option", "--checkpoint", "the file of the model");
    return GB_OK;
}

static enum gb_status read_run(const struct request *request, const char *checkpoint,
                               const struct gb_task *task, struct model *model) {
    struct gb_run_config *run = &model->run;
    GB_TRY(gb_run_config_read(checkpoint, run, &model->origin));
    run->precision = gb_precision_given(request->precision, run->precision);
    if (run->task != task)
        return gb_fail(GB_BAD_INPUT, "cannot use checkpoint", checkpoint,
                       "it is a model of %s, not of %s", run->task->name, task->name);
    return GB_OK;
}

static enum gb_status create_predictor(struct model *model, const char *checkpoint,
                                       const struct gb_predictor_options *options) {
    GB_TRY(gb_predictor_create(&model->predictor, &model->run, options));
    return gb_predictor_restore(&model->predictor, checkpoint);
}

static enum gb_status load_into(const struct request *request, const struct gb_backend *backend,
                                struct loaded *loaded) {
    const struct gb_run_config *run = &loaded->model.run;
    struct gb_progress progress;
    struct gb_source source = request->source;
    struct gb_predictor_options options = request->options;
    options.backend = backend;
    options.samples = options.samples ? options.samples : gb_task_samples(run->task);
    options.temperature = options.temperature >= 0 ? options.temperature : 1;
    options.dequantise = strcmp(request->dequantise, "none") != 0;
    options.ascent.from_mean = strcmp(request->ascent_start, "mean") == 0;
    if (strcmp(request->prediction, gb_prediction_names[GB_PREDICT_GRADIENT]) == 0)
        options.prediction = GB_PREDICT_GRADIENT;
    source.size = run->size;
    source.width = run->width;
    source.multiple = gb_model_multiple(run->model->kind, &run->config);
    source.threads = options.threads;
    source.note = gb_print_note;
    source.progress = &progress;
    GB_TRY(gb_data_options_check(run->task, &source));
    GB_TRY(create_predictor(&loaded->model, request->checkpoint, &options));
    if (request->baseline)
        GB_TRY(create_predictor(&loaded->baseline, request->baseline, &options));
    return run->task->load(&source, loaded->splits);
}

// Scores and samples of a model on data of another kind mean little.
static void note_other_data(const struct request *request, bool trained_on_synthetic) {
    const char *directory = request->source.directory;
    if (!trained_on_synthetic && !directory)
        gb_say("%s was trained on published data, but is used on generated data: give --data\n",
               request->checkpoint);
    if (trained_on_synthetic && directory)
        gb_say("%s was trained on generated data, but is used on %s\n", request->checkpoint,
               directory);
}

static enum gb_status load(struct request *request, struct loaded *loaded) {
    const struct gb_task *task;
    const struct gb_backend *backend;
    *loaded = (struct loaded){0};
    GB_TRY(gb_task_find(request->task, &task));
    GB_TRY(check_request(request, task));
    GB_TRY(gb_machine_choose_threads(&request->options.threads));
    GB_TRY(gb_backend_find(request->backend, &backend));
    // Output that cannot be written fails before the work.
    if (request->json)
        GB_TRY(gb_atomic_probe(request->json));
    if (request->picture)
        GB_TRY(gb_atomic_probe(request->picture));
    if (request->tensors)
        GB_TRY(gb_atomic_probe(request->tensors));
    GB_TRY(read_run(request, request->checkpoint, task, &loaded->model));
    if (request->baseline)
        GB_TRY(read_run(request, request->baseline, task, &loaded->baseline));
    if (request->figure_directory)
        GB_TRY(gb_make_directory("cannot draw", request->figure_directory));
    if (request->json)
        GB_TRY(gb_machine_json(&loaded->machine));
    enum gb_status status = load_into(request, backend, loaded);
    if (status == GB_OK)
        note_other_data(request, loaded->model.origin.synthetic);
    else
        unload(loaded);
    return status;
}

static const struct gb_dataset *split_of(const struct request *request,
                                         const struct loaded *loaded) {
    bool test = strcmp(request->split, gb_split_name(GB_SPLIT_TEST)) == 0;
    return &loaded->splits[test ? GB_SPLIT_TEST : GB_SPLIT_TRAIN];
}

// ---- eval ----

static enum gb_status write_result(const struct request *request, const struct loaded *loaded,
                                   json_t *metrics, json_t *per_image) {
    const struct gb_predictor *predictor = &loaded->model.predictor;
    const struct gb_predictor_options *options = &predictor->options;
    const char *data = request->source.directory;
    const struct {
        const char *key;
        json_t *value;
    } settings[] = {
        {"checkpoint", json_string(request->checkpoint)},
        {"data", json_string(data ? data : "synthetic")},
        {"split", json_string(request->split)},
        {"samples", json_integer(predictor->samples)},
        {"temperature", json_real((double)options->temperature)},
        {"dequant", json_string(request->dequantise)},
        {"predict", json_string(request->prediction)},
        {"ascent_start", json_string(request->ascent_start)},
        {"ascent_steps", json_integer(options->ascent.steps)},
        {"ascent_rate", json_real((double)options->ascent.rate)},
        {"seed", json_integer((json_int_t)options->seed)},
        {"backend", json_string(options->backend->name)},
        {"precision", json_string(gb_precision_name(loaded->model.run.precision))},
        {"threads", json_integer(options->threads)},
    };
    json_t *eval = json_object();
    int failed = 0;
    for (size_t i = 0; i < sizeof settings / sizeof *settings; i++)
        failed |= json_object_set_new(eval, settings[i].key, settings[i].value);
    json_t *result = json_pack(
        "{s:s, s:s, s:o, s:o, s:O, s:O, s:O}", "task", loaded->model.run.task->name, "model",
        loaded->model.run.model->name, "config", gb_run_config_json(&loaded->model.run), "eval",
        eval, "machine", loaded->machine, "metrics", metrics, "per_image", per_image);
    enum gb_status status = failed || !result ? gb_no_memory("cannot write", request->json)
                                              : gb_json_write(request->json, result);
    json_decref(result);
    return status;
}

static enum gb_status evaluate(const struct request *request, struct loaded *loaded,
                               json_t *metrics, json_t *per_image) {
    const struct gb_dataset *set = split_of(request, loaded);
    // Training examples always have the model's size; whole test images may not.
    if (request->tensors)
        GB_TRY(gb_predictor_write_tensors(&loaded->model.predictor, &loaded->model.run,
                                          &loaded->splits[GB_SPLIT_TRAIN], TENSOR_IMAGES,
                                          request->tensors));
    GB_TRY(gb_predictor_evaluate(&loaded->model.predictor, &loaded->splits[GB_SPLIT_TRAIN], set,
                                 metrics, per_image));
    printf("%s, %d images of the %s split of %s\n", loaded->model.run.task->summary, set->count,
           request->split,
           request->source.directory ? request->source.directory : "the generated data");
    gb_metrics_print(metrics);
    // Before the picture, which may be too large to draw.
    if (request->json)
        GB_TRY(write_result(request, loaded, metrics, per_image));
    return request->picture ? gb_predictor_picture(&loaded->model.predictor, set, request->images,
                                                   request->picture)
                            : GB_OK;
}

static enum gb_status eval(int argc, const char **argv) {
    struct request request = defaults;
    request.images = DEFAULT_IMAGES;
    const struct gb_option own[] = {
        gb_option_choice("dequant", "uniform|none", &request.dequantise,
                         "noise added to discrete targets for their likelihood"),
        gb_option_string("json", "FILE", &request.json,
                         "write the metrics of the set and of each image"),
        gb_option_string("png", "FILE", &request.picture, "draw examples, samples and predictions"),
        gb_option_int("images", "N", &request.images, 1, 64, "examples in the picture"),
        gb_option_string("tensors", "FILE", &request.tensors,
                         "write inputs, targets and log-likelihoods of four training examples as "
                         "safetensors, for checks of other implementations"),
        gb_option_int("crops", "N", &request.options.crops, 1, GB_MAX_CROPS,
                      "(sr only) random crops scored per test set (default: 1000, as in the "
                      "paper)"),
    };
    bool helped;
    GB_TRY(parse(&gb_eval_command, own, sizeof own / sizeof *own, &request, argc, argv, &helped));
    if (helped)
        return GB_OK;
    if (!gb_ranks_lead())
        request.json = request.picture = request.tensors = NULL;
    struct loaded loaded;
    GB_TRY(load(&request, &loaded));
    json_t *metrics = json_object(), *per_image = json_array();
    enum gb_status status = evaluate(&request, &loaded, metrics, per_image);
    json_decref(metrics);
    json_decref(per_image);
    unload(&loaded);
    return status;
}

const struct gb_command gb_eval_command = {"eval", "Score a checkpoint on a data set", eval, true,
                                           true};

// ---- sample ----

// DIRECTORY/NAME.png; the name's own directories are created.
static enum gb_status figure_path(const char *directory, const char *name,
                                  char path[static GB_PATH]) {
    const char *suffix = ".png", *dot = strrchr(name, '.');
    char file[GB_PATH], parent[GB_PATH];
    snprintf(file, sizeof file, "%s%s", name, dot && strcmp(dot, suffix) == 0 ? "" : suffix);
    GB_TRY(gb_path_join(directory, file, path));
    snprintf(parent, sizeof parent, "%.*s", (int)(strrchr(path, '/') - path), path);
    return gb_make_directory("cannot draw", parent);
}

static enum gb_status draw_figures(const struct request *request, struct loaded *loaded) {
    const struct gb_dataset *set = split_of(request, loaded);
    struct gb_predictor *baseline = request->baseline ? &loaded->baseline.predictor : NULL;
    struct gb_selection shown;
    GB_TRY(gb_dataset_select(set, request->images, &shown));
    enum gb_status status = GB_OK;
    const struct gb_range own = gb_ranks_share(shown.count);
    for (int i = (int)own.begin; status == GB_OK && i < (int)own.end; i++) {
        char path[GB_PATH];
        status = figure_path(request->figure_directory, shown.names[i], path);
        if (status == GB_OK)
            status = loaded->model.run.task->figure(&loaded->model.predictor, baseline, set,
                                                    shown.indices[i], path);
    }
    gb_selection_free(&shown);
    return status;
}

static enum gb_status sample(int argc, const char **argv) {
    struct request request = defaults;
    const struct gb_option own[] = {
        gb_option_string("png", "FILE", &request.picture, "the picture to write"),
        gb_option_int("images", "N", &request.images, 1, 64,
                      "examples, spread over the split (default: 8 for --png, all for "
                      "--png-dir)"),
        gb_option_string("png-dir", "DIR", &request.figure_directory,
                         "(sr only) one picture per test image, at full size, under its name"),
        gb_option_string("baseline", "FILE", &request.baseline,
                         "second checkpoint to show next to the first with --png-dir"),
        gb_option_string("beside", "FILE", &request.baseline, NULL), // older name of --baseline
    };
    bool helped;
    GB_TRY(parse(&gb_sample_command, own, sizeof own / sizeof *own, &request, argc, argv, &helped));
    if (helped)
        return GB_OK;
    if (!request.picture && !request.figure_directory)
        return gb_fail(GB_BAD_INPUT, "missing option", "--png",
                       "the file of the picture, or --png-dir");
    struct loaded loaded;
    enum gb_status status = load(&request, &loaded);
    if (status != GB_OK)
        return status;
    if (request.picture && gb_ranks_lead())
        status =
            gb_predictor_picture(&loaded.model.predictor, split_of(&request, &loaded),
                                 request.images ? request.images : DEFAULT_IMAGES, request.picture);
    if (status == GB_OK && request.figure_directory)
        status = draw_figures(&request, &loaded);
    unload(&loaded);
    return status;
}

const struct gb_command gb_sample_command = {
    "sample", "Draw inputs, truths, samples and predictions as a PNG", sample, true, true};
