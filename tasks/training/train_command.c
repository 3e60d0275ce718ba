// SPDX-License-Identifier: MIT
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/console.h"
#include "base/files.h"
#include "base/interrupt.h"
#include "base/json.h"
#include "base/progress.h"
#include "flows/shards.h"
#include "tasks/machine.h"
#include "tasks/metrics/record.h"
#include "tasks/training/commands.h"
#include "tasks/training/data_options.h"
#include "tasks/training/model_options.h"
#include "tasks/training/training_run.h"

#define DEFAULT_ITERATIONS 5000
#define TEXT_(x) #x
#define TEXT(x) TEXT_(x)
static const float unset = -1; // below the range of every float option
static const uint64_t unset_seed = UINT64_MAX;

// The options; NULL, and numbers below their range: not given.
struct given {
    const char *task, *model, *backend, *memory, *schedule, *types[GB_RUN_TYPES];
    struct gb_run_config set;
    struct gb_training_run run; // without its configuration, backend and time limit
    int flow_growth;
    float minutes;
    struct gb_source source; // where the data come from
    struct gb_model_options of_model;
};

gb_measure_peaks_fn *gb_train_measure_peaks;

void gb_print_note(const char *line) {
    gb_say("%s\n", line);
}

static const char resuming[] = "cannot change on resume";

// ---- Model options ----

static enum gb_status check_model(const struct given *given, const struct gb_task_model *model) {
    const struct gb_model_kind *flow = model->flow ? model->flow->kind : NULL;
    if (given->flow_growth && !(flow && gb_config_find(flow->table, "growth")))
        return gb_fail(GB_BAD_INPUT, "unknown option", "--flow-growth", "does not apply to %s",
                       model->kind->title);
    return gb_model_options_check(&given->of_model, model->kind, flow);
}

// What the line says of a factored baseline is said of its flow where the flow has it too, except
// for the growth: the baseline's follows, or is given.
static enum gb_status follow_flow(const struct given *given, const struct gb_task_model *model,
                                  const struct gb_example_shape *shape,
                                  struct gb_factored_config *config,
                                  struct gb_factored_parameters *parameters) {
    union gb_model_config flow;
    GB_TRY(gb_task_configure(model->flow, shape, &flow));
    const int growth = given->flow_growth ? given->flow_growth : flow.cnf.growth;
    gb_model_options_apply(&given->of_model, model->flow->kind, &flow);
    flow.cnf.growth = growth;
    *config = (struct gb_factored_config){
        .channels = GB_FOLLOWS, .growth = GB_FOLLOWS, .ones_percent = GB_FOLLOWS};
    gb_model_options_apply(&given->of_model, model->kind, config);
    return gb_factored_follow(&flow.cnf, config, parameters);
}

static enum gb_status configure_model(const struct given *given, const struct gb_task_model *model,
                                      const struct gb_example_shape *shape,
                                      union gb_model_config *config) {
    struct gb_factored_parameters parameters;
    if (!model->flow) {
        gb_model_options_apply(&given->of_model, model->kind, config);
        return GB_OK;
    }
    GB_TRY(follow_flow(given, model, shape, &config->factored, &parameters));
    if (parameters.flow)
        gb_say("%s: growth %d, %d channels: %zu parameters, the flow with these options has %zu\n",
               model->name, config->factored.growth, config->factored.channels, parameters.baseline,
               parameters.flow);
    return GB_OK;
}

// GB_BAD_INPUT where options describe a different model than the checkpoint's.
static enum gb_status agree_on_model(const struct given *given, const char *checkpoint,
                                     const struct gb_run_config *config) {
    const struct gb_task_model *model = config->model;
    union gb_model_config asked = config->config;
    struct gb_factored_parameters parameters;
    GB_TRY(check_model(given, model));
    gb_model_options_apply(&given->of_model, model->kind, &asked);
    if (model->flow && (given->flow_growth ||
                        gb_model_options_touch(&given->of_model, model->flow->kind, "growth"))) {
        const struct gb_image_sizes *s = &config->config.sizes;
        const struct gb_example_shape shape = {s->x_h, s->x_w, s->x_c, s->y_h,
                                               s->y_w, s->y_c, false};
        GB_TRY(follow_flow(given, model, &shape, &asked.factored, &parameters));
    }
    return gb_model_options_same(&given->of_model, model->kind, &asked, &config->config,
                                 checkpoint);
}

// ---- A new run ----

static bool is_given(const struct given *given, const struct gb_run_field *field) {
    return gb_run_number(&given->set, field) >= field->min;
}

// The recipe's schedule, changed by the options given.
static enum gb_status choose_schedule(const struct given *given, const struct gb_recipe *recipe,
                                      struct gb_schedule *schedule) {
    const struct gb_schedule *set = &given->set.schedule;
    const int iterations = given->set.iterations >= 0 ? given->set.iterations : DEFAULT_ITERATIONS;
    const enum gb_schedule_kind kind =
        given->schedule ? gb_schedule_find(given->schedule) : recipe->schedule.kind;
    *schedule = recipe->schedule;
    if (kind != schedule->kind)
        *schedule = (struct gb_schedule){.kind = kind,
                                         .steps = kind == GB_SCHEDULE_COSINE ? iterations : 0};
    if (set->steps >= 0)
        schedule->steps = set->steps;
    if (set->warm_up >= 0)
        schedule->warm_up = set->warm_up;
    return gb_schedule_check(schedule, iterations);
}

// The task's configuration for these examples, changed by the options given.
static enum gb_status configure(const struct given *given, const struct gb_task_model *model,
                                int size, const struct gb_example_shape *shape,
                                struct gb_run_config *config) {
    GB_TRY(gb_run_config_default(config->task, model, size, shape, config));
    GB_TRY(configure_model(given, model, shape, &config->config));
    config->iterations = DEFAULT_ITERATIONS;
    for (int i = 0; i < GB_RUN_FIELDS; i++)
        if (is_given(given, &gb_run_fields[i]))
            gb_run_set(config, &gb_run_fields[i], gb_run_number(&given->set, &gb_run_fields[i]));
    GB_TRY(choose_schedule(given, &model->recipe, &config->schedule));
    config->seed = given->set.seed == unset_seed ? 0 : given->set.seed;
    config->reversible = given->memory && strcmp(given->memory, "reversible") == 0;
    if (config->reversible)
        GB_TRY(gb_model_check_reversible(model->kind));
    for (int i = 0; i < GB_RUN_TYPES; i++)
        *gb_run_type(config, &gb_run_types[i]) = gb_precision_given(given->types[i], GB_F32);
    const int copies = given->set.config.sizes.y_c;
    if (copies && !config->task->copies)
        return gb_fail(GB_BAD_INPUT, "unknown option", "--mask-copies",
                       "the target of %s is not a copied mask", config->task->name);
    if (copies)
        config->config.sizes.y_c = copies;
    return GB_OK;
}

// ---- A resumed run ----

// A resumed run keeps its backend, since results depend on it.
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
        return gb_fail(GB_BAD_INPUT, resuming, "--backend", "%s has %s", checkpoint,
                       trained_on->name);
    return GB_OK;
}

// GB_BAD_INPUT where an option differs from the checkpoint.
static enum gb_status agree(const struct given *given, const char *checkpoint,
                            const struct gb_run_config *config) {
    if (given->model && strcmp(given->model, config->model->name) != 0)
        return gb_fail(GB_BAD_INPUT, resuming, "--model", "%s has %s", checkpoint,
                       config->model->name);
    for (int i = 0; i < GB_RUN_FIELDS; i++) {
        const struct gb_run_field *field = &gb_run_fields[i];
        const double has = gb_run_number(config, field);
        if (field->option && is_given(given, field) && gb_run_number(&given->set, field) != has)
            return gb_fail(GB_BAD_INPUT, resuming, field->option, "%s has %g", checkpoint, has);
    }
    const int copies = config->config.sizes.y_c;
    if (given->set.config.sizes.y_c && given->set.config.sizes.y_c != copies)
        return gb_fail(GB_BAD_INPUT, resuming, "--mask-copies", "%s has %d", checkpoint, copies);
    GB_TRY(agree_on_model(given, checkpoint, config));
    if (given->set.seed != unset_seed && given->set.seed != config->seed)
        return gb_fail(GB_BAD_INPUT, resuming, "--seed", "%s has %llu", checkpoint,
                       (unsigned long long)config->seed);
    const char *schedule = gb_schedule_names[config->schedule.kind];
    if (given->schedule && strcmp(given->schedule, schedule) != 0)
        return gb_fail(GB_BAD_INPUT, resuming, "--schedule", "%s has %s", checkpoint, schedule);
    if (given->memory && strcmp(given->memory, gb_run_memory(config)) != 0)
        return gb_fail(GB_BAD_INPUT, resuming, "--memory", "%s has %s", checkpoint,
                       gb_run_memory(config));
    for (int i = 0; i < GB_RUN_TYPES; i++) {
        const enum gb_type has = *gb_run_type((struct gb_run_config *)config, &gb_run_types[i]);
        if (gb_precision_given(given->types[i], has) != has)
            return gb_fail(GB_BAD_INPUT, resuming, gb_run_types[i].option, "%s has %s", checkpoint,
                           gb_precision_name(has));
    }
    return GB_OK;
}

static enum gb_status nothing_to_resume(const char *out, const char *checkpoint) {
    char record[GB_PATH];
    const char *why = strerror(errno);
    GB_TRY(gb_path_join(out, "run.json", record));
    return gb_fail(GB_BAD_INPUT, "nothing to resume", checkpoint, "%s; %s", why,
                   access(record, F_OK) == 0
                       ? "only the run's record is left: start over in another --out"
                       : "start without --resume");
}

// The checkpoint's configuration, of which only --iters may change.
static enum gb_status configure_resumed(const struct given *given, const struct gb_task *task,
                                        const char *checkpoint, struct gb_training_run *run) {
    struct gb_run_config *config = &run->config;
    struct gb_run_origin origin;
    if (access(checkpoint, F_OK) != 0)
        return nothing_to_resume(run->out, checkpoint);
    GB_TRY(gb_run_config_read(checkpoint, config, &origin));
    if (config->task != task)
        return gb_fail(GB_BAD_INPUT, resuming, "TASK", "%s is a run of %s", checkpoint,
                       config->task->name);
    GB_TRY(agree(given, checkpoint, config));
    GB_TRY(resumed_backend(given, checkpoint, origin.backend, &run->backend));
    if (given->set.iterations >= 0)
        config->iterations = given->set.iterations;
    GB_TRY(gb_schedule_check(&config->schedule, config->iterations));
    if (origin.step > config->iterations)
        return gb_fail(GB_BAD_INPUT, "nothing to resume", checkpoint,
                       "already at step %ld, past --iters %d", origin.step, config->iterations);
    return GB_OK;
}

// ---- The command ----

static enum gb_status run_on(const struct given *given, const struct gb_task_model *model,
                             struct gb_training_run *run, const struct gb_dataset splits[],
                             json_t **record) {
    if (!run->resume)
        GB_TRY(
            configure(given, model, run->config.size, &splits[GB_SPLIT_TRAIN].shape, &run->config));
    return gb_training_run(run, splits, record);
}

// Before the data are read.
static enum gb_status check_shards(int batch, int shards) {
    const int ranks = gb_ranks()->count;
    GB_TRY(gb_run_check_shards(batch, shards));
    if (shards % ranks == 0)
        return GB_OK;
    return gb_fail(
        GB_BAD_INPUT, "bad value", "--shards",
        "%d ranks cannot share %d shard%s: give a multiple of %d, and a --batch (now %d) "
        "that is a multiple of it",
        ranks, shards, shards == 1 ? "" : "s", ranks, batch);
}

static enum gb_status load_and_run(const struct given *given, const struct gb_task *task,
                                   struct gb_training_run *run, json_t **record) {
    const struct gb_task_model *model;
    char checkpoint[GB_PATH];
    GB_TRY(gb_path_join(run->out, "checkpoint.safetensors", checkpoint));
    GB_TRY(gb_task_model_find(task, given->model, &model));
    if (run->resume) {
        GB_TRY(configure_resumed(given, task, checkpoint, run));
        GB_TRY(check_shards(run->config.batch, run->config.shards));
    } else {
        GB_TRY(check_model(given, model));
        // Fails before the data are read.
        GB_TRY(choose_schedule(given, &model->recipe, &run->config.schedule));
        // Enough for the sizes that the data must have; the rest follows from the data.
        gb_model_options_apply(&given->of_model, model->kind, &run->config.config);
        run->config.task = task;
        run->config.model = model;
        run->config.size = given->set.size ? given->set.size : task->default_size;
        run->config.width = given->set.width > 0 ? given->set.width : 0;
        GB_TRY(check_shards(given->set.batch ? given->set.batch : model->recipe.batch,
                            given->set.shards ? given->set.shards : 1));
        GB_TRY(gb_backend_find(given->backend, &run->backend));
    }
    struct gb_progress progress;
    struct gb_source source = given->source;
    source.size = run->config.size;
    source.width = run->config.width;
    source.multiple = gb_model_multiple(run->config.model->kind, &run->config.config);
    source.threads = run->threads;
    source.note = gb_print_note;
    source.progress = &progress;
    GB_TRY(gb_data_options_check(task, &source));
    run->data_directory = source.directory;
    struct gb_dataset splits[GB_SPLITS] = {0};
    enum gb_status status = task->load(&source, splits);
    if (status == GB_OK)
        status = run_on(given, model, run, splits, record);
    for (int i = 0; i < GB_SPLITS; i++)
        gb_dataset_free(&splits[i]);
    return status;
}

static enum gb_status start(const struct given *given) {
    struct gb_training_run run = given->run;
    const struct gb_task *task;
    char out[GB_PATH];
    GB_TRY(gb_task_find(given->task, &task));
    run.samples = run.samples ? run.samples : gb_task_samples(task);
    GB_TRY(gb_machine_choose_threads(&run.threads));
    run.time_limit = given->minutes > 0 ? 60.0 * given->minutes : 0;
    GB_TRY(gb_path_join("out", task->name, out));
    run.out = run.out ? run.out : out;
    json_t *record = NULL;
    GB_TRY(gb_training_run_check(&run));
    enum gb_status status = load_and_run(given, task, &run, &record);
    gb_lock_release(&run.lock);
    if (status == GB_INTERRUPTED && !gb_interrupt_asked()) { // at --time-limit
        printf("%s\n", gb_error_message());
        return GB_OK;
    }
    GB_TRY(status);
    if (!record) // of rank 0
        return GB_OK;
    printf("%s: %.1f ms/step, peak memory %.0f MB\n", run.out,
           1e3 * gb_json_number(record, "step_seconds_median"),
           1e-6 * gb_json_number(record, "peak_memory_bytes"));
    gb_metrics_print(json_object_get(record, "metrics"));
    gb_step_profile_print(json_object_get(record, "profile"));
    json_decref(record);
    return GB_OK;
}

enum gb_status gb_train_argv(int argc, const char **argv, const char *resume_hint) {
    struct given given = {.set = {.iterations = -1,
                                  .learning_rate = unset,
                                  .ema_decay = unset,
                                  .clip_norm = unset,
                                  .schedule = {.steps = -1, .warm_up = -1},
                                  .width = -1,
                                  .seed = unset_seed},
                          .run = {.checkpoint_every = 1000,
                                  .score_images = 16,
                                  .measure_peaks = gb_train_measure_peaks,
                                  .resume_hint = resume_hint},
                          .minutes = unset};
    const struct gb_option own[] = {
        gb_operand("TASK", &given.task, "the task; see glowbench list"),
        gb_option_int("size", "S", &given.set.size, GB_MIN_SIZE, GB_MAX_SIZE,
                      "image size in pixels (default: the smallest published one)"),
        gb_option_int("width", "W", &given.set.width, GB_MIN_SIZE, GB_MAX_SIZE,
                      "(horses only) image width in pixels, where --size is the height (default: "
                      "--size)"),
        gb_option_string("model", "M", &given.model,
                         "the model; see glowbench list (default: the task's first)"),
        gb_option_int("iters", "N", &given.set.iterations, 1, INT_MAX,
                      "training steps (default: " TEXT(DEFAULT_ITERATIONS) ")"),
        gb_option_int("batch", "B", &given.set.batch, 1, GB_MAX_BATCH,
                      "batch size (default: the paper's)"),
        gb_option_float("lr", "R", &given.set.learning_rate, 0, GB_MAX_LEARNING_RATE,
                        "learning rate (default: the paper's)"),
        gb_option_choice("schedule", "constant|cosine|halving", &given.schedule,
                         "of the learning rate (default: the paper's)"),
        gb_option_int("schedule-steps", "N", &given.set.schedule.steps, 1, INT_MAX,
                      "cosine: steps until the rate is 0 (default: --iters); halving: steps "
                      "between halvings (default: the paper's)"),
        gb_option_int("warm-up", "N", &given.set.schedule.warm_up, 0, INT_MAX,
                      "first steps, in which the rate rises linearly (default: 0)"),
        gb_option_int("accumulate", "N", &given.set.accumulate, 1, GB_MAX_ACCUMULATE,
                      "minibatches per step, whose mean gradient is applied (default: 1)"),
        gb_option_int("shards", "N", &given.set.shards, 1, GB_MAX_SHARDS,
                      "compute each minibatch as N shards, whose gradients one fixed tree adds up: "
                      "N changes results, the processes that share them do not (default: 1)"),
        gb_option_float("clip-norm", "X", &given.set.clip_norm, 0, GB_MAX_CLIP_NORM,
                        "clip the gradient's L2 norm over all parameters to X (default: 0, no "
                        "clipping)"),
        gb_option_float("ema", "D", &given.set.ema_decay, 0, GB_MAX_EMA_DECAY,
                        "evaluate an exponential moving average of the weights with decay D per "
                        "step (default: 0, the weights themselves, as in the papers)"),
        gb_option_seed("seed", "N", &given.set.seed, "random seed (default: 0)"),
        gb_option_int("mask-copies", "N", &given.set.config.sizes.y_c, 1, 64,
                      "channels that a mask is copied to (default: 3)"),
        gb_option_int("flow-growth", "N", &given.flow_growth, 1, GB_MAX_CHANNELS,
                      "(sr, factored only) growth of the flow whose number of parameters it "
                      "matches (default: the task's); --growth is the baseline's own"),
        gb_option_choice("memory", "stored|reversible", &given.memory,
                         "store activations, or recompute them in the backward pass: of c-Glow, "
                         "CNF and factored (default: stored)"),
        gb_option_choice("precision", "fp32|bf16", &given.types[0],
                         "operands of convolutions and fully connected layers; sums, the flow and "
                         "the checkpoint are fp32 (default: fp32)"),
        gb_option_choice("moments", "fp32|bf16", &given.types[1],
                         "Adam's moments; bf16 ones are rounded stochastically (default: fp32)"),
        gb_option_int("threads", "T", &given.run.threads, 1, GB_MAX_THREADS,
                      "threads; they do not change results (default: OMP_NUM_THREADS, or all "
                      "CPUs)"),
        gb_option_string(
            "backend", "B", &given.backend,
            "kernels (default: a resumed run's, $GB_BACKEND, or the best for this CPU)"),
        gb_option_string("out", "DIR", &given.run.out, "output directory (default: out/TASK)"),
        gb_option_flag("resume", &given.run.resume, "resume from the checkpoint in --out"),
        gb_option_flag("accept-changed-data", &given.run.accept_changed_data,
                       "resume although training data changed, as after a file's repair; the "
                       "record says at which step"),
        gb_option_int("checkpoint-every", "N", &given.run.checkpoint_every, 1, INT_MAX,
                      "checkpoint every N steps, and at least every five minutes"),
        gb_option_float("time-limit", "MINUTES", &given.minutes, GB_MIN_TIME_LIMIT, 1e6f,
                        "save and stop after this much training (default: none)"),
        gb_option_flag("score-unfinished", &given.run.score_unfinished,
                       "score the model when the time limit stops the run"),
        gb_option_flag("profile", &given.run.profile,
                       "end with tables of the time that layers and kernels took in a step"),
        gb_option_int("samples", "M", &given.run.samples, 1, 1000,
                      "samples averaged by a prediction in the final evaluation (default: the "
                      "paper's)"),
        gb_option_int("score-every", "N", &given.run.score_every, 1, INT_MAX,
                      "score a few test images every N steps (default: never)"),
        gb_option_int("score-images", "N", &given.run.score_images, 1, INT_MAX,
                      "test images of that score, spread evenly; for sr: per test set"),
        gb_option_int("crops", "N", &given.run.crops, 1, GB_MAX_CROPS,
                      "(sr only) random crops scored per test set (default: 1000, as in the "
                      "paper)"),
        GB_CONSOLE_OPTIONS,
    };
    enum { OWN = sizeof own / sizeof *own };
    struct gb_option options[OWN + GB_DATA_OPTIONS + GB_MODEL_OPTIONS + 1] = {0};
    memcpy(options, own, sizeof own);
    gb_data_options(&given.source, options + OWN);
    gb_model_options(&given.of_model, options + OWN + GB_DATA_OPTIONS);
    bool helped;
    GB_TRY(gb_options_parse(&gb_train_command, options, argc, argv, &helped));
    return helped ? GB_OK : start(&given);
}

static enum gb_status train(int argc, const char **argv) {
    return gb_train_argv(argc, argv, "rerun with --resume to continue");
}

const struct gb_command gb_train_command = {
    "train", "Train a model for a task and score it; --resume continues a run", train, true, true};
