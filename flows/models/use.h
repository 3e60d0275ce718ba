// SPDX-License-Identifier: MIT
// What a model is built to do: memory is planned for it.
#ifndef GB_USE_H
#define GB_USE_H

#include <stdbool.h>

struct gb_model_use {
    int batch;         // targets per pass
    int samples_per_x; // targets that share one conditioning image: batch = images * samples_per_x
    int threads;
    bool training;  // backward is a step of training: Adam's moments are reserved, running
                    // statistics move; needs samples_per_x == 1
    bool gradients; // backward may store gradients instead of applying Adam: reserves their block
    bool input_gradient; // backward may be asked for dx; slow, for tests
    bool reversible;     // of CNF: backward computes the flow's activations again, by the inverse
};

// Whether there is a backward.
static inline bool gb_model_trains(const struct gb_model_use *use) {
    return use->training || use->gradients;
}

#endif
