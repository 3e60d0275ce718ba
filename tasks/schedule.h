// SPDX-License-Identifier: MIT
// The learning rate of each step of a training run.
#ifndef GB_SCHEDULE_H
#define GB_SCHEDULE_H

#include "base/status.h"

enum gb_schedule_kind {
    GB_SCHEDULE_CONSTANT,
    GB_SCHEDULE_COSINE,
    GB_SCHEDULE_HALVING,
    GB_SCHEDULE_KINDS,
};
extern const char *const gb_schedule_names[GB_SCHEDULE_KINDS]; // "constant", "cosine", "halving"

struct gb_schedule {
    enum gb_schedule_kind kind;
    int steps;   // cosine: after which the rate is 0; halving: between halvings; constant: 0
    int warm_up; // first steps, in which the rate rises linearly; 0: none
};

// The rate of step `step` (from 0), a function of nothing else, so that a resumed run continues
// with it. During the warm-up it is scaled by (step + 1) / warm_up. After it, cosine is half a
// period from `rate` to 0 (Loshchilov and Hutter, SGDR, 2017, without restarts); halvings are
// counted from step 0.
float gb_schedule_rate(const struct gb_schedule *schedule, float rate, long step);

// GB_BAD_INPUT, naming the options, where the schedule cannot train `iterations` steps.
enum gb_status gb_schedule_check(const struct gb_schedule *schedule, int iterations);

// The kind of this name; GB_SCHEDULE_KINDS if there is none.
enum gb_schedule_kind gb_schedule_find(const char *name);

#endif
