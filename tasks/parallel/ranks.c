// SPDX-License-Identifier: MIT
#include "tasks/parallel/ranks.h"

#include <dlfcn.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tasks/parallel/cpus.h"

static const char what[] = "cannot join the MPI job";

// What a rank says when all agree.
struct report {
    int status;
    unsigned flags;
    bool ends; // its command
};
// What ranks on one host divide among them.
struct placement {
    char host[GB_HOST_NAME], cpus[GB_CPU_LIST];
};

// What gb_ranks_begin sets, once.
static struct {
    struct gb_ranks ranks;
    const struct gb_transport *transport; // NULL: a process by itself
    struct gb_transport_info info;
    struct placement *placements;
    const char **hosts;
    size_t *offsets; // of what is gathered here
    struct report *reports;
    char (*messages)[GB_MESSAGE];
} job = {.ranks = {.count = 1, .library = ""}};

const struct gb_ranks *gb_ranks(void) {
    return &job.ranks;
}

json_t *gb_ranks_json(void) {
    json_t *hosts = json_array();
    for (int r = 0; job.hosts && r < job.ranks.count; r++)
        gb_json_append(&hosts, json_string(job.hosts[r]));
    return json_pack("{s:i, s:o, s:s, s:b}", "ranks", job.ranks.count, "hosts", hosts, "library",
                     job.ranks.library, "overlap", job.ranks.count > 1 && job.ranks.overlaps);
}

// ---- The launcher ----

// What Open MPI's and MPICH's launchers and Slurm tell the processes that they start.
static const struct {
    const char *rank, *count;
} launchers[] = {{"OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"},
                 {"PMI_RANK", "PMI_SIZE"},
                 {"PMIX_RANK", "SLURM_STEP_NUM_TASKS"}};
enum { LAUNCHERS = sizeof launchers / sizeof *launchers };

// Whether there is one; then what it says of the number of processes, 0 where it does not.
static bool is_launched(int *rank, int *count) {
    for (int i = 0; i < LAUNCHERS; i++) {
        const char *own = getenv(launchers[i].rank), *all = getenv(launchers[i].count);
        if (own) {
            *rank = atoi(own);
            *count = all ? atoi(all) : 0;
            return true;
        }
    }
    return false;
}

// The module in a directory, absolute or relative to the program's; NULL: it does not load.
static const struct gb_transport *load_from(const char *directory) {
    char program[PATH_MAX], path[PATH_MAX + 256];
    const ssize_t length = readlink("/proc/self/exe", program, sizeof program);
    int own = (int)length; // of the program's directory
    while (own > 0 && program[own - 1] != '/')
        own--;
    if (own < 0 || *directory == '/')
        own = 0;
    snprintf(path, sizeof path, "%.*s%s" GB_MPI_MODULE, own, program, directory);
    // Open MPI's own modules expect its symbols to be global.
    void *module = dlopen(path, RTLD_NOW | RTLD_GLOBAL);
    return module ? dlsym(module, GB_TRANSPORT_SYMBOL) : NULL;
}

static enum gb_status load(const struct gb_transport **transport) {
    *transport = load_from("");
    if (*transport)
        return GB_OK;
    const char *why = dlerror();
    char kept[1024];
    snprintf(kept, sizeof kept, "%s", why ? why : "it is empty");
    *transport = load_from(GB_LIBRARIES "/");
    return *transport ? GB_OK
                      : gb_fail(GB_UNSUPPORTED, what, GB_MPI_MODULE,
                                "%s; it is built with GB_MPI=ON where CMake finds MPI", kept);
}

// Gathers `bytes` of every rank.
static bool gather(void *data, size_t bytes, double seconds) {
    for (int r = 0; r <= job.ranks.count; r++)
        job.offsets[r] = (size_t)r * bytes;
    return job.transport->all_gather(data, job.offsets, seconds);
}

static enum gb_status reserve(void) {
    const size_t count = (size_t)job.ranks.count;
    job.placements = calloc(count, sizeof *job.placements);
    job.hosts = calloc(count, sizeof *job.hosts);
    job.offsets = calloc(count + 1, sizeof *job.offsets);
    job.reports = calloc(count, sizeof *job.reports);
    job.messages = calloc(count, sizeof *job.messages);
    return job.placements && job.hosts && job.offsets && job.reports && job.messages
               ? GB_OK
               : gb_no_memory(what, job.info.host);
}

// Names all hosts; ranks of one host that may use the same CPUs divide them.
static enum gb_status place_ranks(void) {
    struct placement *own = &job.placements[job.ranks.rank];
    int before = 0, sharers = 0;
    memcpy(own->host, job.info.host, sizeof own->host);
    const enum gb_status status = gb_allowed_cpus(own->cpus);
    gather(job.placements, sizeof *own, 0); // whatever the status: the others wait for it
    GB_TRY(status);
    for (int r = 0; r < job.ranks.count; r++) {
        const struct placement *other = &job.placements[r];
        const bool same =
            strcmp(other->host, own->host) == 0 && strcmp(other->cpus, own->cpus) == 0;
        job.hosts[r] = other->host;
        before += same && r < job.ranks.rank;
        sharers += same;
    }
    job.ranks.hosts = job.hosts;
    return gb_divide_cpus(before, sharers);
}

static enum gb_status read_overlap(void) {
    static const char name[] = "GB_MPI_OVERLAP";
    const char *text = getenv(name);
    if (text && strcmp(text, "0") != 0 && strcmp(text, "1") != 0)
        return gb_fail(GB_BAD_INPUT, "bad value", name, "\"%s\" is neither 0 nor 1", text);
    job.ranks.overlaps = job.ranks.overlaps && text && *text == '1';
    return GB_OK;
}

enum gb_status gb_ranks_begin(void) {
    int rank, count;
    if (!is_launched(&rank, &count))
        return GB_OK;
    const enum gb_status loaded = load(&job.transport);
    if (loaded != GB_OK)
        return count == 1 ? GB_OK : loaded; // Slurm launches single processes, too
    const char *failure = job.transport->begin(&job.info);
    if (failure) {
        job.transport = NULL;
        return gb_fail(GB_UNSUPPORTED, what, GB_MPI_MODULE, "%s", failure);
    }
    if (count > 1 && job.info.count == 1)
        return gb_fail(GB_UNSUPPORTED, what, job.info.library,
                       "the launcher of %d processes belongs to another MPI", count);
    job.ranks = (struct gb_ranks){.rank = job.info.rank,
                                  .count = job.info.count,
                                  .overlaps = job.info.any_thread,
                                  .library = job.info.library};
    if (!gb_ranks_lead() && !freopen("/dev/null", "w", stdout))
        return gb_fail(GB_IO_ERROR, what, "/dev/null", "cannot open it");
    GB_TRY(reserve());
    GB_TRY(place_ranks());
    return read_overlap();
}

enum gb_status gb_ranks_refuse(const char *command) {
    int rank, count;
    if (!is_launched(&rank, &count) || count <= 1)
        return GB_OK;
    GB_TRY(gb_ranks_begin()); // for one line, not one per process
    return gb_fail(GB_BAD_INPUT, "cannot run under MPI", command,
                   "it is for one process, not %d; train, eval, sample and info share work", count);
}

// ---- Agreement ----

// The failure that all ranks report; false: not within this time.
static bool report_failure(enum gb_status own, double seconds, enum gb_status *status) {
    char text[GB_MESSAGE];
    int failures = 0, first = 0;
    for (int r = job.ranks.count - 1; r >= 0; r--)
        if (job.reports[r].status != GB_OK) {
            first = r;
            failures++;
        }
    if (failures == 0)
        return true;
    snprintf(job.messages[job.ranks.rank], GB_MESSAGE, "%s",
             own == GB_OK ? "" : gb_error_message());
    if (!gather(job.messages, GB_MESSAGE, seconds))
        return false;
    const int named = failures == job.ranks.count
                          ? 0
                          : snprintf(text, sizeof text, "rank %d on %s: ", first, job.hosts[first]);
    snprintf(text + named, sizeof text - (size_t)named, "%.*s", (int)sizeof text - named - 1,
             job.messages[first]);
    *status = gb_fail_again((enum gb_status)job.reports[first].status, text);
    return true;
}

// false: not within this time.
static bool exchange_reports(enum gb_status *status, unsigned *flags, bool ends, double seconds) {
    const enum gb_status own = *status;
    job.reports[job.ranks.rank] = (struct report){(int)own, *flags, ends};
    if (!gather(job.reports, sizeof *job.reports, seconds))
        return false;
    for (int r = 0; r < job.ranks.count; r++)
        *flags |= job.reports[r].flags;
    return report_failure(own, seconds, status);
}

enum gb_status gb_ranks_agree(enum gb_status status, unsigned *flags) {
    unsigned none = 0;
    if (job.ranks.count > 1)
        exchange_reports(&status, flags ? flags : &none, false, 0);
    return status;
}

static bool all_end(void) {
    for (int r = 0; r < job.ranks.count; r++)
        if (!job.reports[r].ends)
            return false;
    return true;
}

enum gb_status gb_ranks_end(enum gb_status status) {
    static const double timeout = 10;
    unsigned none = 0;
    if (!job.transport || job.ranks.count == 1)
        return status;
    // A rank that fails alone comes here first: the others hear of it where they next agree, and
    // come here, too, unless they are in the middle of something else.
    do {
        if (job.offsets && job.reports && job.messages &&
            exchange_reports(&status, &none, true, status == GB_OK ? 0 : timeout))
            continue;
        fprintf(stderr, "glowbench: rank %d on %s: %s\n", job.ranks.rank, job.info.host,
                gb_error_message());
        job.transport->abort(gb_exit_code(status));
    } while (!all_end());
    return status;
}

void gb_ranks_leave(void) {
    if (job.transport)
        job.transport->end();
}

void gb_ranks_post(const struct gb_message *messages, int count) {
    if (job.ranks.count > 1)
        job.transport->post(messages, count);
}

void gb_ranks_progress(void) {
    if (job.ranks.count > 1)
        job.transport->progress();
}

void gb_ranks_finish(void) {
    if (job.ranks.count > 1)
        job.transport->finish();
}

void gb_ranks_all_gather(void *data, const size_t *offsets) {
    if (job.ranks.count > 1)
        job.transport->all_gather(data, offsets, 0);
}

struct gb_range gb_ranks_share(int count) {
    return gb_partition((size_t)count, job.ranks.rank, job.ranks.count);
}

void gb_ranks_gather_shares(void *data, int count, size_t bytes) {
    if (job.ranks.count == 1)
        return;
    for (int r = 0; r < job.ranks.count; r++)
        job.offsets[r + 1] = gb_partition((size_t)count, r, job.ranks.count).end * bytes;
    job.offsets[0] = 0;
    job.transport->all_gather(data, job.offsets, 0);
}
