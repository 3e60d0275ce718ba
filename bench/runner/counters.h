// SPDX-License-Identifier: MIT
// What was counted while a repetition ran: of all threads of this process. Threads that are
// preempted share their CPUs with other work. What is not available stays unknown: gb_energy_open
// and gb_hardware_open say why.
#ifndef GB_COUNTERS_H
#define GB_COUNTERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "bench/runner/energy.h"
#include "bench/runner/hardware.h"

struct gb_counters {                                              // NAN: not available
    double seconds;                                               // that they cover
    double cpu_seconds;                                           // of CPU time, getrusage
    double voluntary_switches, involuntary_switches, page_faults; // getrusage
    double migrations; // between CPUs: of the present threads, /proc/self/task/*/sched
    double joules;     // of all CPU packages and their memory, other processes' included
    double cycles, instructions, cache_misses; // in user mode; of the last level, as the CPU has it
};

struct gb_meters {
    struct gb_energy energy;
    struct gb_hardware hardware; // of the threads that exist
};

// Opens what is available.
void gb_meters_open(struct gb_meters *meters);
void gb_meters_close(struct gb_meters *meters);

// The process's, since its start, or since `meters` were opened; `seconds` by gb_seconds. It takes
// about 6 us per thread.
struct gb_counters gb_counters_read(struct gb_meters *meters);

// Adds what was counted between two readings to `sum`. A thread that ended in between takes what it
// counted with it: what is less than before is NAN.
void gb_counters_add(struct gb_counters *sum, const struct gb_counters *begin,
                     const struct gb_counters *end);

// Their means over repetitions, and a mean over `count` and `more` repetitions from theirs.
struct gb_counters gb_counters_mean(const struct gb_counters *sum, int repetitions);
struct gb_counters gb_counters_join(const struct gb_counters *mean, int count,
                                    const struct gb_counters *other, int more);

extern const struct gb_counters gb_counters_unknown; // all NAN

// ---- Other work on the machine ----

// Involuntary switches per second of CPU time from which a row counts as timed on a shared machine.
// On an idle CPU there are 0 to 5, next to one busy process 30 to 170.
#define GB_SHARED_SWITCHES 15.0

struct gb_row;

// Whether other work shared the machine while the row was timed; false if that is unknown.
bool gb_row_is_shared(const struct gb_row *row);

// How many of the rows were, without the control; *known: of how many it is known.
int gb_rows_shared(const struct gb_row *rows, size_t count, int *known);

// Prints one line that says so, if any row was.
void gb_rows_print_shared(FILE *file, const struct gb_row *rows, size_t count);

#endif
