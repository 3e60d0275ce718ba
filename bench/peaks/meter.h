// SPDX-License-Identifier: MIT
// Times the loops of bench/peaks/peaks_body.h on a team of threads, each in memory of its own.
#ifndef GB_METER_H
#define GB_METER_H

#include <stdbool.h>

#include "base/status.h"
#include "bench/peaks/peaks_body.h"

// The instruction sets of multiply-adds that this CPU and system run, ended by NULL: fp32 first,
// and of those the best first. Plain C says nothing of a CPU that has vectors, so it is in the list
// only where that has none.
const struct gb_fma_body *const *gb_fma_bodies(void);

extern const char *const gb_stream_names[GB_STREAMS];

struct gb_meter {
    int threads;
    float *block;  // every rank's share, one after the other
    size_t stride; // floats from one share to the next
    size_t share;  // floats of a share that its arrays may take
    struct gb_meter_span {
        double begin, end;
    } * spans; // each rank's part of a trial, in seconds
};

// What is timed: multiply-adds, or where `fma` is NULL a stream.
struct gb_meter_job {
    const struct gb_fma_body *fma;
    enum gb_stream stream;
    size_t work;     // rounds, or elements of each array, in a trial; 0: gb_meter_rate finds it
    size_t position; // where in the arrays the next trial begins
};

// Divides `working_set` bytes among the ranks of a team, each of which touches its share first.
// All streams go through the whole of it, in one, two or three arrays. GB_OUT_OF_MEMORY; then there
// is no meter.
enum gb_status gb_meter_open(struct gb_meter *meter, int threads, size_t working_set);

// FLOPs, or bytes counted, a second, by all threads together: what one trial in eight surpasses.
// Other work only ever slows a trial down, but the very best are of another clock: at times a
// Granite Rapids went 12 to 20 % faster for a tenth of the trials. A trial is one to two times
// `trial_seconds` of work, from the moment that all ranks are there until the last has done, and
// goes on where the one before it ended, so that sets which are too large for it are walked in
// pieces. At most 256 trials; fewer are made where other work makes them last four times as long.
double gb_meter_rate(struct gb_meter *meter, struct gb_meter_job *job, double trial_seconds,
                     int trials);

void gb_meter_close(struct gb_meter *meter);

#endif
