// SPDX-License-Identifier: MIT
#include "bench/runner/control.h"

#include <stdlib.h>
#include <string.h>

#include "kernels/parallel.h"

// COPIED floats go from one half of a thread's memory to the other. A round is CHAINS independent
// multiplications and additions of two doubles each.
enum { COPIED = 512 * 1024, ROUNDS = 160 * 1024, CHAINS = 4, FLOPS_A_ROUND = CHAINS * 2 * 2 };

struct control {
    int threads;
    float *memory; // two halves of COPIED floats for each thread
};

#if defined(__x86_64__)
// cpuid's baseline alone, so that it is the same on every CPU. Multiplied by one and increased by
// zero, the values stay normal numbers.
static void compute(void) {
    double one[2] = {1, 1}, zero[2] = {0, 0};
    long rounds = ROUNDS;
    __asm__ volatile("movupd %1, %%xmm4\n\t"
                     "movupd %2, %%xmm5\n\t"
                     "movapd %%xmm4, %%xmm0\n\t"
                     "movapd %%xmm4, %%xmm1\n\t"
                     "movapd %%xmm4, %%xmm2\n\t"
                     "movapd %%xmm4, %%xmm3\n\t"
                     ".p2align 6\n"
                     "1:\n\t"
                     "mulpd %%xmm4, %%xmm0\n\t"
                     "mulpd %%xmm4, %%xmm1\n\t"
                     "mulpd %%xmm4, %%xmm2\n\t"
                     "mulpd %%xmm4, %%xmm3\n\t"
                     "addpd %%xmm5, %%xmm0\n\t"
                     "addpd %%xmm5, %%xmm1\n\t"
                     "addpd %%xmm5, %%xmm2\n\t"
                     "addpd %%xmm5, %%xmm3\n\t"
                     "decq %0\n\t"
                     "jnz 1b"
                     : "+r"(rounds)
                     : "m"(one), "m"(zero)
                     : "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "cc");
}

static void copy(float *to, const float *from, size_t bytes) {
    __asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(bytes) : : "memory");
}
#else
static void compute(void) {
    volatile double values[CHAINS][2] = {{1, 1}, {1, 1}, {1, 1}, {1, 1}};
    for (int round = 0; round < ROUNDS; round++)
        for (int chain = 0; chain < CHAINS; chain++)
            for (int i = 0; i < 2; i++)
                values[chain][i] = values[chain][i] * 1.0 + 0.0;
}

static void copy(float *to, const float *from, size_t bytes) {
    volatile float *out = to;
    for (size_t i = 0; i < bytes / sizeof *to; i++)
        out[i] = from[i];
}
#endif

static void run_rank(void *argument, int rank, int size) {
    (void)size;
    const struct control *control = argument;
    float *half = control->memory + (size_t)rank * 2 * COPIED;
    compute();
    copy(half, half + COPIED, COPIED * sizeof *half);
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
    control->memory = gb_arena_take(arena, (size_t)benchmark->threads * 2 * COPIED);
    *state = control;
    return GB_OK;
}

struct gb_benchmark gb_control_benchmark(int threads) {
    return (struct gb_benchmark){
        .problem = "control/run/mix",
        .operation = "control",
        .direction = "run",
        .threads = threads,
        .flops = (double)FLOPS_A_ROUND * ROUNDS * threads,
        .bytes = 2.0 * COPIED * sizeof(float) * threads,
        .traffic = GB_TRAFFIC_TRIAD,
        .setup = set_up,
        .run = run,
        .teardown = free,
    };
}
