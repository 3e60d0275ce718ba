// SPDX-License-Identifier: MIT
#define _GNU_SOURCE // syscall
#include "bench/runner/hardware.h"

#include <dirent.h>
#include <errno.h>
#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/grow.h"

static const char what[] = "cannot count cycles";

static struct gb_hardware_counts unknown(void) {
    struct gb_hardware_counts counts;
    for (int i = 0; i < GB_HARDWARE_EVENTS; i++)
        counts.events[i] = NAN;
    return counts;
}

#if defined(__linux__)
#include <linux/perf_event.h>
#include <sys/syscall.h>

static const uint64_t configs[GB_HARDWARE_EVENTS] = {
    PERF_COUNT_HW_CPU_CYCLES, PERF_COUNT_HW_INSTRUCTIONS, PERF_COUNT_HW_CACHE_MISSES};

static int open_by_kernel(struct perf_event_attr *event, pid_t thread, int cpu, int group) {
    return (int)syscall(SYS_perf_event_open, event, thread, cpu, group, PERF_FLAG_FD_CLOEXEC);
}

static enum gb_status no_counter(int error) {
    const char *why = strerror(error);
    if (error == EACCES || error == EPERM)
        why = "not permitted: by kernel.perf_event_paranoid, or in this container";
    else if (error == ENOENT || error == EOPNOTSUPP || error == ENODEV)
        why = "no counters on this CPU, or hidden by its virtual machine";
    return gb_fail(GB_UNSUPPORTED, what, "perf_event_open", "%s", why);
}

static enum gb_status open_thread(struct gb_hardware_thread *set, gb_perf_open_fn *open) {
    for (int i = 0; i < GB_HARDWARE_EVENTS; i++) {
        struct perf_event_attr event = {
            .type = PERF_TYPE_HARDWARE,
            .size = sizeof event,
            .config = configs[i],
            .read_format =
                PERF_FORMAT_GROUP | PERF_FORMAT_TOTAL_TIME_ENABLED | PERF_FORMAT_TOTAL_TIME_RUNNING,
            .exclude_kernel = 1, // as others than root must
            .exclude_hv = 1,
        };
        set->files[i] = open(&event, set->thread, -1, i == 0 ? -1 : set->files[0]);
        if (i == 0 && set->files[0] < 0)
            return no_counter(errno);
    }
    return GB_OK;
}

// Adds a set for a thread of /proc/self/task.
static enum gb_status add_thread(struct gb_hardware *hardware, pid_t thread,
                                 gb_perf_open_fn *open) {
    struct gb_hardware_thread *list =
        gb_grow(hardware->list, (size_t)hardware->count, sizeof *list);
    if (!list)
        return gb_no_memory(what, "threads");
    hardware->list = list;
    list[hardware->count] = (struct gb_hardware_thread){.thread = thread, .files = {-1, -1, -1}};
    return open_thread(&list[hardware->count++], open);
}

enum gb_status gb_hardware_open(struct gb_hardware *hardware, gb_perf_open_fn *open) {
    *hardware = (struct gb_hardware){0};
    DIR *threads = opendir("/proc/self/task");
    if (!threads)
        return gb_fail(GB_UNSUPPORTED, what, "/proc/self/task", "%s", strerror(errno));
    enum gb_status status = GB_OK;
    for (struct dirent *entry; status == GB_OK && (entry = readdir(threads));)
        if (entry->d_name[0] != '.')
            status = add_thread(hardware, (pid_t)atol(entry->d_name), open ? open : open_by_kernel);
    closedir(threads);
    if (status != GB_OK)
        gb_hardware_close(hardware);
    return status;
}

// Whether the process has the threads that are counted, and no other.
static bool has_same_threads(const struct gb_hardware *hardware) {
    DIR *threads = opendir("/proc/self/task");
    int known = 0, all = 0;
    for (struct dirent *entry; threads && (entry = readdir(threads));) {
        if (entry->d_name[0] == '.')
            continue;
        all++;
        for (int i = 0; i < hardware->count; i++)
            known += hardware->list[i].thread == (pid_t)atol(entry->d_name);
    }
    if (threads)
        closedir(threads);
    return known == hardware->count && all == known;
}

// What a read of a group's first event gives: values in the order in which they were opened.
struct reading {
    uint64_t count, enabled, running, values[GB_HARDWARE_EVENTS];
};

static void add_set(const struct gb_hardware_thread *set, struct gb_hardware_counts *sum) {
    struct reading reading;
    uint64_t at = 0;
    const ssize_t bytes = read(set->files[0], &reading, sizeof reading);
    const bool valid = bytes >= (ssize_t)offsetof(struct reading, values) &&
                       bytes == (ssize_t)(offsetof(struct reading, values) +
                                          reading.count * sizeof *reading.values);
    for (int i = 0; i < GB_HARDWARE_EVENTS; i++) {
        double value = NAN;
        if (valid && set->files[i] >= 0 && at < reading.count)
            value = (double)reading.values[at++];
        // A thread that has slept all the time has counted nothing in no time.
        if (valid && reading.running < reading.enabled)
            value *= reading.running > 0 ? (double)reading.enabled / (double)reading.running
                                         : (double)NAN;
        sum->events[i] += value;
    }
}

struct gb_hardware_counts gb_hardware_read(const struct gb_hardware *hardware) {
    if (hardware->count == 0 || !has_same_threads(hardware))
        return unknown();
    struct gb_hardware_counts sum = {{0}};
    for (int i = 0; i < hardware->count; i++)
        add_set(&hardware->list[i], &sum);
    return sum;
}
#else
enum gb_status gb_hardware_open(struct gb_hardware *hardware, gb_perf_open_fn *open) {
    (void)open;
    *hardware = (struct gb_hardware){0};
    return gb_fail(GB_UNSUPPORTED, what, "perf_event_open", "this system does not have it");
}

struct gb_hardware_counts gb_hardware_read(const struct gb_hardware *hardware) {
    (void)hardware;
    return unknown();
}
#endif

void gb_hardware_close(struct gb_hardware *hardware) {
    for (int i = 0; i < hardware->count; i++)
        for (int j = GB_HARDWARE_EVENTS - 1; j >= 0; j--)
            if (hardware->list[i].files[j] >= 0)
                close(hardware->list[i].files[j]);
    free(hardware->list);
    *hardware = (struct gb_hardware){0};
}
