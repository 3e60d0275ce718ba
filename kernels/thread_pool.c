// SPDX-License-Identifier: MIT
#include "kernels/thread_pool.h"

#include <assert.h>
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <strings.h>
#include <time.h>

#include "base/clock.h"
#include "kernels/cpu.h"
#include "kernels/tensor.h"
#if !defined(GB_PTHREADS)
#include <omp.h>
#endif

enum { RANK_BITS = 9 }; // enough for GB_POOL_MAX_THREADS

// ---- How long to spin ----

// Of c-Glow's waits on an idle machine hardly any is longer than the first, 1 ms: spinning for a
// tenth of it made a step 5 % longer, for a fiftieth 40 %.
static const double patience = 1e-3, patience_loaded = 10e-6;
// A thread that has spun for so long watches whether another one runs. If that one did not, in most
// of the rest of its patience, it lacks a CPU, perhaps the one that this one spins on.
static const double unsuspicious = 50e-6;
// That often in so short a time, other processes want the CPUs. Ten times were too few: on an idle
// machine a step took 1.16 times as long. Two threads may share a CPU while another is idle, too,
// but only until the system's next tick, as long as both want to run.
enum { OCCASIONS = 25 };
static const double window = 0.05;
// How long that is then assumed.
static const double loaded_period = 0.5;

static enum { ADAPTIVE, ACTIVE, PASSIVE } policy; // OMP_WAIT_POLICY
static _Atomic double window_start, loaded_until;
static atomic_int occasions; // in the window

static void read_policy(void) {
    const char *set = getenv("OMP_WAIT_POLICY");
    if (set && strcasecmp(set, "active") == 0)
        policy = ACTIVE;
    else if (set && strcasecmp(set, "passive") == 0)
        policy = PASSIVE;
}

static double patience_at(double now) {
    if (policy != ADAPTIVE)
        return policy == ACTIVE ? (double)INFINITY : 0;
    return now < atomic_load_explicit(&loaded_until, memory_order_relaxed) ? patience_loaded
                                                                           : patience;
}

// Threads may do this at once, and one occasion be lost.
static void note_occasion(double now) {
    if (now - window_start > window) {
        window_start = now;
        occasions = 0;
    }
    if (++occasions >= OCCASIONS)
        loaded_until = now + loaded_period;
}

// By rank: the clock of the thread's time on a CPU. The system's clock of the process does not
// serve, as it counts other threads' time at each tick only.
static atomic_int clocks[GB_POOL_MAX_THREADS];
static _Thread_local int own_rank;

// What a thread sees of another while it spins.
struct watch {
    int rank;
    double since, used; // its time on a CPU until `since`; 0: not yet
};

static double used_by(int rank) {
    struct timespec used;
    if (clock_gettime(clocks[rank], &used) != 0)
        return NAN;
    return (double)used.tv_sec + 1e-9 * (double)used.tv_nsec;
}

// Of a region of `size` ranks, each of the others in turn.
static void begin_watch(struct watch *watch, int size, unsigned serial, double now) {
    watch->rank = (own_rank + 1 + (int)(serial % (unsigned)(size - 1))) % size;
    watch->since = now;
    watch->used = used_by(watch->rank);
}

static void end_watch(const struct watch *watch, double now) {
    if (used_by(watch->rank) - watch->used < 0.5 * (now - watch->since))
        note_occasion(now);
}

// ---- Waiting ----

// A number that threads wait for to change.
struct gate {
    _Alignas(GB_CACHE_LINE) atomic_uint number;
    atomic_int sleepers;
    pthread_mutex_t lock;
    pthread_cond_t changed;
};
#define GATE                                                                                       \
    { .lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER }

static bool changed(const struct gate *gate, unsigned old) {
    return atomic_load_explicit(&gate->number, memory_order_acquire) != old;
}

// Until the number changes or the thread loses patience.
static void spin(const struct gate *gate, unsigned old, int size) {
    enum { LOOKS = 16 }; // between those at the clock
    struct watch seen = {0};
    double start = 0;
    for (;;) {
        for (int i = 0; i < LOOKS && !changed(gate, old); i++)
            gb_cpu_relax();
        if (changed(gate, old))
            break;
        const double now = gb_seconds();
        start = start > 0 ? start : now;
        if (now - start >= patience_at(now)) {
            if (seen.since > 0)
                end_watch(&seen, now);
            break;
        }
        if (policy == ADAPTIVE && size > 1 && seen.since <= 0 && now - start >= unsuspicious)
            begin_watch(&seen, size, old >> RANK_BITS, now);
    }
}

// Until the number is not `old`; returns it. `size`: of the region.
static unsigned wait_while(struct gate *gate, unsigned old, int size) {
    spin(gate, old, size);
    if (!changed(gate, old)) {
        pthread_mutex_lock(&gate->lock);
        gate->sleepers++; // before the number is read, as `wake` reads in the other order
        while (gate->number == old)
            pthread_cond_wait(&gate->changed, &gate->lock);
        gate->sleepers--;
        pthread_mutex_unlock(&gate->lock);
    }
    return gate->number;
}

// After the number changed.
static void wake(struct gate *gate) {
    if (gate->sleepers == 0)
        return;
    // A sleeper that has not seen the change is waiting once the lock is free.
    pthread_mutex_lock(&gate->lock);
    pthread_mutex_unlock(&gate->lock);
    pthread_cond_broadcast(&gate->changed);
}

// ---- The pool ----

// A region is announced by a new number: its count of ranks in the low bits, above them a serial
// number, so that a thread whose rank does not take part need not read more.

static struct {
    pthread_mutex_t busy;               // of what follows
    int workers;                        // ranks 1..workers
    unsigned seen[GB_POOL_MAX_THREADS]; // by rank: the region before its first
    void (*body)(void *argument, int rank, int size);
    void *argument;
    struct gate region, running, barrier;       // running: ranks 1.. that have not returned
    _Alignas(GB_CACHE_LINE) atomic_int arrived; // at the barrier
} pool = {.busy = PTHREAD_MUTEX_INITIALIZER, .region = GATE, .running = GATE, .barrier = GATE};

static int size_of(unsigned region) {
    return (int)(region & ((1u << RANK_BITS) - 1));
}

static void *work(void *argument) {
    const int rank = own_rank = (int)(intptr_t)argument;
    for (unsigned region = pool.seen[rank];;) {
        region = wait_while(&pool.region, region, size_of(region));
        if (rank >= size_of(region))
            continue;
        pool.body(pool.argument, rank, size_of(region));
        if (atomic_fetch_sub(&pool.running.number, 1) == 1)
            wake(&pool.running);
    }
    return NULL;
}

// A child process has none of its parent's threads.
static void forget(void) {
    pool.workers = 0;
    pool.region = pool.running = pool.barrier = (struct gate)GATE;
    pool.busy = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER;
}

static void prepare(void) {
    read_policy();
    pthread_atfork(NULL, NULL, forget);
}

static void note_clock(int rank, pthread_t thread) {
    clockid_t clock;
    if (pthread_getcpuclockid(thread, &clock) == 0)
        clocks[rank] = clock;
}

static void start_workers(int threads) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, prepare);
#if !defined(GB_PTHREADS)
    const int limit = omp_get_thread_limit();
    threads = threads < limit ? threads : limit;
#endif
    while (pool.workers + 1 < threads) {
        const int rank = pool.workers + 1;
        pthread_t thread;
        pool.seen[rank] = pool.region.number;
        if (pthread_create(&thread, NULL, work, (void *)(intptr_t)rank) != 0)
            return;
        note_clock(rank, thread);
        pthread_detach(thread);
        pool.workers = rank;
    }
}

bool gb_pool_run(int threads, void (*body)(void *argument, int rank, int size), void *argument) {
    assert(threads >= 1 && threads <= GB_POOL_MAX_THREADS);
    if (pthread_mutex_trylock(&pool.busy) != 0)
        return false;
    if (pool.workers + 1 < threads)
        start_workers(threads);
    const int size = threads <= pool.workers ? threads : pool.workers + 1;
    note_clock(0, pthread_self());
    own_rank = 0;
    pool.body = body;
    pool.argument = argument;
    atomic_store_explicit(&pool.running.number, (unsigned)size - 1, memory_order_relaxed);
    pool.region.number = (((pool.region.number >> RANK_BITS) + 1) << RANK_BITS) | (unsigned)size;
    wake(&pool.region);
    body(argument, 0, size);
    for (unsigned left; (left = pool.running.number) > 0;)
        wait_while(&pool.running, left, size);
    pthread_mutex_unlock(&pool.busy);
    return true;
}

void gb_pool_barrier(int size) {
    const unsigned serial = pool.barrier.number;
    if (atomic_fetch_add(&pool.arrived, 1) + 1 < size) {
        wait_while(&pool.barrier, serial, size);
        return;
    }
    pool.arrived = 0;
    pool.barrier.number = serial + 1;
    wake(&pool.barrier);
}
