// SPDX-License-Identifier: MIT
// Pins threads to cores, so that measurements do not depend on the scheduler.
#ifndef GB_PIN_H
#define GB_PIN_H

#include "base/status.h"

// Binds each of `threads` ranks (kernels/parallel.h) to one logical CPU, and stores the system's
// numbers of these CPUs in cpus[0..threads-1]. Every rank gets its own core, in hwloc's order,
// which keeps neighbours together; cores get a second rank only if there are more ranks than cores.
// Only CPUs on which the threads were allowed to run before are used.
//
// The binding holds for this thread count: a runtime may end threads when fewer are used and start
// new ones when more are, on the caller's CPU. So pin again when the thread count changes, which
// first undoes the previous pinning. From one thread at a time, outside gb_parallel. GB_UNSUPPORTED
// if there are fewer CPUs than threads, GB_IO_ERROR if the system refuses; nothing is then bound.
enum gb_status gb_pin_threads(int threads, int cpus[]);

// Restores the previous affinity of every pinned thread; does nothing if none is pinned.
void gb_unpin_threads(void);

#endif
