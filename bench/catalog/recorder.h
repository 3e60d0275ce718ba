// SPDX-License-Identifier: MIT
// A backend that computes next to nothing and notes every kernel that it is asked for: run a model
// on it once, and it knows what a pass of this model is made of. Weights and scratch take no memory
// and activations are never touched after their reservation, so a pass at 128 x 128 takes a
// fraction of a second.
#ifndef GB_RECORDER_H
#define GB_RECORDER_H

#include "kernels/backend.h"
#include "kernels/problem.h"

// A problem of any operation. An operation's struct holds ints alone, and fits.
struct gb_any_problem {
    int numbers[16];
};

struct gb_recorded {
    const struct gb_operation *operation;
    enum gb_direction direction;
    // Backward, a convolution's and a fully connected layer's own activation takes no part: the
    // word is "", but for a convolution's backward_data, where it is that of the fused input
    // epilogue ("": none was fused).
    struct gb_any_problem problem;
    int count; // calls
};

// The distinct problems, in the order of their first calls.
struct gb_recording {
    struct gb_recorded *list;
    int count;
    bool incomplete; // memory ran out
};

// The table. Its kernels may run only between gb_record and gb_record_end, on the thread that
// called these: a model is recorded with one thread. Weight gradients and FC outputs aside, outputs
// stay as they were; FC outputs become random, so that the matrices that models make of them are
// regular.
const struct gb_backend *gb_recorder(void);

// Records what this thread runs from here on.
void gb_record(struct gb_recording *recording);
// GB_OUT_OF_MEMORY where the recording is incomplete.
enum gb_status gb_record_end(struct gb_recording *recording);
void gb_recording_free(struct gb_recording *recording);

// The direction that stores the gradient which GB_BACKWARD_UPDATE hands to Adam; others as they
// are.
enum gb_direction gb_stored_direction(const struct gb_operation *operation,
                                      enum gb_direction direction);

// Needed operations of all calls that sum products: convolutions, fully connected layers, mixes.
double gb_recording_flops(const struct gb_recording *recording);

#endif
