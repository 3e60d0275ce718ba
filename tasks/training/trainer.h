// SPDX-License-Identifier: MIT
// Training by exact likelihood, step by step: minibatches, Adam, checkpoints. A run with its log
// and record is tasks/training/training_run.h.
#ifndef GB_TRAINER_H
#define GB_TRAINER_H

#include "tasks/parallel/sharded_update.h"
#include "tasks/training/loader.h"

struct gb_trainer {
    struct gb_run_config run;
    const struct gb_backend *backend;
    const struct gb_dataset *train;
    int threads;
    long step;              // steps done so far
    struct gb_model *model; // its batch is a pass
    struct gb_loader *loader;
    struct gb_sharded_update sharded; // zeroed where the run has one shard
    enum gb_dequantisation dequantisation;
    size_t dimensions;       // of a target
    double *log_likelihood;  // of a step's images, pass by pass
    float *d_log_likelihood; // of each of a pass
    // Sums over the steps since the last log row: bits per dimension and, where the run stores its
    // gradient, that gradient's L2 norm before clipping. Kept in checkpoints, so that a resumed run
    // writes the same rows.
    double unlogged_bits, unlogged_norms;
    int unlogged_steps;
    bool accept_changed_data;
    json_t *data_changes; // steps after which the run was resumed with changed data
};

struct gb_trainer_options {
    const struct gb_backend *backend;
    const struct gb_backend *model_backend; // that the model calls; NULL: `backend`
    int threads;
    bool accept_changed_data; // gb_trainer_load notes the step, instead of failing
};

// Builds the model and initialises its parameters from the seed. GB_BAD_INPUT where the model's
// sizes are not the set's, and for an empty set. The trainer must not be moved.
enum gb_status gb_trainer_create(struct gb_trainer *trainer, const struct gb_run_config *run,
                                 const struct gb_trainer_options *options,
                                 const struct gb_dataset *train);
void gb_trainer_free(struct gb_trainer *trainer);

struct gb_params *gb_trainer_params(const struct gb_trainer *trainer);

// One step: the forward and backward passes of the run's `accumulate` minibatches, shard by shard,
// then the update. What the first minibatch initialises, all of its shards together do.
// Where the run keeps a moving average, it is of every tenth step's parameters, and the
// parameters themselves before the tenth. The minibatch's mean bits per dimension, before the
// update. Everything random is a function of (seed, step): a resumed run goes on with the same
// bits. GB_CHECK_FAILED with the step and the learning rate where the likelihood or the gradient's
// norm is not finite or a matrix is singular; step and parameters are then as they were (except
// for parameters initialised from data at the first step, and running statistics), as where memory
// is short: GB_OUT_OF_MEMORY. Fails as the data
// set's fill does, and as gb_backend_check does, after which the parameters are of no use.
enum gb_status gb_trainer_step(struct gb_trainer *trainer, double *bits_per_dimension);

// Writes a checkpoint with Adam's moments, the average, the configuration, the step and the hash of
// the training set. `data` says where the data came from. For all ranks of a job at the same time;
// rank 0 writes.
enum gb_status gb_trainer_save(struct gb_trainer *trainer, const char *path, const char *data);
// Continues from a checkpoint of the trainer's configuration. GB_BAD_INPUT for another model, and
// for other training examples unless changed data are accepted.
enum gb_status gb_trainer_load(struct gb_trainer *trainer, const char *path);

#endif
