// SPDX-License-Identifier: MIT
// The CPU's counters, by perf_event_open of Linux: one set for each thread of this process.
#ifndef GB_HARDWARE_H
#define GB_HARDWARE_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/status.h"

enum gb_hardware_event { GB_CYCLES, GB_INSTRUCTIONS, GB_CACHE_MISSES, GB_HARDWARE_EVENTS };

struct gb_hardware {
    struct gb_hardware_thread {
        pid_t thread;
        int files[GB_HARDWARE_EVENTS]; // of the group's first the set is read; -1: not counted
    } * list;
    int count; // 0: closed
};

struct perf_event_attr;
// As the system call. Tests give their own.
typedef int gb_perf_open_fn(struct perf_event_attr *event, pid_t thread, int cpu, int group);

// Counts, from now on, what the present threads do in user mode. An event that the CPU does not
// have is left out. GB_UNSUPPORTED, and closed, if it does not count cycles, or the system does not
// permit it. `open`: NULL for the kernel's.
enum gb_status gb_hardware_open(struct gb_hardware *hardware, gb_perf_open_fn *open);
void gb_hardware_close(struct gb_hardware *hardware); // may be closed

// Sums over the threads since they were opened; extrapolated where the CPU counted only part of the
// time, because others count, too. NAN what is not counted, and all if closed or if threads began
// or ended.
struct gb_hardware_counts {
    double events[GB_HARDWARE_EVENTS];
} gb_hardware_read(const struct gb_hardware *hardware);

#endif
