// SPDX-License-Identifier: MIT
#include "bench/runner/counters.h"

#include <dirent.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "base/clock.h"
#include "bench/runner/row.h"

const struct gb_counters gb_counters_unknown = {NAN, NAN, NAN, NAN, NAN, NAN};

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

struct gb_counters gb_counters_read(void) {
    struct gb_counters counters = gb_counters_unknown;
    struct rusage usage;
    counters.migrations = read_migrations();
    if (getrusage(RUSAGE_SELF, &usage) == 0) {
        counters.cpu_seconds = seconds_of(&usage.ru_utime) + seconds_of(&usage.ru_stime);
        counters.voluntary_switches = (double)usage.ru_nvcsw;
        counters.involuntary_switches = (double)usage.ru_nivcsw;
        counters.page_faults = (double)usage.ru_minflt + (double)usage.ru_majflt;
    }
    counters.seconds = gb_seconds();
    return counters;
}

void gb_counters_add(struct gb_counters *sum, const struct gb_counters *begin,
                     const struct gb_counters *end) {
    sum->seconds += end->seconds - begin->seconds;
    sum->cpu_seconds += end->cpu_seconds - begin->cpu_seconds;
    sum->voluntary_switches += end->voluntary_switches - begin->voluntary_switches;
    sum->involuntary_switches += end->involuntary_switches - begin->involuntary_switches;
    sum->page_faults += end->page_faults - begin->page_faults;
    const double migrations = end->migrations - begin->migrations;
    sum->migrations += migrations >= 0 ? migrations : NAN;
}

struct gb_counters gb_counters_mean(const struct gb_counters *sum, int repetitions) {
    return (struct gb_counters){sum->seconds / repetitions,
                                sum->cpu_seconds / repetitions,
                                sum->voluntary_switches / repetitions,
                                sum->involuntary_switches / repetitions,
                                sum->page_faults / repetitions,
                                sum->migrations / repetitions};
}

static double join(double mean, int count, double other, int more) {
    return (count * mean + more * other) / (count + more);
}

struct gb_counters gb_counters_join(const struct gb_counters *a, int count,
                                    const struct gb_counters *b, int more) {
    return (struct gb_counters){join(a->seconds, count, b->seconds, more),
                                join(a->cpu_seconds, count, b->cpu_seconds, more),
                                join(a->voluntary_switches, count, b->voluntary_switches, more),
                                join(a->involuntary_switches, count, b->involuntary_switches, more),
                                join(a->page_faults, count, b->page_faults, more),
                                join(a->migrations, count, b->migrations, more)};
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
