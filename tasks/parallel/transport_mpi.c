// SPDX-License-Identifier: MIT
#include <limits.h>
#include <mpi.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "tasks/parallel/transport.h"

static int own_rank, ranks;
static bool shares_cpus; // with more ranks than the host has CPUs

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

// MPI's own waits spin, which takes the CPU from the ranks that are waited for where they share it,
// and from evaluation, for which all ranks but one wait.
static bool wait_for(MPI_Request *requests, MPI_Status *statuses, int count, double seconds) {
    static const double spinning = 1e-3, yielding = 20e-3;
    const struct timespec pause = {.tv_nsec = 100000};
    const double start = now();
    for (int done = 0;;) {
        MPI_Testall(count, requests, &done, statuses);
        if (done)
            return true;
        const double waited = now() - start;
        if (seconds > 0 && waited > seconds)
            return false;
        if (waited > yielding)
            nanosleep(&pause, NULL);
        else if (shares_cpus || waited > spinning)
            sched_yield();
    }
}

static const char *begin(struct gb_transport_info *info) {
    int granted, length;
    char library[MPI_MAX_LIBRARY_VERSION_STRING], host[MPI_MAX_PROCESSOR_NAME];
    if (MPI_Init_thread(NULL, NULL, MPI_THREAD_SERIALIZED, &granted) != MPI_SUCCESS)
        return "MPI_Init_thread failed";
    if (granted < MPI_THREAD_FUNNELED)
        return "this MPI does not support threads (MPI_THREAD_FUNNELED)";
    MPI_Comm_rank(MPI_COMM_WORLD, &own_rank);
    MPI_Comm_size(MPI_COMM_WORLD, &ranks);
    info->rank = own_rank;
    info->count = ranks;
    info->any_thread = granted >= MPI_THREAD_SERIALIZED;
    MPI_Get_library_version(library, &length);
    MPI_Get_processor_name(host, &length);
    snprintf(info->library, sizeof info->library, "%.*s", (int)strcspn(library, "\n\t"), library);
    // MPICH's has lines of "Key:   value".
    if (strncmp(library, "MPICH Version:", 14) == 0)
        snprintf(info->library, sizeof info->library, "MPICH %.*s",
                 (int)strcspn(library + 14 + strspn(library + 14, " \t"), "\n\t"),
                 library + 14 + strspn(library + 14, " \t"));
    snprintf(info->host, sizeof info->host, "%s", host);
    MPI_Comm local;
    int on_host;
    MPI_Comm_split_type(MPI_COMM_WORLD, MPI_COMM_TYPE_SHARED, 0, MPI_INFO_NULL, &local);
    MPI_Comm_size(local, &on_host);
    MPI_Comm_free(&local);
    shares_cpus = sysconf(_SC_NPROCESSORS_ONLN) < on_host;
    return NULL;
}

// MPI counts in int.
static const size_t largest = (size_t)1 << 30;

static int pieces_of(size_t bytes) {
    return (int)((bytes + largest - 1) / largest);
}

// What is posted and not finished.
static struct {
    MPI_Request *requests;
    MPI_Status *statuses; // room for them
    int count, room;
} pending;

static void post_piece(const struct gb_message *message, size_t at, MPI_Request *request) {
    const size_t rest = message->bytes - at;
    const int bytes = (int)(rest < largest ? rest : largest);
    char *data = (char *)message->data + at;
    if (message->sent)
        MPI_Isend(data, bytes, MPI_BYTE, message->peer, message->tag, MPI_COMM_WORLD, request);
    else
        MPI_Irecv(data, bytes, MPI_BYTE, message->peer, message->tag, MPI_COMM_WORLD, request);
}

static void post(const struct gb_message *messages, int count) {
    int pieces = pending.count;
    for (int i = 0; i < count; i++)
        pieces += pieces_of(messages[i].bytes);
    if (pieces > pending.room) {
        pending.room = pieces;
        pending.requests = realloc(pending.requests, (size_t)pieces * sizeof *pending.requests);
        pending.statuses = realloc(pending.statuses, (size_t)pieces * sizeof *pending.statuses);
        if (!pending.requests || !pending.statuses)
            MPI_Abort(MPI_COMM_WORLD, 2);
    }
    for (int i = 0; i < count; i++)
        for (size_t at = 0; at < messages[i].bytes; at += largest)
            post_piece(&messages[i], at, &pending.requests[pending.count++]);
}

static void progress(void) {
    int done;
    MPI_Testall(pending.count, pending.requests, &done, pending.statuses);
}

static void finish(void) {
    wait_for(pending.requests, pending.statuses, pending.count, 0);
    pending.count = 0;
}

// By messages between all pairs, for what MPI cannot count.
static void gather_by_messages(char *data, const size_t *offsets) {
    struct gb_message *messages = malloc(2 * (size_t)ranks * sizeof *messages);
    int count = 0;
    if (!messages)
        MPI_Abort(MPI_COMM_WORLD, 2);
    for (int r = 0; r < ranks; r++)
        for (int sent = 0; r != own_rank && sent < 2; sent++) {
            const int owner = sent ? own_rank : r;
            messages[count++] = (struct gb_message){r, sent, data + offsets[owner],
                                                    offsets[owner + 1] - offsets[owner], 0};
        }
    post(messages, count);
    finish();
    free(messages);
}

static bool all_gather(void *data, const size_t *offsets, double seconds) {
    if (offsets[ranks] > INT_MAX) {
        gather_by_messages(data, offsets);
        return true;
    }
    int *counts = malloc(2 * (size_t)ranks * sizeof *counts), *begins = counts + ranks;
    if (!counts)
        MPI_Abort(MPI_COMM_WORLD, 2);
    for (int r = 0; r < ranks; r++) {
        counts[r] = (int)(offsets[r + 1] - offsets[r]);
        begins[r] = (int)offsets[r];
    }
    MPI_Request request;
    MPI_Status status;
    MPI_Iallgatherv(MPI_IN_PLACE, 0, MPI_DATATYPE_NULL, data, counts, begins, MPI_BYTE,
                    MPI_COMM_WORLD, &request);
    const bool done = wait_for(&request, &status, 1, seconds);
    if (done)
        free(counts);
    return done;
}

static void abort_all(int code) {
    MPI_Abort(MPI_COMM_WORLD, code);
}

static void end(void) {
    free(pending.requests);
    free(pending.statuses);
    MPI_Finalize();
}

const struct gb_transport gb_mpi_transport = {begin,      post,      progress, finish,
                                              all_gather, abort_all, end};
