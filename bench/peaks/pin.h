// SPDX-License-Identifier: MIT
// Threads that stay on their cores, so that no measurement depends on where the scheduler moves
// them.
#ifndef GB_PIN_H
#define GB_PIN_H

#include "base/status.h"

// Binds each rank of a team of `threads` (kernels/parallel.h) to one logical CPU, and reports
// their numbers, as the system counts them, in cpus[0..threads-1]. Every rank gets a core of its
// own, in hwloc's order, which keeps neighbours together; only where there are more ranks than
// cores do cores get a second. Only CPUs that the team was allowed to run on before are taken.
//
// The binding holds for teams of this size: a runtime may end threads when a smaller team runs and
// start new ones for a larger, which begin on the caller's CPU. So pin anew when the number of
// threads changes; that undoes the former pinning first. From one thread at a time, outside
// gb_parallel. GB_UNSUPPORTED where the threads outnumber the CPUs, GB_IO_ERROR where the system
// refuses; then nothing is bound.
enum gb_status gb_pin_threads(int threads, int cpus[]);

// Lets every thread that was pinned run where it could before; nothing if none was.
void gb_unpin_threads(void);

#endif
