// SPDX-License-Identifier: MIT
#include "tasks/training/training_run.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/atomic_file.h"
#include "base/clock.h"
#include "base/console.h"
#include "base/files.h"
#include "base/grow.h"
#include "base/interrupt.h"
#include "base/progress.h"
#include "base/quantile.h"
#include "tasks/build.h"
#include "tasks/machine.h"
#include "tasks/prediction/predictor.h"

enum { LOG_EVERY = 50, PICTURE_IMAGES = 8 };

// Of the scores during training, which should cost little.
enum { SCORE_SAMPLES = 4, SCORE_CROPS = 4 };

// ---- The log ----

// Copies the complete rows up to `step`; the resumed run writes later ones again. `step_seconds`
// becomes that of the last such row that has one.
static enum gb_status keep_rows(FILE *log, const char *path, long step, FILE *kept,
                                double *step_seconds) {
    char *line = NULL;
    size_t capacity = 0;
    ssize_t length;
    enum gb_status status = GB_OK;
    while (status == GB_OK && (length = getline(&line, &capacity, log)) > 0 &&
           line[length - 1] == '\n') {
        json_error_t error;
        json_t *row = gb_json_parse(line, (size_t)length, &error); // NULL: damaged
        if (!row && json_error_code(&error) == json_error_out_of_memory)
            status = gb_no_memory("cannot read", path);
        json_t *logged = json_object_get(row, "step");
        if (json_is_integer(logged) && json_integer_value(logged) <= step) {
            fputs(line, kept);
            const json_t *seconds = json_object_get(row, "step_seconds");
            *step_seconds = seconds ? json_number_value(seconds) : *step_seconds;
        }
        json_decref(row);
    }
    free(line);
    return status == GB_OK && !feof(log) && ferror(log)
               ? gb_fail(GB_IO_ERROR, "cannot read", path, "%s", strerror(errno))
               : status;
}

static enum gb_status keep_log_until(const char *path, long step, double *step_seconds) {
    struct gb_atomic_file kept = {0};
    FILE *log;
    if (gb_is_missing(path))
        return GB_OK; // it starts over
    GB_TRY(gb_text_open("cannot read", path, &log));
    enum gb_status status = gb_atomic_open(&kept, path);
    if (status == GB_OK) {
        status = keep_rows(log, path, step, kept.stream, step_seconds);
        if (status == GB_OK)
            status = gb_atomic_commit(&kept);
        else
            gb_atomic_abort(&kept);
    }
    fclose(log);
    return status;
}

struct run_log {
    char path[GB_PATH];
    FILE *stream;
};

static enum gb_status log_failed(const struct run_log *log) {
    return gb_fail(GB_IO_ERROR, "cannot write", log->path, "%s", strerror(errno));
}

// Rank 0 writes it.
static enum gb_status open_log(const char *out, long step, struct run_log *log,
                               double *step_seconds) {
    if (gb_ranks_lead())
        GB_TRY(gb_path_join(out, "log.jsonl", log->path));
    else
        snprintf(log->path, sizeof log->path, "/dev/null");
    if (step > 0 && gb_ranks_lead())
        GB_TRY(keep_log_until(log->path, step, step_seconds));
    log->stream = fopen(log->path, step > 0 ? "a" : "w");
    return log->stream ? GB_OK : log_failed(log);
}

// A failure of the run takes precedence over one of the log.
static enum gb_status close_log(struct run_log *log, enum gb_status status) {
    bool closed = fclose(log->stream) == 0;
    return status == GB_OK && !closed ? log_failed(log) : status;
}

// Steps and their time since the last row; after a resume, only this process's.
struct log_window {
    double seconds;
    int steps;
};

static enum gb_status log_row(const struct run_log *log, struct gb_trainer *trainer,
                              struct log_window *window) {
    double images = (double)window->steps * trainer->run.batch * trainer->run.accumulate;
    char norm[64] = "";
    const char *precision = trainer->run.precision == GB_BF16 ? ", \"precision\": \"bf16\"" : "";
    if (gb_run_stores_gradient(&trainer->run))
        snprintf(norm, sizeof norm, ", \"gradient_norm\": %.17g",
                 trainer->unlogged_norms / trainer->unlogged_steps);
    int written = fprintf(log->stream,
                          "{\"step\": %ld, \"%s\": %.17g%s, \"step_seconds\": %.6f, "
                          "\"images_per_second\": %.3f%s}\n",
                          trainer->step, gb_model_loss_name(trainer->run.model->kind),
                          trainer->unlogged_bits / trainer->unlogged_steps, norm,
                          window->seconds / window->steps, images / window->seconds, precision);
    trainer->unlogged_bits = trainer->unlogged_norms = 0;
    trainer->unlogged_steps = 0;
    *window = (struct log_window){0};
    return written < 0 || fflush(log->stream) != 0 ? log_failed(log) : GB_OK;
}

// ---- Scores ----

// A predictor with the current parameters.
static enum gb_status create_predictor(const struct gb_trainer *trainer,
                                       const struct gb_predictor_options *options,
                                       struct gb_predictor *predictor) {
    GB_TRY(gb_predictor_create(predictor, &trainer->run, options));
    enum gb_status status = gb_predictor_load(predictor, gb_trainer_params(trainer));
    if (status != GB_OK)
        gb_predictor_free(predictor);
    return status;
}

static struct gb_predictor_options options_of(const struct gb_training_run *run) {
    return (struct gb_predictor_options){.backend = run->backend,
                                         .threads = run->threads,
                                         .samples = run->samples,
                                         .temperature = 1,
                                         .seed = run->config.seed,
                                         .dequantise = true,
                                         .crops = run->crops};
}

static enum gb_status log_metrics(const struct run_log *log, const struct gb_trainer *trainer,
                                  const json_t *metrics, double seconds) {
    const char *headline = trainer->run.task->headline;
    const char *loss = gb_model_loss_name(trainer->run.model->kind);
    char test_loss[32];
    snprintf(test_loss, sizeof test_loss, "test_%s", loss);
    json_t *row = json_pack("{s:I, s:O?, s:O*, s:f}", "step", (json_int_t)trainer->step, headline,
                            json_object_get(metrics, headline), test_loss,
                            json_object_get(metrics, loss), "score_seconds", seconds);
    if (!row)
        return gb_no_memory("cannot write", log->path);
    bool written = json_dumpf(row, log->stream, 0) == 0 && fputc('\n', log->stream) != EOF;
    json_decref(row);
    return written && fflush(log->stream) == 0 ? GB_OK : log_failed(log);
}

// Scores a few test images with few samples. A likelihood that is not finite, as early models may
// have, does not end the run: the row then has no metric.
static enum gb_status log_score(const struct gb_training_run *run, const struct gb_trainer *trainer,
                                const struct gb_dataset splits[], const struct run_log *log) {
    struct gb_predictor_options options = options_of(run);
    const double begun = gb_seconds();
    options.samples = run->samples < SCORE_SAMPLES ? run->samples : SCORE_SAMPLES;
    options.scored = run->score_images;
    options.crops = SCORE_CROPS;
    struct gb_predictor predictor;
    GB_TRY(create_predictor(trainer, &options, &predictor));
    json_t *metrics = json_object();
    enum gb_status status = gb_predictor_evaluate(&predictor, &splits[GB_SPLIT_TRAIN],
                                                  &splits[GB_SPLIT_TEST], metrics, NULL);
    if (status == GB_OK || status == GB_CHECK_FAILED)
        status = log_metrics(log, trainer, metrics, gb_seconds() - begun);
    json_decref(metrics);
    gb_predictor_free(&predictor);
    return status;
}

// ---- Training ----

struct step_times {
    double *seconds;
    int count;
};

static enum gb_status add_time(struct step_times *times, double seconds) {
    double *grown = gb_grow(times->seconds, (size_t)times->count, sizeof *grown);
    if (!grown)
        return gb_no_memory("cannot train", "times of steps");
    times->seconds = grown;
    times->seconds[times->count++] = seconds;
    return GB_OK;
}

// What rank 0 decides after a step, and any rank that was interrupted.
enum { SAVES = 1, IS_LATE = 2, STOPS = 4 };

static unsigned interruption(void) {
    return gb_interrupt_asked() ? STOPS : 0;
}

static enum gb_status save(const struct gb_training_run *run, struct gb_trainer *trainer,
                           unsigned *flags) {
    char path[GB_PATH];
    GB_TRY(gb_path_join(run->out, "checkpoint.safetensors", path));
    const enum gb_status status =
        gb_trainer_save(trainer, path, run->data_directory ? run->data_directory : "synthetic");
    *flags |= interruption();
    return gb_ranks_agree(status, flags);
}

static enum gb_status stopped(const struct gb_training_run *run, long step) {
    return gb_fail(GB_INTERRUPTED, "stopped", run->out, "saved after step %ld of %d; %s", step,
                   run->config.iterations, run->resume_hint);
}

// Until a step's last minibatch is read no parameter has changed: what was trained is saved, and
// can be continued once the data are repaired.
static enum gb_status step_failed(const struct gb_training_run *run, struct gb_trainer *trainer,
                                  enum gb_status status) {
    char why[GB_MESSAGE];
    unsigned flags = 0;
    const bool of_data = status == GB_BAD_INPUT || status == GB_IO_ERROR;
    if (!of_data || trainer->step == 0)
        return status;
    snprintf(why, sizeof why, "%s", gb_error_message());
    GB_TRY(save(run, trainer, &flags));
    return gb_fail(status, "stopped", run->out,
                   "saved after step %ld of %d: %s; once that is repaired, rerun with --resume "
                   "--accept-changed-data",
                   trainer->step, run->config.iterations, why);
}

// The most work that a crash may cost.
static const double checkpoint_seconds = 300;

// A step's rows in the log, unless the step failed on this rank.
static enum gb_status log_step(const struct gb_training_run *run, struct gb_trainer *trainer,
                               const struct gb_dataset splits[], const struct run_log *log,
                               struct log_window *window, enum gb_status status) {
    if (status == GB_OK &&
        (trainer->step % LOG_EVERY == 0 || trainer->step == run->config.iterations))
        status = log_row(log, trainer, window);
    if (run->score_every == 0 || trainer->step % run->score_every != 0)
        return status;
    GB_TRY(gb_ranks_agree(status, NULL)); // what follows is for all ranks or none
    gb_sharded_gather_weights(&trainer->sharded);
    return log_score(run, trainer, splits, log);
}

static enum gb_status make_steps(const struct gb_training_run *run, struct gb_trainer *trainer,
                                 const struct gb_dataset splits[], const struct run_log *log,
                                 struct gb_progress *progress, struct gb_step_profile *profile,
                                 struct step_times *times) {
    long first = trainer->step, last = run->config.iterations;
    const char *label = run->config.model->kind->point_estimate ? "loss" : "bits/dim";
    double smoothed = 0, begun = gb_seconds(), saved = begun;
    struct log_window window = {0};
    while (trainer->step < last) {
        double start = gb_seconds(), bits;
        enum gb_status status = gb_trainer_step(trainer, &bits);
        if (status != GB_OK)
            return step_failed(run, trainer, status);
        double seconds = gb_seconds() - start;
        status = add_time(times, seconds);
        if (profile)
            gb_step_profile_add(profile, seconds);
        window.seconds += seconds;
        window.steps++;
        smoothed = trainer->step == first + 1 ? bits : 0.98 * smoothed + 0.02 * bits;
        gb_progress_step(progress, trainer->step, label, smoothed,
                         run->config.batch * run->config.accumulate);
        status = log_step(run, trainer, splits, log, &window, status);
        const bool ended = trainer->step == last;
        unsigned flags = interruption();
        if (gb_ranks_lead() && run->time_limit > 0 && gb_seconds() - begun >= run->time_limit)
            flags |= IS_LATE;
        if (gb_ranks_lead() && (trainer->step % run->checkpoint_every == 0 ||
                                gb_seconds() - saved >= checkpoint_seconds))
            flags |= SAVES;
        // A checkpoint implies the rows before it.
        if (status == GB_OK && gb_ranks_lead() && (flags || ended) &&
            fsync(fileno(log->stream)) != 0)
            status = log_failed(log);
        GB_TRY(gb_ranks_agree(status, &flags));
        if (flags || ended) {
            GB_TRY(save(run, trainer, &flags));
            saved = gb_seconds();
        }
        const bool late = flags & IS_LATE;
        if (flags & STOPS || (late && !ended && !run->score_unfinished))
            return stopped(run, trainer->step);
        if (late)
            break;
    }
    return GB_OK;
}

static enum gb_status train(const struct gb_training_run *run, struct gb_trainer *trainer,
                            const struct gb_dataset splits[], const struct run_log *log,
                            struct gb_step_profile *profile, struct step_times *times) {
    struct gb_progress progress;
    gb_progress_begin(&progress, run->label ? run->label : run->config.task->name, trainer->step,
                      run->config.iterations);
    progress.rest = run->rest;
    gb_interrupt_watch();
    enum gb_status status = make_steps(run, trainer, splits, log, &progress, profile, times);
    gb_interrupt_unwatch();
    gb_progress_end(&progress);
    return status;
}

// ---- The record ----

static size_t peak_memory_bytes(void) {
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (size_t)usage.ru_maxrss * 1024;
}

// The contents of run.json, a new reference; NULL without memory. `machine`, `metrics` and
// `profile` (NULL: none) stay the caller's.
static json_t *record_of(const struct gb_training_run *run, const struct gb_trainer *trainer,
                         double step_seconds, size_t peak_memory, json_t *machine, json_t *metrics,
                         json_t *profile) {
    const struct gb_run_config *config = &run->config;
    const struct gb_params *params = gb_trainer_params(trainer);
    const json_int_t block = (json_int_t)params->bytes;
    const double speed = step_seconds > 0 ? config->batch * config->accumulate / step_seconds : 0;
    json_t *memory =
        json_pack("{s:I, s:I, s:I, s:I, s:I}", "parameters_bytes", block, "moments_bytes",
                  (json_int_t)(config->shards > 1 ? gb_sharded_moment_bytes(&trainer->sharded)
                                                  : 2 * gb_params_moment_bytes(params)),
                  "gradients_bytes",
                  (params->gradient ? block : 0) + (params->sum ? block : 0) +
                      (json_int_t)gb_sharded_sum_bytes(&trainer->sharded),
                  "averages_bytes", params->average ? block : 0, "activations_bytes",
                  (json_int_t)trainer->model->arena.bytes);
    const struct {
        const char *key;
        json_t *value;
    } entries[] = {
        {"task", json_string(config->task->name)},
        {"model", json_string(config->model->name)},
        {"config", gb_run_config_json(config)},
        {"data", json_string(run->data_directory ? run->data_directory : "synthetic")},
        {"backend", json_string(run->backend->name)},
        {"threads", json_integer(run->threads)},
        {"commit", json_string(gb_build.commit)},
        {"seed", json_integer((json_int_t)config->seed)},
        {"steps", json_integer((json_int_t)trainer->step)},
        {"machine", json_incref(machine)},
        {"metrics", json_incref(metrics)},
        {"step_seconds_median", json_real(step_seconds)},
        {"flops_per_step", json_real(gb_run_passes(config) * trainer->model->step_flops)},
        {"parameters", json_integer((json_int_t)gb_params_elements(params))},
        {"images_per_second", json_real(speed)},
        {"peak_memory_bytes", json_integer((json_int_t)peak_memory)},
        {"memory", memory},
    };
    json_t *record = json_object();
    int failed = 0;
    for (size_t i = 0; i < sizeof entries / sizeof *entries; i++)
        failed |= json_object_set_new(record, entries[i].key, entries[i].value);
    if (profile)
        failed |= json_object_set(record, "profile", profile);
    if (*gb_ranks()->library)
        failed |= json_object_set_new(record, "mpi", gb_ranks_json());
    if (json_array_size(trainer->data_changes) > 0)
        failed |= json_object_set(record, "data_changes", trainer->data_changes);
    if (!failed)
        return record;
    json_decref(record);
    return NULL;
}

static enum gb_status finish(const struct gb_training_run *run, const struct gb_trainer *trainer,
                             const struct gb_dataset splits[], double step_seconds, json_t *machine,
                             json_t *profile, json_t **record) {
    size_t peak_memory = peak_memory_bytes();
    const struct gb_predictor_options options = options_of(run);
    char path[GB_PATH], picture[GB_PATH];
    GB_TRY(gb_path_join(run->out, "run.json", path));
    GB_TRY(gb_path_join(run->out, "samples.png", picture));
    struct gb_predictor predictor;
    gb_say("%s: evaluating %d test images\n", run->label ? run->label : run->config.task->name,
           splits[GB_SPLIT_TEST].count);
    GB_TRY(create_predictor(trainer, &options, &predictor));
    json_t *metrics = json_object();
    enum gb_status status = gb_predictor_evaluate(&predictor, &splits[GB_SPLIT_TRAIN],
                                                  &splits[GB_SPLIT_TEST], metrics, NULL);
    json_t *json = NULL;
    if (status == GB_OK && gb_ranks_lead()) {
        json = record_of(run, trainer, step_seconds, peak_memory, machine, metrics, profile);
        status = json ? gb_json_write(path, json) : gb_no_memory("cannot write", path);
    }
    json_decref(metrics);
    if (status == GB_OK && gb_ranks_lead())
        status = gb_predictor_picture(&predictor, &splits[GB_SPLIT_TEST], PICTURE_IMAGES, picture);
    gb_predictor_free(&predictor);
    if (record && status == GB_OK)
        *record = json;
    else
        json_decref(json);
    return status;
}

// ---- The run ----

// A run's files, except its log.
enum { CHECKPOINT, RECORD, PICTURE, RESULTS };
static const char *const results[RESULTS] = {"checkpoint.safetensors", "run.json", "samples.png"};

static enum gb_status check_results(const struct gb_training_run *run) {
    static const char what[] = "cannot start a run";
    char paths[RESULTS][GB_PATH];
    bool exists[RESULTS];
    if (run->resume || run->replace)
        return GB_OK;
    for (int i = 0; i < RESULTS; i++) {
        GB_TRY(gb_path_join(run->out, results[i], paths[i]));
        exists[i] = access(paths[i], F_OK) == 0;
    }
    if (exists[CHECKPOINT])
        return gb_fail(
            GB_BAD_INPUT, what, paths[CHECKPOINT],
            "it belongs to an earlier run: continue it with --resume, or use another --out");
    for (int i = 0; i < RESULTS; i++)
        if (exists[i])
            return gb_fail(GB_BAD_INPUT, what, paths[i],
                           "it belongs to an earlier run, whose checkpoint is missing: move it "
                           "away, or use another --out");
    return GB_OK;
}

static enum gb_status lock_out(struct gb_training_run *run) {
    char path[GB_PATH];
    if (run->lock.path || !gb_is_directory(run->out))
        return GB_OK;
    GB_TRY(gb_path_join(run->out, ".lock", path));
    return gb_lock_take(&run->lock, path, "cannot start a run", run->out);
}

enum gb_status gb_training_run_check(struct gb_training_run *run) {
    if (!gb_ranks_lead())
        return GB_OK;
    GB_TRY(lock_out(run));
    const enum gb_status status = check_results(run);
    if (status != GB_OK)
        gb_lock_release(&run->lock);
    return status;
}

// Creates the directory, and removes the files of a run to be replaced, and those that a killed
// process was writing.
static enum gb_status clear_out(struct gb_training_run *run) {
    char path[GB_PATH];
    if (!gb_ranks_lead())
        return GB_OK;
    GB_TRY(gb_make_directory("cannot create the output directory", run->out));
    GB_TRY(lock_out(run));
    GB_TRY(check_results(run)); // while the data were loaded
    for (int i = 0; i < RESULTS; i++) {
        GB_TRY(gb_path_join(run->out, results[i], path));
        gb_atomic_sweep(path);
        if (run->replace)
            unlink(path);
    }
    GB_TRY(gb_path_join(run->out, "log.jsonl", path));
    gb_atomic_sweep(path);
    return GB_OK;
}

static void announce(const struct gb_training_run *run, const struct gb_trainer *trainer,
                     const struct gb_dataset splits[]) {
    const struct gb_run_config *config = &run->config;
    struct gb_model_shapes one;
    gb_model_shapes(config->model->kind, &config->config, 1, &one);
    gb_say("%s: %d training and %d test images (%s), %dx%d, %s (%s) with %.2f M parameters, %s%s, "
           "%d thread%s\n",
           config->task->name, splits[GB_SPLIT_TRAIN].count, splits[GB_SPLIT_TEST].count,
           run->data_directory ? run->data_directory : "generated", one.y.h, one.y.w,
           config->model->kind->title, config->model->name,
           1e-6 * (double)gb_params_elements(gb_trainer_params(trainer)), run->backend->name,
           config->precision == GB_BF16 ? " in bf16" : "", run->threads,
           run->threads == 1 ? "" : "s");
    if (trainer->step > 0)
        gb_say("%s: resuming at step %ld\n", config->task->name, trainer->step);
}

static enum gb_status train_and_finish(struct gb_training_run *run, struct gb_trainer *trainer,
                                       const struct gb_dataset splits[], json_t *machine,
                                       struct gb_step_profile *profile, json_t **record) {
    char checkpoint[GB_PATH];
    GB_TRY(gb_path_join(run->out, "checkpoint.safetensors", checkpoint));
    enum gb_status status = clear_out(run);
    if (status == GB_OK && run->resume)
        status = gb_trainer_load(trainer, checkpoint);
    GB_TRY(gb_ranks_agree(status, NULL));
    announce(run, trainer, splits);
    struct run_log log = {0};
    struct step_times times = {0};
    double logged_seconds = 0; // for a resumed run without further steps
    status = gb_ranks_agree(open_log(run->out, trainer->step, &log, &logged_seconds), NULL);
    if (status != GB_OK) {
        if (log.stream)
            fclose(log.stream);
        return status;
    }
    json_t *profiled = NULL;
    if (profile)
        status = gb_step_profile_begin(profile, trainer, run->config.iterations - trainer->step);
    if (status == GB_OK)
        status = train(run, trainer, splits, &log, profile, &times);
    status = close_log(&log, status);
    if (status == GB_OK && profile)
        status = gb_step_profile_json(profile, run->measure_peaks, &profiled);
    if (status == GB_OK)
        status =
            finish(run, trainer, splits,
                   times.count > 0 ? gb_quantile(times.seconds, times.count, 0.5) : logged_seconds,
                   machine, profiled, record);
    json_decref(profiled);
    free(times.seconds);
    return gb_ranks_agree(status, NULL);
}

enum gb_status gb_training_run(struct gb_training_run *run, const struct gb_dataset splits[],
                               json_t **record) {
    struct gb_trainer_options options = {.backend = run->backend,
                                         .threads = run->threads,
                                         .accept_changed_data = run->accept_changed_data};
    struct gb_step_profile profile = {0};
    struct gb_trainer trainer = {0};
    // Whatever can fail should fail before the training.
    json_t *machine = NULL;
    enum gb_status status = run->config.model->kind->check(&run->config.config);
    if (status == GB_OK)
        status = gb_training_run_check(run);
    if (status == GB_OK)
        status = gb_machine_json(&machine);
    if (status == GB_OK && run->profile) {
        status = gb_step_profile_open(&profile, run->backend);
        options.model_backend = profile.trace ? gb_trace_backend(profile.trace) : NULL;
    }
    if (status == GB_OK)
        status = gb_trainer_create(&trainer, &run->config, &options, &splits[GB_SPLIT_TRAIN]);
    status = gb_ranks_agree(status, NULL);
    if (status == GB_OK)
        status = train_and_finish(run, &trainer, splits, machine, run->profile ? &profile : NULL,
                                  record);
    json_decref(machine);
    gb_trainer_free(&trainer);
    gb_step_profile_close(&profile);
    gb_lock_release(&run->lock);
    return status;
}
