// SPDX-License-Identifier: MIT
#include "kernels/parallel.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kernels/openmp_check.h"
#include "kernels/thread_pool.h"

#if !defined(GB_PTHREADS)
#include <omp.h>
#endif

// What runs the body that the calling thread is in.
static _Thread_local enum { NO_TEAM, POOL, OPENMP } team;

// ---- The choice ----

static atomic_bool uses_openmp;

// ---- Regions ----

struct region {
    gb_parallel_body body;
    void *argument;
};

static void run_pooled(void *argument, int rank, int size) {
    const struct region *region = argument;
    team = POOL;
    gb_flush_denormals();
    region->body(region->argument, rank, size);
    team = NO_TEAM;
}

#if defined(GB_PTHREADS)
// ThreadSanitizer does not see libgomp's synchronisation; its build has the pool only.
static bool run_openmp(int threads, gb_parallel_body body, void *argument) {
    (void)threads, (void)body, (void)argument;
    return false;
}

static void openmp_barrier(void) {}
#else
// Who binds OpenMP's threads to CPUs wants those threads; the runtime has bound the first already.
static void read_bindings(void) {
    static const char *const bindings[] = {"OMP_PROC_BIND", "OMP_PLACES", "GOMP_CPU_AFFINITY",
                                           "KMP_AFFINITY"};
    for (size_t i = 0; i < sizeof bindings / sizeof *bindings; i++)
        if (getenv(bindings[i]))
            uses_openmp = true;
}

static bool run_openmp(int threads, gb_parallel_body body, void *argument) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, read_bindings);
    if (!uses_openmp)
        return false;
#pragma omp parallel num_threads(threads)
    {
        team = OPENMP;
        gb_flush_denormals();
        body(argument, omp_get_thread_num(), omp_get_num_threads());
        team = NO_TEAM;
    }
    return true;
}

static void openmp_barrier(void) {
#pragma omp barrier
}
#endif

void gb_parallel(int threads, gb_parallel_body body, void *argument) {
    assert(threads >= 1);
    if (threads > 1 && team == NO_TEAM) {
        struct region region = {body, argument};
        if (run_openmp(threads, body, argument) || gb_pool_run(threads, run_pooled, &region))
            return;
    }
    gb_flush_denormals();
    body(argument, 0, 1);
}

void gb_barrier(int size) {
    if (size <= 1)
        return;
    if (team == OPENMP)
        openmp_barrier();
    else
        gb_pool_barrier(size);
}

// ---- Whether the system grants threads ----

static void note_size(void *argument, int rank, int size) {
    if (rank == 0)
        *(int *)argument = size;
}

// OMP_DYNAMIC grants fewer on a busy machine.
static void refuse_fewer(void) {
#if !defined(GB_PTHREADS)
    omp_set_dynamic(0);
#endif
}

// In the child, which may be ended by OpenMP's runtime, with a message of its own. LLVM's starts
// over there and reads its variables again.
static void try_threads(int threads, int *granted) {
    enum { PATIENCE = 60 }; // seconds
    refuse_fewer();
    dup2(open("/dev/null", O_WRONLY), STDERR_FILENO);
    alarm(PATIENCE);
    gb_parallel(threads, note_size, granted);
#if !defined(GB_PTHREADS)
    // LLVM's keeps a file per process in /dev/shm, which _exit would leave behind.
    omp_pause_resource_all(omp_pause_hard);
#endif
    _exit(0);
}

// Whether a child is granted the threads, OpenMP's or those that gb_parallel runs.
static enum gb_status check_in_child(int threads, bool openmp) {
    static const char what[] = "cannot start threads";
    char number[16];
    snprintf(number, sizeof number, "%d", threads);
    int *granted =
        mmap(NULL, sizeof *granted, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (granted == MAP_FAILED)
        return gb_no_memory(what, number);
    const pid_t child = fork();
    if (child == 0) {
        uses_openmp = uses_openmp || openmp;
        try_threads(threads, granted);
    }
    const int error = errno;
    while (child > 0 && waitpid(child, NULL, 0) < 0 && errno == EINTR)
        ;
    const int found = *granted;
    munmap(granted, sizeof *granted);
    if (child < 0)
        return gb_fail(GB_UNSUPPORTED, what, number, "%s", strerror(error));
    if (found == 0)
        return gb_fail(GB_UNSUPPORTED, what, number,
                       "the system refuses them (see ulimit -u and -v, OMP_STACKSIZE)");
    if (found != threads)
        return gb_fail(GB_UNSUPPORTED, what, number, "only %d granted (see OMP_THREAD_LIMIT)",
                       found);
    return GB_OK;
}

// Granted before; a child of a process that has run OpenMP's threads could not try.
static int known = 1;

enum gb_status gb_parallel_check(int threads) {
    refuse_fewer();
    if (threads <= known)
        return GB_OK;
    GB_TRY(check_in_child(threads, false));
    known = threads;
    return GB_OK;
}

enum gb_status gb_openmp_check(void) {
    return uses_openmp || known == 1 ? GB_OK : check_in_child(known, true);
}

void gb_parallel_use_openmp(void) {
    uses_openmp = true;
}

// ---- Jobs ----

struct job_list {
    void (*job)(void *argument, int index, int rank);
    void *argument;
    int jobs;
    atomic_int next;
};

static void run_jobs(void *argument, int rank, int size) {
    (void)size;
    struct job_list *list = argument;
    for (int index; (index = atomic_fetch_add(&list->next, 1)) < list->jobs;)
        list->job(list->argument, index, rank);
}

void gb_parallel_jobs(int threads, int jobs, void (*job)(void *argument, int index, int rank),
                      void *argument) {
    struct job_list list = {.job = job, .argument = argument, .jobs = jobs};
    atomic_init(&list.next, 0);
    gb_parallel(threads, run_jobs, &list);
}

struct tries {
    enum gb_status (*attempt)(void *argument, int index);
    void *argument;
    atomic_int failed; // the lowest index that failed; `count`: none so far
    pthread_mutex_t lock;
    enum gb_status status; // of that index, and its message
    char message[GB_MESSAGE];
};

static void keep_failure(struct tries *tries, int index, enum gb_status status) {
    pthread_mutex_lock(&tries->lock);
    if (index < tries->failed) {
        tries->failed = index;
        tries->status = status;
        snprintf(tries->message, sizeof tries->message, "%s", gb_error_message());
    }
    pthread_mutex_unlock(&tries->lock);
}

static void try_one(void *argument, int index, int rank) {
    (void)rank;
    struct tries *tries = argument;
    if (index > tries->failed)
        return;
    enum gb_status status = tries->attempt(tries->argument, index);
    if (status != GB_OK)
        keep_failure(tries, index, status);
}

enum gb_status gb_parallel_tries(int threads, int count,
                                 enum gb_status (*attempt)(void *argument, int index),
                                 void *argument) {
    struct tries tries = {
        .attempt = attempt, .argument = argument, .lock = PTHREAD_MUTEX_INITIALIZER};
    atomic_init(&tries.failed, count);
    gb_parallel_jobs(threads, count, try_one, &tries);
    return tries.status == GB_OK ? GB_OK : gb_fail_again(tries.status, tries.message);
}
