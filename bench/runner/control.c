// SPDX-License-Identifier: MIT
#include "bench/runner/control.h"

#include <stdlib.h>
#include <string.h>

#include "bench/runner/control_loops.h"
#include "kernels/parallel.h"

// Floats that go from one half of a thread's memory to the other.
enum { COPIED = 512 * 1024 };

struct control {
    int threads;
    float *memory; // two halves of COPIED floats for each thread
};

static void run_rank(void *argument, int rank, int size) {
    (void)size;
    const struct control *control = argument;
    float *half = control->memory + (size_t)rank * 2 * COPIED;
    gb_control_compute();
    gb_control_copy(half, half + COPIED, COPIED * sizeof *half);
}

static void run(void *state) {
    struct control *control = state;
    gb_parallel(control->threads, run_rank, control);
}

static enum gb_status set_up(const struct gb_benchmark *benchmark, struct gb_arena *arena,
                             void **state) {
    struct control *control = malloc(sizeof *control);
    if (!control)
        return gb_no_memory("cannot set up", benchmark->problem);
    control->threads = benchmark->threads;
    control->memory = gb_arena_floats(arena, (size_t)benchmark->threads * 2 * COPIED);
    *state = control;
    return GB_OK;
}

struct gb_benchmark gb_control_benchmark(int threads) {
    return (struct gb_benchmark){
        .problem = "control/run/mix",
        .operation = "control",
        .direction = "run",
        .threads = threads,
        .flops = (double)GB_CONTROL_FLOPS * threads,
        .bytes = 2.0 * COPIED * sizeof(float) * threads,
        .traffic = GB_TRAFFIC_TRIAD,
        .setup = set_up,
        .run = run,
        .teardown = free,
    };
}
