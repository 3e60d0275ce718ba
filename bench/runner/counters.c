// SPDX-License-Identifier: MIT
#include "bench/runner/counters.h"

#include <dirent.h>
#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "base/clock.h"
#include "bench/runner/row.h"

const struct gb_counters gb_counters_unknown = {NAN, NAN, NAN, NAN, NAN, NAN, NAN, NAN, NAN, NAN};

// Of one thread; NAN where the kernel was built without it (CONFIG_SCHED_DEBUG).
static double migrations_of(const char *thread) {
    static const char key[] = "se.nr_migrations";
    char path[64], line[128];
    double migrations = NAN;
    snprintf(path, sizeof path, "/proc/self/task/%.20s/sched", thread);
    FILE *file = fopen(path, "r");
    while (file && fgets(line, sizeof line, file)) {
        const char *value = strchr(line, ':');
        if (!value || strncmp(line, key, strlen(key)) != 0)
            continue;
        migrations = strtod(value + 1, NULL);
        break;
    }
    if (file)
        fclose(file);
    return migrations;
}

static double read_migrations(void) {
    DIR *threads = opendir("/proc/self/task");
    double migrations = threads ? 0 : NAN;
    for (struct dirent *entry; threads && !isnan(migrations) && (entry = readdir(threads));)
        if (entry->d_name[0] != '.')
            migrations += migrations_of(entry->d_name);
    if (threads)
        closedir(threads);
    return migrations;
}

static double seconds_of(const struct timeval *time) {
    return (double)time->tv_sec + 1e-6 * (double)time->tv_usec;
}

void gb_meters_open(struct gb_meters *meters) {
    gb_energy_open(&meters->energy, GB_POWERCAP);
    gb_hardware_open(&meters->hardware, NULL);
}

void gb_meters_close(struct gb_meters *meters) {
    gb_hardware_close(&meters->hardware);
    gb_energy_close(&meters->energy);
}

struct gb_counters gb_counters_read(struct gb_meters *meters) {
    struct gb_counters counters = gb_counters_unknown;
    struct rusage usage;
    counters.migrations = read_migrations();
    if (getrusage(RUSAGE_SELF, &usage) == 0) {
        counters.cpu_seconds = seconds_of(&usage.ru_utime) + seconds_of(&usage.ru_stime);
        counters.voluntary_switches = (double)usage.ru_nvcsw;
        counters.involuntary_switches = (double)usage.ru_nivcsw;
        counters.page_faults = (double)usage.ru_minflt + (double)usage.ru_majflt;
    }
    const struct gb_hardware_counts counts = gb_hardware_read(&meters->hardware);
    counters.cycles = counts.events[GB_CYCLES];
    counters.instructions = counts.events[GB_INSTRUCTIONS];
    counters.cache_misses = counts.events[GB_CACHE_MISSES];
    counters.joules = gb_energy_read(&meters->energy);
    counters.seconds = gb_seconds();
    return counters;
}

// ---- Sums and means ----

// The members, which are all doubles.
#define MEMBER(name) offsetof(struct gb_counters, name)
static const size_t members[] = {
    MEMBER(seconds),
    MEMBER(cpu_seconds),
    MEMBER(voluntary_switches),
    MEMBER(involuntary_switches),
    MEMBER(page_faults),
    MEMBER(migrations),
    MEMBER(joules),
    MEMBER(cycles),
    MEMBER(instructions),
    MEMBER(cache_misses),
};
enum { MEMBERS = sizeof members / sizeof *members };
_Static_assert(MEMBERS * sizeof(double) == sizeof(struct gb_counters), "a member is missing");

static double *at(struct gb_counters *counters, int member) {
    return (double *)((char *)counters + members[member]);
}

static double value(const struct gb_counters *counters, int member) {
    return *(const double *)((const char *)counters + members[member]);
}

void gb_counters_add(struct gb_counters *sum, const struct gb_counters *begin,
                     const struct gb_counters *end) {
    for (int i = 0; i < MEMBERS; i++) {
        const double counted = value(end, i) - value(begin, i);
        *at(sum, i) += counted >= 0 ? counted : (double)NAN;
    }
}

struct gb_counters gb_counters_mean(const struct gb_counters *sum, int repetitions) {
    struct gb_counters mean;
    for (int i = 0; i < MEMBERS; i++)
        *at(&mean, i) = value(sum, i) / repetitions;
    return mean;
}

struct gb_counters gb_counters_join(const struct gb_counters *a, int count,
                                    const struct gb_counters *b, int more) {
    struct gb_counters joined;
    for (int i = 0; i < MEMBERS; i++)
        *at(&joined, i) = (count * value(a, i) + more * value(b, i)) / (count + more);
    return joined;
}

// ---- Other work on the machine ----

// Per second of CPU time: on a CPU with a long queue a thread does not run often. NAN: unknown.
static double switch_rate(const struct gb_row *row) {
    return row->counters.involuntary_switches / row->counters.cpu_seconds;
}

bool gb_row_is_shared(const struct gb_row *row) {
    return switch_rate(row) >= GB_SHARED_SWITCHES;
}

int gb_rows_shared(const struct gb_row *rows, size_t count, int *known) {
    int shared = 0;
    *known = 0;
    for (size_t i = 0; i < count; i++) {
        if (gb_row_is_control(&rows[i]) || isnan(switch_rate(&rows[i])))
            continue;
        ++*known;
        shared += gb_row_is_shared(&rows[i]);
    }
    return shared;
}

void gb_rows_print_shared(FILE *file, const struct gb_row *rows, size_t count) {
    int known;
    const int shared = gb_rows_shared(rows, count, &known);
    if (shared > 0)
        fprintf(file, "Other work shared the machine while %d of %d rows were timed.\n", shared,
                known);
}
