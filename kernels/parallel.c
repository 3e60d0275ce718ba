// SPDX-License-Identifier: MIT
#include "kernels/parallel.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#if defined(GB_PTHREADS)
// ThreadSanitizer does not see libgomp's synchronisation; its build runs the same bodies on plain
// threads, which it does see.
enum { MAX_THREADS = 256 };
static _Thread_local pthread_barrier_t *team_barrier;

struct team {
    gb_parallel_body body;
    void *argument;
    int size; // 0 until it is known how many threads the system granted
    pthread_mutex_t lock;
    pthread_cond_t known;
    pthread_barrier_t barrier;
};

struct worker {
    struct team *team;
    int rank;
    pthread_t handle;
};

static void run_rank(struct team *team, int rank) {
    pthread_barrier_t *outer = team_barrier;
    team_barrier = &team->barrier;
    gb_flush_denormals();
    team->body(team->argument, rank, team->size);
    team_barrier = outer;
}

static void *work(void *argument) {
    struct worker *worker = argument;
    struct team *team = worker->team;
    pthread_mutex_lock(&team->lock);
    while (team->size == 0)
        pthread_cond_wait(&team->known, &team->lock);
    pthread_mutex_unlock(&team->lock);
    if (worker->rank < team->size)
        run_rank(team, worker->rank);
    return NULL;
}

void gb_parallel(int threads, gb_parallel_body body, void *argument) {
    assert(threads >= 1 && threads <= MAX_THREADS);
    if (threads == 1) {
        gb_flush_denormals();
        body(argument, 0, 1);
        return;
    }
    struct team team = {.body = body,
                        .argument = argument,
                        .lock = PTHREAD_MUTEX_INITIALIZER,
                        .known = PTHREAD_COND_INITIALIZER};
    struct worker workers[MAX_THREADS];
    int granted = 1;
    for (; granted < threads; granted++) {
        workers[granted] = (struct worker){.team = &team, .rank = granted};
        if (pthread_create(&workers[granted].handle, NULL, work, &workers[granted]))
            break;
    }
    const bool shared = pthread_barrier_init(&team.barrier, NULL, (unsigned)granted) == 0;
    pthread_mutex_lock(&team.lock);
    team.size = shared ? granted : 1;
    pthread_cond_broadcast(&team.known);
    pthread_mutex_unlock(&team.lock);
    run_rank(&team, 0);
    for (int rank = 1; rank < granted; rank++)
        pthread_join(workers[rank].handle, NULL);
    if (shared)
        pthread_barrier_destroy(&team.barrier);
}

void gb_barrier(int size) {
    if (size > 1)
        pthread_barrier_wait(team_barrier);
}
#else
#include <omp.h>

void gb_parallel(int threads, gb_parallel_body body, void *argument) {
    assert(threads >= 1);
    if (threads == 1) {
        gb_flush_denormals();
        body(argument, 0, 1);
        return;
    }
#pragma omp parallel num_threads(threads)
    {
        gb_flush_denormals();
        body(argument, omp_get_thread_num(), omp_get_num_threads());
    }
}

void gb_barrier(int size) {
    if (size > 1) {
#pragma omp barrier
    }
}
#endif

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
    _exit(0);
}

enum gb_status gb_parallel_check(int threads) {
    static const char what[] = "cannot start threads";
    static int known = 1; // granted before; a child of a process that has run threads could not try
    char number[16];
    snprintf(number, sizeof number, "%d", threads);
    refuse_fewer();
    if (threads <= known)
        return GB_OK;
    int *granted =
        mmap(NULL, sizeof *granted, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (granted == MAP_FAILED)
        return gb_no_memory(what, number);
    const pid_t child = fork();
    if (child == 0)
        try_threads(threads, granted);
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
    known = threads;
    return GB_OK;
}

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
