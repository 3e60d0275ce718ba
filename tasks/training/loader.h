// SPDX-License-Identifier: MIT
// The minibatches of a training run, prefetched by a thread: examples in an order shuffled each
// epoch, noise on inputs, dequantised targets. Everything random is a function of (seed, step).
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

// `train` and `run` must outlive it. GB_BAD_INPUT where the model's sizes are not the set's.
enum gb_status gb_loader_create(const struct gb_run_config *run, const struct gb_backend *backend,
                                const struct gb_dataset *train, struct gb_loader **loader);
void gb_loader_free(struct gb_loader *loader); // may be NULL

// The minibatch of a step (the first is 0), valid until the next call; starts prefetching the next
// one. Fails as the data set's fill.
enum gb_status gb_loader_take(struct gb_loader *loader, long step, const struct gb_batch **batch);

#endif
