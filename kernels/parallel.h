// SPDX-License-Identifier: MIT
// The one place where threads are started. A kernel is a body that every thread of a team runs with
// its rank; it divides its output among the ranks so that no value depends on how many there are.
#ifndef GB_PARALLEL_H
#define GB_PARALLEL_H

#include <stddef.h>

#include "base/status.h"
#include "kernels/cpu.h"

// How a kernel is run: on how many threads, and with which scratch memory. Caller-owned; the
// scratch is at least what the kernel's plan asks for at this number of threads, 64-byte aligned.
struct gb_exec {
    int threads;
    float *scratch;
    size_t scratch_floats;
    // NULL, or where a kernel that reorders operands for a foreign library adds the seconds that it
    // spent on that. Native kernels pack as they go and add nothing.
    double *reorder_seconds;
};

typedef void (*gb_parallel_body)(void *argument, int rank, int size);

// Runs body(argument, rank, size) for rank = 0..size-1 at once and waits for all. With threads == 1
// the body runs on the calling thread with no parallel region, so that a chain of kernels can be
// one job of an outer gb_parallel. Denormals are flushed to zero on every thread of the team. The
// calling thread is one of them and stays so (gb_flush_denormals) after the return.
void gb_parallel(int threads, gb_parallel_body body, void *argument);

// Waits for the other ranks of the team that `body` runs in. `size` as the body received it; with
// size == 1 it does nothing.
void gb_barrier(int size);

// Runs job(argument, index) for index = 0..jobs-1, each whole on one thread, in any order.
void gb_parallel_jobs(int threads, int jobs, void (*job)(void *argument, int index, int rank),
                      void *argument);

// Runs attempt(argument, index) for index = 0..count-1, each whole on one thread, in any order.
// Returns the failure of the lowest index that fails, its message left for the calling thread;
// after a failure indices above it may not run.
enum gb_status gb_parallel_tries(int threads, int count,
                                 enum gb_status (*attempt)(void *argument, int index),
                                 void *argument);

// How many threads a kernel should wake: one where the work is too small to win back the 2 us of a
// fork and join. `work` counts the floats of a plain streaming loop (about 0.2 ns each); dearer
// kernels count a float several times.
static inline int gb_threads_for(const struct gb_exec *exec, size_t work) {
    enum { SMALLEST_SHARED_WORK = 32768 };
    return work < SMALLEST_SHARED_WORK ? 1 : exec->threads;
}

// The contiguous share [begin, end) of `count` units that falls to `rank`.
struct gb_range {
    size_t begin, end;
};
static inline struct gb_range gb_partition(size_t count, int rank, int size) {
    size_t r = (size_t)rank, s = (size_t)size;
    return (struct gb_range){count * r / s, count * (r + 1) / s};
}

#endif
