// SPDX-License-Identifier: MIT
// Training by exact likelihood, step by step: minibatches with uniform dequantisation noise, Adam
// with gradients clipped by value, checkpoints. A whole run, with its log and its record, is
// tasks/training/training_run.h.
#ifndef GB_TRAINER_H
#define GB_TRAINER_H

#include "tasks/task.h"

// What decides a run's bits; kept in its checkpoints.
struct gb_run_config {
    const struct gb_task *task;
    struct gb_cglow_config model;
    int size, batch, iterations;
    float learning_rate;
    uint64_t seed;
};

enum { GB_MOST_BATCH = 4096 };

struct gb_trainer {
    struct gb_run_config run;
    const struct gb_backend *backend;
    const struct gb_dataset *train; // count >= 1
    int threads;
    long step; // steps done so far
    struct gb_cglow *model;
    struct gb_arena arena;
    struct gb_tensor x, target; // the minibatch
    float *noise;               // room for that of one image or target
    double *log_likelihood;     // of each of the batch
    float *d_log_likelihood;    // of each of the batch
    int *order;                 // the epoch's order of the training set
    long epoch;                 // that `order` is for; -1: none yet
    // Sum of bits per dimension over the steps since the last log row. Kept in checkpoints, so that
    // a resumed run writes the same rows.
    double unlogged_bits;
    int unlogged_steps;
};

// Builds the model and fills its parameters from the seed. GB_BAD_INPUT where the model takes other
// sizes than the set has.
enum gb_status gb_trainer_create(struct gb_trainer *trainer, const struct gb_run_config *run,
                                 const struct gb_backend *backend, int threads,
                                 const struct gb_dataset *train);
void gb_trainer_free(struct gb_trainer *trainer);

// One step. The minibatch's mean bits per dimension, before the update. Everything random is a
// function of (seed, step): a resumed run goes on with the same bits. GB_CHECK_FAILED with the step
// and the learning rate where the likelihood is not finite or a matrix is singular; parameters and
// step are then as they were.
enum gb_status gb_trainer_step(struct gb_trainer *trainer, double *bits_per_dimension);

// A checkpoint with Adam's moments, the configuration, the step and a hash of the training set.
// `data` says where the data came from.
enum gb_status gb_trainer_save(const struct gb_trainer *trainer, const char *path,
                               const char *data);
// Goes on from a checkpoint of the trainer's own configuration. GB_BAD_INPUT where it is of another
// model or was trained on other examples.
enum gb_status gb_trainer_load(struct gb_trainer *trainer, const char *path);

// Where a checkpoint stands, and what made it.
struct gb_run_origin {
    long step;
    const struct gb_backend *backend; // NULL: one that this build does not have
};

// The configuration that a checkpoint was made with, and the rest that a run goes on from.
enum gb_status gb_run_config_read(const char *path, struct gb_run_config *run,
                                  struct gb_run_origin *origin);

#endif
