// SPDX-License-Identifier: MIT
// The threads that native kernels run on: started when first needed, and kept. A thread that waits
// spins, since the next kernel follows within microseconds and to wake a thread takes 50 us in a
// virtual machine; but where other processes want the CPUs it sleeps at once, since it would
// otherwise take the time of the thread that it waits for.
#ifndef GB_THREAD_POOL_H
#define GB_THREAD_POOL_H

#include <stdbool.h>

enum { GB_POOL_MAX_THREADS = 256 };

// Runs body(argument, rank, size) for rank = 0..size-1, rank 0 on the calling thread, and returns
// after the last; size <= threads is what the system grants. False, and nothing runs, if another
// thread is in this function. Not from inside a body.
bool gb_pool_run(int threads, void (*body)(void *argument, int rank, int size), void *argument);

// Waits for the other ranks of the body that calls it.
void gb_pool_barrier(int size);

#endif
