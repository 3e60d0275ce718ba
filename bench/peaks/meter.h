// SPDX-License-Identifier: MIT
// Times the loops of bench/peaks/peaks_body.h on a team of threads, each in memory of its own.
#ifndef GB_METER_H
#define GB_METER_H

#include <stdbool.h>

#include "base/status.h"
#include "bench/peaks/peaks_body.h"

// The instruction sets of multiply-adds that this CPU and system support, ended by NULL: fp32
// first, the best of those first. Scalar code is in the list only if there is nothing else.
enum { GB_MAX_FMA_BODIES = 8 };
const struct gb_fma_body *const *gb_fma_bodies(void);

extern const char *const gb_stream_names[GB_STREAMS];

struct gb_meter {
    int threads;
    float *block;  // the shares of all ranks
    size_t stride; // floats from one share to the next
    size_t share;  // floats of a share that its arrays may use
    struct gb_meter_span {
        double begin, end;
    } * spans; // each rank's part of a trial, in seconds
};

// What is timed: multiply-adds, or a stream if `fma` is NULL.
struct gb_meter_job {
    const struct gb_fma_body *fma;
    enum gb_stream stream;
    size_t work;     // rounds, or elements of each array, in a trial; 0: gb_meter_rate finds it
    size_t position; // where in the arrays the next trial begins
};

// Divides `working_set` bytes among the threads, each of which touches its share first. All streams
// pass over all of it, in one, two or three arrays. GB_OUT_OF_MEMORY; there is then no meter.
enum gb_status gb_meter_open(struct gb_meter *meter, int threads, size_t working_set);

// FLOPs, or bytes counted, per second by all threads together: the rate that one trial in eight
// exceeds. Other load only slows trials down, but the very best ran at another clock: a Granite
// Rapids was at times 12 to 20 % faster for a tenth of the trials. A trial takes one to two times
// `trial_seconds`, from when all ranks are ready until the last is done, and continues where the
// one before ended. At most 256 trials; fewer if other load makes them take four times as long.
double gb_meter_rate(struct gb_meter *meter, struct gb_meter_job *job, double trial_seconds,
                     int trials);

void gb_meter_close(struct gb_meter *meter);

#endif
