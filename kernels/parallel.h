// SPDX-License-Identifier: MIT
// The one place where kernels start threads. A kernel is a body that every thread runs with its
// rank; it divides its output among the ranks so that no value depends on their number.
#ifndef GB_PARALLEL_H
#define GB_PARALLEL_H

#include <stddef.h>

#include "base/status.h"
#include "kernels/cpu.h"

// How a kernel is run: its threads and its scratch memory, which the caller owns. The scratch is at
// least what the kernel's plan asks for with this many threads, aligned to GB_ALIGNMENT.
struct gb_exec {
    int threads;
    void *scratch;
    size_t scratch_bytes;
    // NULL, or where kernels that reorder operands for a vendor library add the seconds spent on
    // it. Native kernels pack as part of their loops and add nothing.
    double *reorder_seconds;
};

// The scratch from an offset in bytes on.
static inline void *gb_scratch(const struct gb_exec *exec, size_t offset) {
    return (char *)exec->scratch + offset;
}

typedef void (*gb_parallel_body)(void *argument, int rank, int size);

// Runs body(argument, rank, size) for rank = 0..size-1 at once and waits for all; size <= threads
// is what the system grants, and 1 inside of a body and while another thread is in gb_parallel.
// With threads == 1 the body runs on the calling thread with no parallel region, so that a chain of
// kernels can be one job of an outer gb_parallel. Every thread flushes denormals to zero
// (gb_flush_denormals), the calling thread, which is rank 0, after the return too.
//
// The threads are those of kernels/thread_pool.h, and OpenMP's after gb_parallel_use_openmp or if a
// variable of OpenMP's binds its threads to CPUs.
void gb_parallel(int threads, gb_parallel_body body, void *argument);

// From now on gb_parallel runs OpenMP's threads: for vendor libraries, which run on them too. Two
// sets of threads that spin would take the CPUs from each other.
void gb_parallel_use_openmp(void);

// GB_UNSUPPORTED unless the system grants this many threads, which then run: to be asked before the
// first gb_parallel. OpenMP's runtime ends a process that it cannot start threads for, so a child
// process tries.
enum gb_status gb_parallel_check(int threads);

// Waits for the other ranks that run the same body; `size` as the body received it.
void gb_barrier(int size);

// Runs job(argument, index, rank) for index = 0..jobs-1, each on one thread, in any order.
void gb_parallel_jobs(int threads, int jobs, void (*job)(void *argument, int index, int rank),
                      void *argument);

// Runs attempt(argument, index) for index = 0..count-1, each on one thread, in any order. Returns
// the failure of the lowest index that fails, with its message on the calling thread; indices above
// a failed one may be skipped.
enum gb_status gb_parallel_tries(int threads, int count,
                                 enum gb_status (*attempt)(void *argument, int index),
                                 void *argument);

// The threads that a kernel should use: one where the work would not pay for the 2 us of a fork and
// join. `work` counts the floats of a plain streaming loop (about 0.2 ns each); more expensive
// kernels count a float several times.
static inline int gb_threads_for(const struct gb_exec *exec, size_t work) {
    enum { SMALLEST_SHARED_WORK = 32768 };
    return work < SMALLEST_SHARED_WORK ? 1 : exec->threads;
}

// The contiguous share [begin, end) of `count` items that belongs to `rank`.
struct gb_range {
    size_t begin, end;
};
static inline struct gb_range gb_partition(size_t count, int rank, int size) {
    size_t r = (size_t)rank, s = (size_t)size;
    return (struct gb_range){count * r / s, count * (r + 1) / s};
}

#endif
