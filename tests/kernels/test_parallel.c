// SPDX-License-Identifier: MIT
// Parallel regions: every rank runs once, barriers, regions inside and next to each other, teams of
// fewer threads than asked for, threads that wait; and which failure of several jobs is reported.
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/parallel.h"
#include "tests/support/test.h"
#include <pthread.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { COUNT = 12, LOW = 3, HIGH = 7, MOST_THREADS = 3 };

static void count_rank(void *argument, int rank, int size) {
    atomic_int *ranks = argument;
    ranks[rank]++;
    gb_barrier(size);
    ranks[MOST_THREADS] = size;
}

static bool runs_alone(void) {
    atomic_int ranks[MOST_THREADS + 1] = {0};
    gb_parallel(MOST_THREADS, count_rank, ranks);
    return ranks[0] == 1 && ranks[1] == 0 && ranks[2] == 0 && ranks[MOST_THREADS] == 1;
}

// Where the system refuses threads, in a process of its own: the limit does not hold for root. The
// first test, since a child cannot use threads that its parent has.
GB_TEST(fewer_threads_may_be_granted) {
    enum { NOBODY = 65534, LIMITED = 77 };
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        const struct rlimit one = {1, 1};
        if ((geteuid() == 0 && setuid(NOBODY)) || setrlimit(RLIMIT_NPROC, &one))
            _exit(LIMITED);
        _exit(runs_alone() ? 0 : 1);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status) == LIMITED)
        skip();
    assert_int_equal(WEXITSTATUS(status), 0);
}

struct record {
    atomic_int runs[COUNT];
    atomic_int high_failed;
    bool fails, waits; // where it fails: the lower failure comes last
};

static enum gb_status fail_at(int index) {
    char where[16];
    snprintf(where, sizeof where, "%d", index);
    return gb_fail(index == LOW ? GB_BAD_INPUT : GB_IO_ERROR, "cannot", where, "of %d", COUNT);
}

static enum gb_status attempt(void *argument, int index) {
    struct record *record = argument;
    record->runs[index]++;
    if (!record->fails || (index != LOW && index != HIGH))
        return GB_OK;
    while (index == LOW && record->waits && !record->high_failed)
        sched_yield();
    enum gb_status status = fail_at(index);
    if (index == HIGH)
        record->high_failed = 1;
    return status;
}

GB_TEST(every_index_is_tried_once) {
    for (int threads = 1; threads <= MOST_THREADS; threads++) {
        struct record record = {0};
        assert_ok(gb_parallel_tries(threads, COUNT, attempt, &record));
        for (int i = 0; i < COUNT; i++)
            assert_int_equal(record.runs[i], 1);
    }
    assert_ok(gb_parallel_tries(2, 0, attempt, NULL));
}

// On any thread, and whichever failed first.
GB_TEST(the_lowest_failure_is_reported) {
    for (int threads = 1; threads <= MOST_THREADS; threads++) {
        struct record record = {.fails = true, .waits = threads > 1};
        gb_fail(GB_UNSUPPORTED, "an older message", "here", "no failure");
        assert_int_equal(gb_parallel_tries(threads, COUNT, attempt, &record), GB_BAD_INPUT);
        assert_string_equal(gb_error_message(), "cannot: 3: of 12");
        for (int i = 0; i <= LOW; i++)
            assert_int_equal(record.runs[i], 1);
        if (threads == 1)
            assert_int_equal(record.runs[LOW + 1], 0);
    }
}

// Each rank adds what its neighbour wrote before the barrier.
struct ring {
    int written[MOST_THREADS], sums[MOST_THREADS];
};

static void pass_on(void *argument, int rank, int size) {
    enum { ROUNDS = 50 };
    struct ring *ring = argument;
    for (int i = 0; i < ROUNDS; i++) {
        ring->written[rank] = i + rank;
        gb_barrier(size);
        ring->sums[rank] += ring->written[(rank + 1) % size];
        gb_barrier(size);
    }
}

GB_TEST(ranks_see_what_others_wrote) {
    for (int region = 0; region < 200; region++) {
        const int size = 1 + region % MOST_THREADS;
        struct ring ring = {0};
        gb_parallel(size, pass_on, &ring);
        for (int rank = 0; rank < size; rank++)
            assert_int_equal(ring.sums[rank], 50 * 49 / 2 + 50 * ((rank + 1) % size));
    }
}

static void note_inner(void *argument, int rank, int size) {
    assert_int_equal(rank, 0);
    assert_int_equal(size, 1);
    ++*(atomic_int *)argument;
}

static void begin_inner(void *argument, int rank, int size) {
    (void)rank;
    (void)size;
    gb_parallel(MOST_THREADS, note_inner, argument);
}

GB_TEST(a_region_inside_another_has_one_thread) {
    atomic_int runs = 0;
    gb_parallel(MOST_THREADS, begin_inner, &runs);
    assert_int_equal(runs, MOST_THREADS);
}

// Regions of two threads at once: all ranks run, on fewer threads where the pool is busy.
static void count_size(void *argument, int rank, int size) {
    if (rank == 0)
        *(atomic_int *)argument += size;
    else
        ++*((atomic_int *)argument + 1);
}

static void *run_regions(void *argument) {
    for (int i = 0; i < 500; i++)
        gb_parallel(MOST_THREADS, count_size, argument);
    return NULL;
}

GB_TEST(regions_of_two_threads_at_once) {
    atomic_int here[2] = {0}, there[2] = {0};
    pthread_t other;
    assert_int_equal(pthread_create(&other, NULL, run_regions, there), 0);
    run_regions(here);
    pthread_join(other, NULL);
    assert_int_equal(here[0], 500 + here[1]);
    assert_int_equal(there[0], 500 + there[1]);
}

static void wait_for_first(void *argument, int rank, int size) {
    if (rank == 0)
        nanosleep(argument, NULL);
    gb_barrier(size);
}

// Ranks that wait sleep after a while: their wait takes a small part of its time.
GB_TEST(waiting_takes_no_time_of_the_cpus) {
    struct timespec nap = {.tv_nsec = 300000000}, before, after;
    const char *policy = getenv("OMP_WAIT_POLICY");
    if (policy && strcmp(policy, "active") == 0)
        skip();
    gb_parallel(MOST_THREADS, wait_for_first, &nap); // starts the threads
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &before);
    gb_parallel(MOST_THREADS, wait_for_first, &nap);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &after);
    const double used =
        (double)(after.tv_sec - before.tv_sec) + 1e-9 * (double)(after.tv_nsec - before.tv_nsec);
    assert_true(used < 0.1);
}
