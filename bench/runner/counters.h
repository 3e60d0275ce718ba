// SPDX-License-Identifier: MIT
// What the system counted while a repetition ran: of all threads of this process. Threads that are
// preempted share their CPUs with other work.
#ifndef GB_COUNTERS_H
#define GB_COUNTERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

struct gb_counters {                                              // NAN: not available
    double seconds;                                               // that they cover
    double cpu_seconds;                                           // of CPU time, getrusage
    double voluntary_switches, involuntary_switches, page_faults; // getrusage
    double migrations; // between CPUs: of the present threads, /proc/self/task/*/sched
};

// The process's, since its start; `seconds` by gb_seconds. It takes about 6 us per thread.
struct gb_counters gb_counters_read(void);

// Adds what was counted between two readings to `sum`. A thread that ended in between takes its
// migrations with it: they are then NAN.
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
