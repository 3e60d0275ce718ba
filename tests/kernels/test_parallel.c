// SPDX-License-Identifier: MIT
// Jobs that can fail (kernels/parallel.h): which failure is told, and by which message.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "kernels/parallel.h"

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

static void every_index_is_tried_once(void **state) {
    (void)state;
    for (int threads = 1; threads <= MOST_THREADS; threads++) {
        struct record record = {0};
        assert_int_equal(gb_parallel_tries(threads, COUNT, attempt, &record), GB_OK);
        for (int i = 0; i < COUNT; i++)
            assert_int_equal(record.runs[i], 1);
    }
    assert_int_equal(gb_parallel_tries(2, 0, attempt, NULL), GB_OK);
}

// Whichever thread met it, and whichever failed first.
static void the_lowest_failure_is_told(void **state) {
    (void)state;
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

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_index_is_tried_once),
        cmocka_unit_test(the_lowest_failure_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
