// SPDX-License-Identifier: MIT
// Teams of fewer threads than asked for, and which failure of several jobs is reported.
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>

#include "kernels/parallel.h"
#include "tests/support/test.h"
#if defined(GB_PTHREADS)
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#endif

enum { COUNT = 12, LOW = 3, HIGH = 7, MOST_THREADS = 3 };

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

#if defined(GB_PTHREADS)
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

// Where the system refuses threads, in a process of its own: the limit does not hold for root.
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
#endif
