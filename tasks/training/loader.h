// SPDX-License-Identifier: MIT
// The examples of a training run's passes, prefetched by a thread: in an order shuffled each epoch,
// with noise on inputs and dequantised targets. A pass is a minibatch, or a shard of one.
// Everything random is a function of (seed, minibatch, place in the minibatch).
#ifndef GB_LOADER_H
#define GB_LOADER_H

#include "tasks/run_config.h"

struct gb_batch {
    struct gb_tensor x, y,
        mask; // as the data set fills them, plus noise on x; the mask may have no data
    struct gb_tensor target; // of the model
    struct gb_tensor noise;  // for the model's dequantiser; without data if it has none
};

struct gb_loader;

// For a range of the run's shards. `train` and `run` must outlive it. GB_BAD_INPUT where the
// model's sizes are not the set's.
enum gb_status gb_loader_create(const struct gb_run_config *run, const struct gb_backend *backend,
                                const struct gb_dataset *train, int first_shard, int shards,
                                struct gb_loader **loader);
void gb_loader_free(struct gb_loader *loader); // may be NULL

// The examples of a pass (the first is 0), valid until the next call; starts prefetching those of
// the next one. A step's passes are shard by shard, of each its `accumulate` minibatches. Fails as
// the data set's fill.
enum gb_status gb_loader_take(struct gb_loader *loader, long pass, const struct gb_batch **batch);

#endif
