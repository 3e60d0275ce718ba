// SPDX-License-Identifier: MIT
#include "bench/peaks/meter.h"
#include "bench/peaks/peaks.h"

// Few enough to fit between the repetitions of a benchmark.
static const double trial_seconds = 0.0005;
enum { TRIALS = 12, LEAST_SHARE = 24 << 10 };

enum gb_status gb_probe_open(struct gb_probe *probe, int threads, size_t working_set) {
    size_t least = (size_t)threads * LEAST_SHARE;
    size_t bytes = working_set < least ? least : working_set;
    *probe = (struct gb_probe){
        .streams = {[GB_TRAFFIC_TRIAD] = {.stream = GB_STREAM_TRIAD},
                    [GB_TRAFFIC_READ] = {.stream = GB_STREAM_READ},
                    [GB_TRAFFIC_UPDATE] = {.stream = GB_STREAM_UPDATE}},
    };
    const struct gb_fma_body *const *bodies = gb_fma_bodies();
    for (int i = 0; bodies[i]; i++)
        probe->fma[i].fma = bodies[i];
    return gb_meter_open(&probe->meter, threads, bytes);
}

static double rate(struct gb_probe *probe, struct gb_meter_job *job) {
    return 1e-9 * gb_meter_rate(&probe->meter, job, trial_seconds, TRIALS);
}

struct gb_roofline gb_probe_run(struct gb_probe *probe, enum gb_traffic traffic) {
    return (struct gb_roofline){gb_probe_fma(probe, 0), rate(probe, &probe->streams[traffic])};
}

double gb_probe_fma(struct gb_probe *probe, int body) {
    return rate(probe, &probe->fma[body]);
}

void gb_probe_close(struct gb_probe *probe) {
    gb_meter_close(&probe->meter);
}
