// SPDX-License-Identifier: MIT
// The minibatches of a training run, made ahead of the steps that need them by a thread of their
// own: examples in an order shuffled anew each epoch, noise on inputs, targets dequantised.
// Everything random is a function of (seed, step).
#ifndef GB_LOADER_H
#define GB_LOADER_H

#include "tasks/training/run_config.h"

struct gb_batch {
    struct gb_tensor x, y,
        mask;                // as the data set fills them, and noise on x; mask may be without data
    struct gb_tensor target; // what the model is given
    struct gb_tensor noise;  // that its own dequantiser wants; without data where it has none
};

struct gb_loader;

// `train` and `run` must outlive it. GB_BAD_INPUT where the model takes other sizes than the set
// has.
enum gb_status gb_loader_create(const struct gb_run_config *run, const struct gb_backend *backend,
                                const struct gb_dataset *train, struct gb_loader **loader);
void gb_loader_free(struct gb_loader *loader); // NULL is left alone

// The minibatch of a step (the first is 0), valid until the next call; the one after it is begun.
// Fails as the data set's fill does.
enum gb_status gb_loader_take(struct gb_loader *loader, long step, const struct gb_batch **batch);

#endif
