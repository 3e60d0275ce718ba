// SPDX-License-Identifier: MIT
// A checkpoint: its configuration, and its tensors loaded into the model that the seed was saved
// from, to be used and to be trained further.
#include "tests/fuzz/fuzz.h"

#include <stdio.h>
#include <stdlib.h>

#include "tasks/prediction/predictor.h"
#include "tasks/training/reduced_run.h"
#include "tasks/training/trainer.h"

static struct {
    struct gb_reduced_job job;
    struct gb_trainer trainer;
    struct gb_predictor predictor;
} model;

static enum gb_status make_model(void) {
    const struct gb_task *task;
    const struct gb_backend *backend;
    GB_TRY(gb_task_find("horses", &task));
    GB_TRY(gb_backend_find("scalar", &backend));
    GB_TRY(gb_reduced_open(task, 1, 1, &model.job));
    struct gb_cglow_config *config = &model.job.config.config.cglow;
    config->levels = config->steps = 1;
    config->n_c = config->coupling_channels = config->feature_channels = 2;
    config->n_w = 2;
    model.job.config.batch = 1;
    const struct gb_trainer_options training = {.backend = backend, .threads = 1};
    const struct gb_predictor_options use = {
        .backend = backend, .threads = 1, .samples = 1, .temperature = 1};
    GB_TRY(gb_trainer_create(&model.trainer, &model.job.config, &training,
                             &model.job.splits[GB_SPLIT_TRAIN]));
    return gb_predictor_create(&model.predictor, &model.job.config, &use);
}

static void free_model(void) {
    gb_trainer_free(&model.trainer);
    gb_predictor_free(&model.predictor);
    gb_reduced_close(&model.job);
}

static void need_model(void) {
    if (model.trainer.model)
        return;
    if (make_model() != GB_OK) {
        fprintf(stderr, "fuzz: %s\n", gb_error_message());
        exit(2);
    }
    atexit(free_model);
}

void gb_fuzz_save_checkpoint(const char *path) {
    need_model();
    if (gb_trainer_save(&model.trainer, path, "synthetic") != GB_OK)
        abort();
}

void gb_fuzz_checkpoint(const uint8_t *bytes, size_t size) {
    const char *path = gb_fuzz_file("checkpoint.safetensors", bytes, size);
    struct gb_run_config run;
    struct gb_run_origin origin;
    need_model();
    gb_run_config_read(path, &run, &origin);
    gb_predictor_restore(&model.predictor, path);
    // What an unfinished sum of bits may be: nothing that its mean cannot be written from.
    if (gb_trainer_load(&model.trainer, path) == GB_OK && !(model.trainer.unlogged_steps >= 0))
        abort();
}
